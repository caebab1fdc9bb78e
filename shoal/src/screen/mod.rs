//! Where words go: a terminal with a table that stays in place, plain lines, or JSON lines.

mod table;

use std::io::{self, IsTerminal, Write};

pub use table::{Row, Tone, lines, marked};

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
        let width = if in_place { terminal_width() } else { UNBOUNDED };
        let below = below.iter().map(|line| line.chars().take(width).collect());
        let next: Vec<String> = lines(rows, width, self.colour).into_iter().chain(below).collect();
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

/// The width of the terminal in characters; a usual one where it does not say.
pub fn terminal_width() -> usize {
    let told = rustix::termios::tcgetwinsize(io::stdout()).map_or(0, |size| usize::from(size.ws_col));
    if told == 0 { 80 } else { told }
}

/// Goes up over `count` lines and clears all below.
fn erase(count: usize) -> String {
    if count == 0 { String::new() } else { format!("\x1b[{count}A\x1b[J") }
}

fn joined(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// In one write, so that a terminal never shows half of a picture.
fn put(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}
