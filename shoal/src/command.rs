//! From the command line to the command, and from its end to the exit code.

use std::io;
use std::process::ExitCode;

use crate::cli::Command;
use crate::failure::Failure;
use crate::program::Program;
use crate::screen::{Tone, marked, wants_colour};
use crate::{check, completions, down, exit, status, store, up};

/// Does what `command` says; gives the exit code.
pub fn run(command: Command) -> ExitCode {
    let done = match command {
        Command::Up(args) => on_one_thread(up::run(args)),
        Command::Status(args) => on_one_thread(status::run(args)),
        Command::Down(args) => on_one_thread(down::run(args)),
        Command::Check(args) => check::run(&args),
        Command::Store(args) => on_one_thread(store::run(args)),
        Command::P2p { args } => Err(Program::P2p.exec(&args)),
        Command::Topic { args } => Err(Program::Topic.exec(&args)),
        Command::Completions { shell } => completions::run(shell),
    };
    ExitCode::from(done.unwrap_or_else(|failure| {
        complain(&failure);
        failure.exit_code()
    }))
}

/// Says what is wrong with the command line, or the help that it asks for.
pub fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { exit::USAGE } else { exit::DONE })
}

/// One thread is enough, and one is needed: Linux takes the end of the thread that started a process for the end of
/// its parent, and a pool's threads come and go.
fn on_one_thread(work: impl Future<Output = Result<u8, Failure>>) -> Result<u8, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Failure::while_trying("to begin"))?.block_on(work)
}

fn complain(failure: &Failure) {
    let word = "error:";
    let word = if wants_colour(&io::stderr()) { marked(word, Tone::Bad.colour()) } else { word.to_owned() };
    eprintln!("{word} {failure}");
}
