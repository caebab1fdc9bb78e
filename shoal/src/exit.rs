//! What the exit code of `shoal` says.

/// Done; of `up`: everything drained. Of `status`: every process is ready.
pub const DONE: u8 = 0;

/// Something is not well: of `status`, a process is not ready; of `up`, one had to be killed; of `store check`,
/// there is damage.
pub const UNWELL: u8 = 1;

/// No mesh runs in the folder.
pub const NOT_RUNNING: u8 = 3;

/// A mesh runs in the folder already.
pub const RUNNING_ALREADY: u8 = 4;

/// An address that a process was to listen on cannot be had.
pub const PORT_TAKEN: u8 = 5;

/// The command line or a file is wrong (`EX_USAGE` of `sysexits.h`).
pub const USAGE: u8 = 64;

/// It could not be done; stderr says why.
pub const FAILED: u8 = 70;

/// Ended at once by a second signal, without draining.
pub const INTERRUPTED: u8 = 130;

/// For the help.
pub const EXPLAINED: &str = "\
Exit codes:
  0    done; up: all processes drained; status: all are ready; check: no mistakes
  1    status: a process is not ready; up: one had to be killed; store check: damage
  3    status, down: no mesh runs in the folder
  4    up: a mesh runs in the folder already
  5    up: a port is taken
  64   wrong command line, or mistakes in a file
  70   it could not be done; stderr says why
  130  up: ended at once by a second signal";
