//! How the programs end, for scripts.

use std::process::ExitCode;

/// An ending, with the number that a script sees (those of `sysexits.h` where there is one that fits).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All was sent; what was waited for came.
    Ok,
    /// The command line or the configuration file is wrong.
    Usage,
    /// No server could be reached.
    Unreachable,
    /// Reading or writing on this machine failed.
    Io,
    /// Not everything was sent, or not everything came, in the time allowed: try again.
    NotYet,
    /// The mesh refused something, or ended the session for good.
    Refused,
}

impl Exit {
    /// The number.
    pub fn number(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Usage => 64,
            Self::Unreachable => 69,
            Self::Io => 74,
            Self::NotYet => 75,
            Self::Refused => 76,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}

/// For `--help`.
pub const HELP: &str = "\
Exit codes:
   0  all was sent; what was waited for came
  64  the command line or the configuration file is wrong
  69  no server could be reached
  74  reading or writing on this machine failed
  75  not everything was sent, or came, in the time allowed: try again
  76  the mesh refused something, or ended the session for good";
