//! Where lines go: a pipe, or above a prompt.

use std::io::{self, Write as _};
use std::sync::mpsc;

use serde_json::Value;

use super::exit::Exit;
use super::paint::Paint;
use super::wrap::wrapped;

/// The program's output.
#[derive(Debug)]
pub struct Screen {
    kind: Kind,
    /// What it can show.
    pub paint: Paint,
}

#[derive(Debug)]
enum Kind {
    /// What people say goes to standard output, notes to standard error.
    Lines,
    /// All goes to standard output, as JSON.
    Json,
    /// All goes above the prompt, by the thread that has it.
    Prompt(mpsc::Sender<String>),
}

impl Screen {
    /// Plain lines.
    pub fn lines(paint: Paint) -> Self {
        Self { kind: Kind::Lines, paint }
    }

    /// JSON lines.
    pub fn json() -> Self {
        Self { kind: Kind::Json, paint: Paint { colours: false, unicode: true } }
    }

    /// Above a prompt: `printer` takes whole lines.
    pub fn prompt(printer: mpsc::Sender<String>, paint: Paint) -> Self {
        Self { kind: Kind::Prompt(printer), paint }
    }

    /// Shows a line that somebody said, or that was asked for; nothing where all is JSON.
    ///
    /// # Errors
    /// [`Exit::Io`] when nobody reads it any more.
    pub fn say(&self, line: &str) -> Result<(), Exit> {
        match &self.kind {
            Kind::Lines => to_stdout(line),
            Kind::Json => Ok(()),
            Kind::Prompt(printer) => printer.send(wrapped(line, columns()) + "\n").map_err(|_| Exit::Io),
        }
    }

    /// Shows a note beside what is said; nothing where all is JSON.
    ///
    /// # Errors
    /// As [`Screen::say`].
    pub fn note(&self, line: &str) -> Result<(), Exit> {
        match &self.kind {
            Kind::Lines => {
                // Whether anybody reads the notes does not matter.
                let _ = writeln!(io::stderr(), "{line}");
                Ok(())
            }
            Kind::Json => Ok(()),
            Kind::Prompt(_) => self.say(&self.paint.dim(&format!("       {line}"))),
        }
    }

    /// Shows what went wrong.
    ///
    /// # Errors
    /// As [`Screen::say`].
    pub fn warn(&self, line: &str) -> Result<(), Exit> {
        match &self.kind {
            Kind::Prompt(_) => self.say(&self.paint.warning(&format!("       {line}"))),
            _ => {
                let _ = writeln!(io::stderr(), "{line}");
                Ok(())
            }
        }
    }

    /// Shows an object where all is JSON, else nothing.
    ///
    /// # Errors
    /// As [`Screen::say`].
    pub fn object(&self, object: impl FnOnce() -> Value) -> Result<(), Exit> {
        match &self.kind {
            Kind::Json => to_stdout(&object().to_string()),
            _ => Ok(()),
        }
    }
}

/// The terminal's width; a usual one where it does not say.
pub fn columns() -> usize {
    match rustix::termios::tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 => size.ws_col.into(),
        _ => 80,
    }
}

fn to_stdout(line: &str) -> Result<(), Exit> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|_| Exit::Io)
}
