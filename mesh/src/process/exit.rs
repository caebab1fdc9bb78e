//! What the exit code of a process says.

/// Ended as it was told to, or `--check` found nothing wrong.
pub const SUCCESS: u8 = 0;

/// Could not start, or could not go on; stderr and the log say why.
pub const FAILURE: u8 = 1;

/// The command line or the config file is wrong (`EX_USAGE` of `sysexits.h`).
pub const USAGE: u8 = 64;

/// Ended at once by a second SIGINT; by another signal n: 128 + n.
pub const INTERRUPTED: u8 = 130;

/// Ended at once by SIGTERM, after it had been told to end already.
pub const TERMINATED: u8 = 143;
