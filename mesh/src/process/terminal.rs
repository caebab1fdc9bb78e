//! What goes to stderr while there is no log yet.

use std::env;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

/// Writes `error` to stderr; gives `code` for the process to end with.
pub(super) fn complain(code: u8, error: &dyn fmt::Display) -> ExitCode {
    let mut stderr = io::stderr();
    let (red, plain) = if wants_colour(&stderr) { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
    // Where stderr is closed, the exit code has to do.
    let _ = writeln!(stderr, "{red}error:{plain} {error}");
    ExitCode::from(code)
}

/// Whether `stream` is a terminal whose user has nothing against colours (<https://no-color.org>).
pub(crate) fn wants_colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
