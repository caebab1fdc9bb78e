//! `shoal completions`: a completion script for a shell.

use std::io::{self, Write};

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::cli::Cli;
use crate::exit;
use crate::failure::Failure;

/// Prints the script.
///
/// # Errors
/// Where stdout cannot be written to.
pub fn run(shell: Shell) -> Result<u8, Failure> {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "shoal", &mut script);
    io::stdout().write_all(&script).map_err(Failure::while_trying("to print the script"))?;
    Ok(exit::DONE)
}
