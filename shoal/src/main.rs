//! `shoal`, and by their names every process of the mesh.

use std::process::ExitCode;

use clap::Parser;
use shoal::cli::Cli;
use shoal::{be_role, command};

fn main() -> ExitCode {
    let called = std::env::args_os().next().and_then(|name| be_role::role_called(&name));
    if let Some(role) = called {
        return be_role::be(role);
    }
    match Cli::try_parse() {
        Ok(cli) => command::run(cli.command),
        Err(error) => command::usage(&error),
    }
}
