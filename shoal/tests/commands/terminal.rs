//! A program in a terminal of its own: what a person types and sees.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex};
use std::thread;

use pty_process::Size;
use pty_process::blocking::{Command, Pty, open};
use vt100::Parser;

use crate::running::{eventually, in_time};

/// The keys that have no letter.
pub mod key {
    pub const ENTER: &str = "\r";
    pub const UP: &str = "\x1b[A";
    pub const CTRL_C: &str = "\x03";
    pub const CTRL_D: &str = "\x04";
}

/// A terminal of 24 rows, and the program in it. Killed where a test ends before it does.
pub struct Terminal {
    pty: Arc<Pty>,
    child: Child,
    picture: Arc<Mutex<Parser>>,
}

impl Terminal {
    /// Starts `shoal` with `args` in a terminal of so many `columns`; its working directory is `folder`.
    pub fn start(folder: &Path, columns: u16, args: &[&str]) -> Self {
        let (pty, pts) = open().expect("a terminal");
        pty.resize(Size::new(24, columns)).expect("its size");
        let child = Command::new(env!("CARGO_BIN_EXE_shoal"))
            .args(args)
            .current_dir(folder)
            .env("XDG_RUNTIME_DIR", folder)
            .env("TERM", "xterm")
            .env("LC_ALL", "C.UTF-8")
            .env_remove("NO_COLOR")
            .spawn(pts)
            .expect("shoal starts");
        let size = |count: u16| count.try_into().expect("not 0");
        let picture = Arc::new(Mutex::new(Parser::new(size(24), size(columns), 0)));
        let terminal = Self { pty: Arc::new(pty), child, picture };
        terminal.watch();
        terminal
    }

    /// Paints what the program writes, until it has ended.
    fn watch(&self) {
        let (pty, picture) = (Arc::clone(&self.pty), Arc::clone(&self.picture));
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = (&*pty).read(&mut bytes) {
                picture.lock().expect("nobody panics there").process(&bytes[..count]);
            }
        });
    }

    /// Types `keys`.
    pub fn press(&self, keys: &str) {
        (&*self.pty).write_all(keys.as_bytes()).expect("a keyboard");
    }

    /// The rows that have something in them, from the top.
    pub fn rows(&self) -> Vec<String> {
        let picture = self.picture.lock().expect("nobody panics there");
        let (_, columns) = picture.screen().size();
        picture.screen().rows(0, columns.get()).filter(|row| !row.trim().is_empty()).collect()
    }

    /// Waits until the screen is as it is `wanted`; gives its rows.
    pub fn until(&self, what: &str, wanted: impl Fn(&[String]) -> bool) -> Vec<String> {
        let mut rows = Vec::new();
        let came = in_time(|| {
            rows = self.rows();
            wanted(&rows)
        });
        assert!(came, "waited in vain for {what} on this screen:\n{}", rows.join("\n"));
        rows
    }

    /// Waits until a row has `text` in it.
    pub fn shows(&self, text: &str) -> Vec<String> {
        self.until(text, |rows| rows.iter().any(|row| row.contains(text)))
    }

    /// Waits until the last row is `text`: what is being typed.
    pub fn edits(&self, text: &str) -> Vec<String> {
        self.until(&format!("{text:?} at the prompt"), |rows| {
            rows.last().is_some_and(|row| row.trim_end() == text)
        })
    }

    /// Waits until the program has ended.
    pub fn ended(mut self) -> ExitStatus {
        eventually("the program to end", || self.child.try_wait().expect("a child").is_some());
        self.child.wait().expect("a child")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Where it has ended already, there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
