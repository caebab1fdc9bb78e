//! The prompt: a thread that has the terminal, line editing and the history of what was typed.

use std::borrow::Cow;
use std::io::{self, Write as _};
use std::sync::mpsc;
use std::thread;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{Context, Editor, ExternalPrinter as _, Helper};
use tokio::sync::mpsc as tokio_mpsc;

use super::paint::Paint;
use super::screen::{Screen, columns};
use super::wrap::last_row;

/// What came of asking for a line.
#[derive(Debug, PartialEq, Eq)]
pub enum Typed {
    /// A line, without its end.
    Line(String),
    /// Ctrl-D or Ctrl-C: whoever sits there wants to leave.
    Left,
}

/// The program's end of the prompt.
pub struct Prompt {
    typed: tokio_mpsc::UnboundedReceiver<Typed>,
    ask: mpsc::Sender<String>,
    /// Whether the thread edits a line: then the terminal is not as it was found.
    editing: bool,
    found: Option<Termios>,
}

impl Prompt {
    /// Takes the terminal. `commands` are completed by Tab.
    ///
    /// # Errors
    /// What the terminal says.
    pub fn open(commands: &'static [&'static str], paint: Paint) -> Result<(Self, Screen), ReadlineError> {
        let found = tcgetattr(io::stdin()).ok();
        let mut editor: Editor<Commands, DefaultHistory> = Editor::new()?;
        editor.set_helper(Some(Commands(commands)));
        let mut printer = editor.create_external_printer()?;
        let (ask, asked) = mpsc::channel::<String>();
        let (line, typed) = tokio_mpsc::unbounded_channel();
        let (print, lines) = mpsc::channel::<String>();
        thread::spawn(move || read(&mut editor, &asked, &line));
        // A thread of its own: printing waits while the other one is between two lines.
        thread::spawn(move || while lines.recv().is_ok_and(|line| printer.print(line).is_ok()) {});
        Ok((Self { typed, ask, editing: false, found }, Screen::prompt(print, paint)))
    }

    /// Shows the prompt; what is typed then comes from [`Prompt::typed`].
    pub fn ask(&mut self, prompt: impl Into<String>) {
        self.editing = true;
        // With the thread gone, `typed` says so.
        let _ = self.ask.send(prompt.into());
    }

    /// The next line. Dropping the future loses nothing.
    pub async fn typed(&mut self) -> Typed {
        let typed = self.typed.recv().await.unwrap_or(Typed::Left);
        self.editing = false;
        typed
    }

    /// Gives the terminal back as it was found, also in the middle of a line: the thread would keep it until the program
    /// is gone, and leave it without echo.
    pub fn close(self) {
        if !self.editing {
            return;
        }
        if let Some(found) = &self.found {
            // A terminal that is gone needs nothing.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, found);
        }
        let mut out = io::stdout().lock();
        let _ = out.write_all(b"\n").and_then(|()| out.flush());
    }

    /// Asks until the answer is one that fits; `None`: whoever sits there wants to leave.
    pub async fn question<T: std::str::FromStr>(&mut self, question: &str) -> Option<T>
    where
        T::Err: std::fmt::Display,
    {
        loop {
            self.ask(question);
            match self.typed().await {
                Typed::Left => return None,
                Typed::Line(line) => match line.trim().parse() {
                    Ok(answer) => return Some(answer),
                    Err(error) => println!("{error}"),
                },
            }
        }
    }
}

fn read(
    editor: &mut Editor<Commands, DefaultHistory>,
    asked: &mpsc::Receiver<String>,
    line: &tokio_mpsc::UnboundedSender<Typed>,
) {
    while let Ok(prompt) = asked.recv() {
        let typed = match editor.readline(&prompt) {
            Ok(text) => {
                // What cannot be added to the history can be said all the same.
                let _ = editor.add_history_entry(&text);
                if prompt.ends_with("> ") {
                    take_back(&prompt, &text);
                }
                Typed::Line(text)
            }
            Err(_) => Typed::Left,
        };
        if line.send(typed).is_err() {
            return;
        }
    }
}

/// Removes the typed line from the screen: it is shown again, with time and mark, when it was sent.
fn take_back(prompt: &str, text: &str) {
    let rows = last_row(&format!("{prompt}{text}"), columns()) + 1;
    let mut out = io::stdout().lock();
    let _ = write!(out, "\x1b[{rows}A\r\x1b[J").and_then(|()| out.flush());
}

/// Completes `/commands`.
struct Commands(&'static [&'static str]);

impl Completer for Commands {
    type Candidate = String;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let typed = &line[..at];
        let fitting = self.0.iter().filter(|command| typed.starts_with('/') && command.starts_with(typed));
        Ok((0, fitting.map(|command| format!("{command} ")).collect()))
    }
}

impl Hinter for Commands {
    type Hint = String;
}

impl Highlighter for Commands {
    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Borrowed(hint)
    }
}

impl Validator for Commands {}
impl Helper for Commands {}
