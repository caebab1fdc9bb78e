//! Where words go: a terminal with a table that stays in place, plain lines, or JSON lines.

mod table;

use std::io::{self, IsTerminal, Write};

pub use table::{Row, Tone, lines, marked, with_restarts};

/// The width of a table that does not go to a terminal, in characters.
const UNBOUNDED: usize = usize::MAX;

/// How output is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A table that is painted over in place, with messages above it.
    InPlace,
    /// Plain lines, as for a log.
    Lines,
    /// One JSON object a line.
    Json,
}

/// Standard output. Where it is closed, the mesh goes on unseen.
#[derive(Debug)]
pub struct Screen {
    form: Form,
    colour: bool,
    /// The lines that are painted now, and are to be painted over.
    painted: Vec<String>,
}

impl Screen {
    /// A screen for what stdout is, or for JSON.
    pub fn new(json: bool) -> Self {
        let form = match (json, io::stdout().is_terminal()) {
            (true, _) => Form::Json,
            (false, true) => Form::InPlace,
            (false, false) => Form::Lines,
        };
        Self { form, colour: form != Form::Json && wants_colour(&io::stdout()), painted: Vec::new() }
    }

    /// How output is shown.
    pub fn form(&self) -> Form {
        self.form
    }

    /// Says `line`, in colour of `tone` where one is given: above the table that is painted.
    pub fn say(&mut self, line: &str, tone: Option<Tone>) {
        let line = match tone.filter(|_| self.colour) {
            Some(tone) => marked(line, tone.colour()),
            None => line.to_owned(),
        };
        let table = std::mem::take(&mut self.painted);
        put(&(erase(table.len()) + &line + "\n" + &joined(&table)));
        self.painted = table;
    }

    /// As [`Screen::say`]; nothing where JSON is asked for.
    pub fn say_unless_json(&mut self, line: &str, tone: Option<Tone>) {
        if self.form != Form::Json {
            self.say(line, tone);
        }
    }

    /// Says one JSON object, where JSON is asked for.
    pub fn event(&mut self, event: &serde_json::Value) {
        if self.form == Form::Json {
            put(&format!("{event}\n"));
        }
    }

    /// Shows the table and the lines below it: in place of the last ones where that can be.
    pub fn paint(&mut self, rows: &[Row], below: &[String]) {
        let in_place = self.form == Form::InPlace;
        let (width, height) = if in_place { terminal_size() } else { (UNBOUNDED, UNBOUNDED) };
        let below = below.iter().map(|line| line.chars().take(width).collect());
        let next = fit(lines(rows, width, self.colour), below.collect(), height);
        if in_place && next == self.painted {
            return;
        }
        put(&(erase(self.painted.len()) + &joined(&next)));
        if in_place {
            self.painted = next;
        }
    }
}

/// Whether `stream` is a terminal whose user has nothing against colours (<https://no-color.org>).
pub fn wants_colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The columns and rows of the terminal; usual ones where it does not say.
fn terminal_size() -> (usize, usize) {
    let told = |count: u16, usual| if count == 0 { usual } else { usize::from(count) };
    match rustix::termios::tcgetwinsize(io::stdout()) {
        Ok(size) => (told(size.ws_col, 80), told(size.ws_row, 24)),
        Err(_) => (80, 24),
    }
}

/// As much of `table` and of what is `below` it as `height` rows can hold beside the cursor's: what has scrolled out
/// of a terminal cannot be painted over.
fn fit(mut table: Vec<String>, below: Vec<String>, height: usize) -> Vec<String> {
    let room = height.saturating_sub(1).max(1);
    if table.len() + below.len() <= room {
        table.extend(below);
    } else if table.len() > room {
        let hidden = table.len() + 1 - room;
        table.truncate(room - 1);
        table.push(format!("… and {hidden} more: `shoal status` shows all"));
    }
    table
}

/// Goes up over `count` lines and clears all below: from the first column, where the terminal has not left the cursor
/// once it has shown a Ctrl-C.
fn erase(count: usize) -> String {
    if count == 0 { String::new() } else { format!("\r\x1b[{count}A\x1b[J") }
}

fn joined(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// In one write, so that a terminal never shows half of a picture.
fn put(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(count: usize) -> Vec<String> {
        (0..count).map(|line| line.to_string()).collect()
    }

    #[test]
    fn a_picture_never_outgrows_its_terminal() {
        assert_eq!(fit(numbered(3), numbered(2), UNBOUNDED).len(), 5);
        assert_eq!(fit(numbered(3), numbered(2), 6).len(), 5);
        assert_eq!(fit(numbered(3), numbered(2), 5), numbered(3), "the table goes before what is below it");
        let cut = fit(numbered(100), numbered(2), 11);
        assert_eq!((cut.len(), &cut[..9]), (10, &numbered(9)[..]));
        assert_eq!(cut[9], "… and 91 more: `shoal status` shows all");
        for height in 0..20 {
            assert!(
                fit(numbered(9), numbered(3), height).len() <= height.saturating_sub(1).max(1),
                "{height}"
            );
        }
    }
}
