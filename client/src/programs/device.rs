//! Which of the user's devices a program is: one of this machine's, and never one that another program is meanwhile.
//!
//! The mesh remembers every device of an account, and ends a session when its device logs in again. So a name has to be
//! the same tomorrow, and another one for whoever runs beside it: a machine has numbered names, and a lock on each that
//! the kernel drops with its holder.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use protocol::ids::DeviceId;
use xxhash_rust::xxh3::xxh3_64;

/// So many programs of one kind and one user run at one time, at most, each with a name of its own.
const NAMES: u32 = 1000;

/// A device's name, nobody else's on this machine for as long as this lives.
#[derive(Debug)]
pub struct Device {
    /// The name.
    pub name: String,
    /// Held, not read: `None` where this machine has no place for locks.
    _lock: Option<File>,
}

impl Device {
    /// One for a program of this `kind`, run for `account`: an id, and whatever tells its mesh from others.
    pub fn of_this_machine(kind: &str, account: &str) -> Self {
        let name = format!("{kind}-{:04x}", machine());
        // Without locks, the later of two programs ends the session of the earlier, which says so.
        own_folder()
            .and_then(|folder| Self::in_folder(&folder, &name, account))
            .unwrap_or(Self { name, _lock: None })
    }

    /// A name that the user chose: theirs to give to one program alone.
    pub fn chosen(name: &DeviceId) -> Self {
        Self { name: name.to_string(), _lock: None }
    }

    /// The first of the numbered names that is free; `None` where none is, or `folder` cannot be used.
    fn in_folder(folder: &Path, name: &str, account: &str) -> Option<Self> {
        let place = format!("{name}-{:016x}", xxh3_64(account.as_bytes()));
        (1..=NAMES).find_map(|number| {
            let file = File::options()
                .create(true)
                .append(true)
                .open(folder.join(format!("{place}-{number}.lock")))
                .ok()?;
            file.try_lock().ok()?;
            let name = if number == 1 { name.to_owned() } else { format!("{name}-{number}") };
            Some(Self { name, _lock: Some(file) })
        })
    }
}

/// What tells this user of this machine from others: always the same, and says nothing of either.
fn machine() -> u16 {
    let id = fs::read("/etc/machine-id").unwrap_or_default();
    let uname = rustix::system::uname();
    let user = rustix::process::getuid().as_raw().to_be_bytes();
    xxh3_64(&[&id, uname.nodename().to_bytes(), &user].concat()) as u16
}

/// A folder that only this user can write to, and that the next start of the machine empties.
fn own_folder() -> Option<PathBuf> {
    let user = rustix::process::getuid().as_raw();
    let run = std::env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty());
    let run = run.and_then(|folder| own(Path::new(&folder).join("shoal"), user));
    run.or_else(|| own(std::env::temp_dir().join(format!("shoal-{user}")), user))
}

/// `folder`, made where it is not there; `None` where it is not this user's alone.
fn own(folder: PathBuf, user: u32) -> Option<PathBuf> {
    match DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return None,
        _ => {}
    }
    let found = fs::symlink_metadata(&folder).ok()?;
    (found.is_dir() && found.uid() == user).then_some(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_at_once_are_two_devices_and_one_after_another_are_one() {
        let folder = tempfile::tempdir().unwrap();
        let take = |account| Device::in_folder(folder.path(), "once-1a2b", account).unwrap();
        let (first, second) = (take("amy"), take("amy"));
        assert_eq!((first.name.as_str(), second.name.as_str()), ("once-1a2b", "once-1a2b-2"));
        assert_eq!(take("bob").name, "once-1a2b", "each account has devices of its own");
        drop(first);
        assert_eq!(take("amy").name, "once-1a2b");
        let third = take("amy");
        assert_eq!((third.name.as_str(), take("amy").name.as_str()), ("once-1a2b", "once-1a2b-3"));
        drop(second);
    }

    #[test]
    fn without_a_place_for_locks_there_is_a_name_all_the_same() {
        assert!(Device::in_folder(Path::new("/nowhere"), "once-1a2b", "amy").is_none());
        let device = Device::of_this_machine("client_topic-script", "amy");
        assert!(DeviceId::new(&device.name).is_ok(), "{device:?}");
    }
}
