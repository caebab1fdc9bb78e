//! Who runs a mesh in a folder: the holder of a lock that the kernel drops with its holder.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::process::{Flock, FlockOffsetType, FlockType, fcntl_getlk};
use thiserror::Error;

/// The right to run a mesh in a folder, for as long as this lives.
///
/// The lock belongs to the process: a process takes it once, and never opens the file again while it holds it.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

/// Why a mesh cannot be run in a folder.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another process runs one there.
    #[error(
        "a mesh runs in this folder already, as pid {pid}: `shoal status` shows it, `shoal down` ends it, and \
         `--data DIR` starts another one elsewhere"
    )]
    Held {
        /// The process that runs it; 0 where it is not visible from here.
        pid: u32,
    },
    /// The lock file cannot be used.
    #[error("{file}: cannot be locked: {cause}")]
    Unusable {
        /// The file.
        file: String,
        /// What the system said.
        cause: io::Error,
    },
}

impl Lock {
    /// Takes the lock, and writes this process's id into `file` for people to read.
    ///
    /// # Errors
    /// Where another process holds it, or the file cannot be used.
    pub fn take(file: &Path) -> Result<Self, LockError> {
        let unusable = |cause| LockError::Unusable { file: file.display().to_string(), cause };
        let mut lock = Self { file: open(file, true).map_err(unusable)? };
        match fcntl_lock(&lock.file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => lock.sign().map(|()| lock).map_err(unusable),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS) => {
                Err(LockError::Held { pid: holder_of(&mut lock.file).map_err(unusable)?.unwrap_or_default() })
            }
            Err(other) => Err(unusable(other.into())),
        }
    }

    fn sign(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        writeln!(self.file, "{}", std::process::id())
    }
}

/// The process that runs a mesh with this lock file; `None` where none does.
///
/// # Errors
/// Where the file is there but cannot be read.
pub fn holder(file: &Path) -> io::Result<Option<u32>> {
    match open(file, false) {
        Ok(mut file) => holder_of(&mut file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn open(file: &Path, make: bool) -> io::Result<File> {
    OpenOptions::new().read(true).write(make).create(make).truncate(false).open(file)
}

fn holder_of(file: &mut File) -> io::Result<Option<u32>> {
    let probe = Flock {
        start: 0,
        length: 0,
        pid: None,
        typ: FlockType::WriteLock,
        offset_type: FlockOffsetType::Set,
    };
    let Some(lock) = fcntl_getlk(&*file, &probe)? else { return Ok(None) };
    match lock.pid {
        Some(pid) => Ok(Some(pid.as_raw_nonzero().get().unsigned_abs())),
        // Held from another pid namespace: all there is, is what the holder wrote.
        None => signed(file).map(Some),
    }
}

fn signed(file: &mut File) -> io::Result<u32> {
    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text)?;
    Ok(text.trim().parse().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_holder_is_nobodys_whatever_is_written_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shoal.lock");
        assert_eq!(holder(&file).unwrap(), None);
        std::fs::write(&file, "12345\n").unwrap();
        assert_eq!(holder(&file).unwrap(), None);
        let lock = Lock::take(&file).unwrap();
        drop(lock);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("{}\n", std::process::id()));
    }
}
