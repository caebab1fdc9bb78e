//! `shoal`, and by their names every process of the mesh.

use std::process::ExitCode;

use clap::Parser;
use shoal::cli::Cli;
use shoal::command;
use shoal::program::Program;

fn main() -> ExitCode {
    let called = std::env::args_os().next().and_then(|name| Program::called(&name));
    if let Some(program) = called {
        return program.be();
    }
    match Cli::try_parse() {
        Ok(cli) => command::run(cli.command),
        Err(error) => command::usage(&error),
    }
}
