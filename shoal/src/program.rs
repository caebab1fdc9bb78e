//! Being another program: this executable, called by the name of a role or of a chat program, is that one.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use mesh::config::Role;
use mesh::process::run;
use rustix::process::{Pid, getppid};

use crate::failure::Failure;

/// Names the process that started this one, and without which it is not to live.
pub const PARENT: &str = "SHOAL_PARENT";

/// Another program that this executable can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// One of the mesh's processes.
    Role(Role),
    /// `client_p2p`.
    P2p,
    /// `client_topic`.
    Topic,
}

impl Program {
    /// The program of this name; `None` where that is `shoal` itself.
    pub fn called(name: &OsStr) -> Option<Self> {
        let name = Path::new(name).file_name()?;
        let roles = Role::ALL.into_iter().map(Self::Role);
        roles.chain([Self::P2p, Self::Topic]).find(|it| name == it.name() || name == it.command())
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Role(role) => role.name(),
            Self::P2p => "client_p2p",
            Self::Topic => "client_topic",
        }
    }

    /// What whoever runs it through `shoal` calls it.
    fn command(self) -> &'static str {
        match self {
            Self::Role(role) => role.name(),
            Self::P2p => "shoal p2p",
            Self::Topic => "shoal topic",
        }
    }

    /// Is it until it ends. The command line is its own.
    pub fn be(self) -> ExitCode {
        end_with_parent();
        match self {
            Self::Role(Role::Gateway) => run(gateway::run),
            Self::Role(Role::MsgServer) => run(msg_server::run),
            Self::Role(Role::Router) => run(router::run),
            Self::Role(Role::Manager) => run(manager::run),
            Self::Role(Role::Monitor) => run(monitor::run),
            Self::P2p => client::programs::p2p::main(),
            Self::Topic => client::programs::topic::main(),
        }
    }

    /// Becomes it, with `args` as its command line.
    ///
    /// Returns only where the system refuses, and then says why.
    pub fn exec(self, args: &[OsString]) -> Failure {
        let failed = Failure::while_trying(format!("to become {}", self.name()));
        match std::env::current_exe() {
            Ok(itself) => failed(Command::new(itself).arg0(self.command()).args(args).exec()),
            Err(error) => failed(error),
        }
    }
}

/// Has the kernel tell this process to drain when its `shoal up` dies, however that dies. Elsewhere than on Linux, the
/// next `shoal up` finds what was left.
fn end_with_parent() {
    let parent = std::env::var(PARENT).ok().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
    let Some(parent) = parent else { return };
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM));
    if getppid() != Some(parent) {
        // It died before the kernel was asked.
        std::process::exit(i32::from(mesh::process::exit::FAILURE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_names_of_other_programs_are_other_programs() {
        assert_eq!(Program::called(OsStr::new("/usr/bin/msg_server")), Some(Program::Role(Role::MsgServer)));
        assert_eq!(Program::called(OsStr::new("gateway")), Some(Program::Role(Role::Gateway)));
        assert_eq!(Program::called(OsStr::new("./client_topic")), Some(Program::Topic));
        assert_eq!(Program::called(OsStr::new("shoal p2p")), Some(Program::P2p));
        for name in ["shoal", "/opt/router/shoal", "msg_server2", ""] {
            assert_eq!(Program::called(OsStr::new(name)), None, "{name}");
        }
    }
}
