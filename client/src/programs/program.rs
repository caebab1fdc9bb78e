//! What the two chat programs have in common, from `main` on.

use std::process::ExitCode;

use clap::Parser;

use super::args::{self, Common};
use super::exit::Exit;
use super::paint::Paint;
use super::prompt::Prompt;
use super::screen::Screen;
use super::start;
use crate::UserId;

/// The command line of one of them.
pub trait Program: Parser {
    /// What it is called, and the devices that it makes of this machine.
    const NAME: &'static str;

    /// The flags of both.
    fn common(&self) -> &Common;

    /// Talks with whoever sits at the prompt, until they leave.
    async fn at_prompt(self) -> Result<Exit, Exit>;

    /// Takes lines from a pipe, and writes lines to one.
    async fn in_a_pipe(self) -> Result<Exit, Exit>;
}

/// The program, from command line to exit code.
pub fn main<P: Program>() -> ExitCode {
    match args::parse(P::common) {
        Ok(program) => start::run(run(program)),
        Err(exit) => exit.into(),
    }
}

async fn run<P: Program>(program: P) -> Exit {
    let ended = if start::at_prompt(program.common()) {
        program.at_prompt().await
    } else {
        program.in_a_pipe().await
    };
    ended.unwrap_or_else(|exit| exit)
}

/// Takes the terminal, and asks who sits there where the command line does not say. Tab completes `commands`.
///
/// # Errors
/// The way to end.
pub async fn open_prompt(
    common: &Common,
    commands: &'static [&'static str],
) -> Result<(Prompt, Screen, UserId), Exit> {
    let opened = Prompt::open(commands, Paint::of_environment(true));
    let (mut prompt, screen) = opened.map_err(|error| {
        eprintln!("cannot use the terminal: {error}");
        Exit::Io
    })?;
    let user = match common.id.clone() {
        Some(user) => user,
        None => prompt.question("Who are you? ").await.ok_or(Exit::Ok)?,
    };
    Ok((prompt, screen, user))
}

/// Who the lines of a pipe are from.
///
/// # Errors
/// [`Exit::Usage`], after saying that it is missing.
pub fn user_of_pipe(common: &Common) -> Result<UserId, Exit> {
    common.id.clone().ok_or_else(|| missing("who are you? --id NAME"))
}

/// Says what a pipe cannot do without.
pub fn missing(what: &str) -> Exit {
    eprintln!("{what} (--help shows examples)");
    Exit::Usage
}

/// Where the lines for a pipe go.
pub fn pipe_screen(common: &Common) -> Screen {
    if common.json { Screen::json() } else { Screen::lines(Paint::of_environment(false)) }
}
