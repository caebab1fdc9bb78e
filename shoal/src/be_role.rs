//! Being one of the mesh's processes: this executable, called by a role's name, is that role.

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

use mesh::config::Role;
use mesh::process::run;
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

/// Names the process that started this one, and without which it is not to live.
pub const PARENT: &str = "SHOAL_PARENT";

/// The role that a program called `name` is; `None` where it is `shoal` itself.
pub fn role_called(name: &OsStr) -> Option<Role> {
    let name = Path::new(name).file_name()?;
    Role::ALL.into_iter().find(|role| name == role.name())
}

/// Is `role` until it ends. The command line is the role's own.
pub fn be(role: Role) -> ExitCode {
    end_with_parent();
    match role {
        Role::Gateway => run(gateway::run),
        Role::MsgServer => run(msg_server::run),
        Role::Router => run(router::run),
        Role::Manager => run(manager::run),
        Role::Monitor => run(monitor::run),
    }
}

/// Has the kernel tell this process to drain when its `shoal up` dies, however that dies.
fn end_with_parent() {
    let parent = std::env::var(PARENT).ok().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
    let Some(parent) = parent else { return };
    // Where the system has no such thing, the next `shoal up` finds what was left.
    let _ = set_parent_process_death_signal(Some(Signal::TERM));
    if getppid() != Some(parent) {
        // It died before the kernel was asked.
        std::process::exit(i32::from(mesh::process::exit::FAILURE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_names_of_roles_are_roles() {
        assert_eq!(role_called(OsStr::new("/usr/bin/msg_server")), Some(Role::MsgServer));
        assert_eq!(role_called(OsStr::new("gateway")), Some(Role::Gateway));
        for name in ["shoal", "/opt/router/shoal", "msg_server2", ""] {
            assert_eq!(role_called(OsStr::new(name)), None, "{name}");
        }
    }
}
