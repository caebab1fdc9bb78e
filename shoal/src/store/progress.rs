//! How far an export or import is.

use std::io::{self, IsTerminal, Write};

use storage::export::Counts;

/// A line on stderr that is written over where that is a terminal; elsewhere nothing until the end.
pub struct Progress {
    done: &'static str,
    on_terminal: bool,
}

impl Progress {
    /// Begins; `done` is what has been done to things, as "exported".
    pub fn new(done: &'static str) -> Self {
        Self { done, on_terminal: io::stderr().is_terminal() }
    }

    /// So much is done.
    pub fn tell(&self, counts: &Counts) {
        if self.on_terminal {
            // Nobody to tell is no reason to stop.
            let _ = write!(io::stderr(), "\r\x1b[K{}", in_words(self.done, counts));
        }
    }

    /// All is done, which is said on `out`.
    pub fn end(&self, counts: &Counts, mut out: impl Write) {
        if self.on_terminal {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
        // It is done, whether or not anybody hears of it.
        let _ = writeln!(out, "{}", in_words(self.done, counts));
    }
}

fn in_words(done: &str, counts: &Counts) -> String {
    let Counts { accounts, topics, members, logs, entries, cursors, content_bytes } = counts;
    format!(
        "{done}: {accounts} accounts, {topics} topics with {members} members, {logs} logs with {entries} entries of \
         {content_bytes} bytes, {cursors} cursors"
    )
}
