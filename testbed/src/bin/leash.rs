//! Becomes the program that its arguments name, after it asked the kernel to kill that program with whoever started it:
//! so that no process of a mesh outlives a test run, however that ends.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let Some(program) = args.next() else {
        eprintln!("usage: testbed-leash PROGRAM [ARGUMENT]...");
        return ExitCode::from(64);
    };
    // Where the system has no such thing, only a run that was killed leaves processes behind.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    let parent =
        std::env::var("TESTBED_PARENT").ok().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
    if parent.is_some() && parent != getppid() {
        return ExitCode::FAILURE;
    }
    let error = Command::new(&program).args(args).exec();
    eprintln!("{}: {error}", program.display());
    ExitCode::FAILURE
}
