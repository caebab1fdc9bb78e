//! The machine's own files, over `std::fs` and the few calls that it lacks.

use std::fs::{self, OpenOptions, TryLockError};
use std::io::{self, IoSlice, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use super::{File, Files, Lock};

/// How many zero bytes one call writes while a file is allocated.
const ZEROS: usize = 1 << 20;

/// The most slices one vectored write may take (`IOV_MAX` on every system we know).
const MAX_SLICES: usize = 1024;

/// The files of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Files for Disk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        Ok(Arc::new(file))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(OpenOptions::new().read(true).write(true).open(path)?))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        fs::File::open(dir)?.sync_all()
    }

    fn lock(&self, path: &Path, holder: &str) -> io::Result<Lock> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0)?;
                file.write_all(holder.as_bytes())?;
                Ok(Lock::Held(Box::new(file)))
            }
            Err(TryLockError::WouldBlock) => {
                let mut other = String::new();
                // The holder's text only makes the message better: a file that cannot be read is no reason to fail.
                let _ = (&file).take(256).read_to_string(&mut other);
                Ok(Lock::Busy(other))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl File for fs::File {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buf, offset)
    }

    fn write_at(&self, bytes: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        Ok(rustix::io::pwritev(self, &bytes[..bytes.len().min(MAX_SLICES)], offset)?)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        fs::File::set_len(self, bytes)
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        reserve(self, bytes)?;
        // Reserved blocks count as unwritten until they are written once, and noting that would cost every sync
        // a write of the file system's journal: so the zeros are written now. Syncing them bit by bit keeps the
        // disk's queue short for those who sync other files meanwhile.
        let zeros = vec![0; ZEROS];
        let mut at = 0;
        while at < bytes {
            let step = (bytes - at).min(ZEROS as u64);
            self.write_all_at(&zeros[..step as usize], at)?;
            self.sync_data()?;
            at += step;
        }
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

/// Asks for the blocks in one piece, so that a full disk shows itself before anything is written.
#[cfg(target_os = "linux")]
fn reserve(file: &fs::File, bytes: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;
    match fallocate(file, FallocateFlags::empty(), 0, bytes) {
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Elsewhere the zeros that follow reserve the blocks just as well.
#[cfg(not(target_os = "linux"))]
fn reserve(_file: &fs::File, _bytes: u64) -> io::Result<()> {
    Ok(())
}
