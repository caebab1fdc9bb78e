//! The msg_server's program.

use std::process::ExitCode;

fn main() -> ExitCode {
    mesh::process::run(msg_server::run)
}
