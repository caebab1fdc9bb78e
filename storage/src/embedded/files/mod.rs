//! Every call the embedded store makes on files goes through [`Files`] and [`File`], two small traits with two
//! implementations: [`Disk`], the machine's own files, and [`SimFiles`], a disk in memory that loses power,
//! fills up and fails when a test says so.
//!
//! The traits promise what POSIX promises and no more: bytes written are safe after [`File::sync`], a name that
//! was created, renamed or removed is safe after [`Files::sync_dir`] on its folder.

mod disk;
mod sim;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::fmt;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

pub use disk::Disk;
#[cfg(test)]
pub(crate) use sim::Random;
pub use sim::{Fault, SimFiles, Survival};

/// Held for as long as an exclusive lock on a file is wanted; dropping it gives the lock back.
pub type LockGuard = Box<dyn Any + Send + Sync>;

/// What a lock attempt came to.
pub enum Lock {
    /// The lock is ours until the guard is dropped.
    Held(LockGuard),
    /// Another process (or another part of this one) holds it; the text is what the holder wrote into the file.
    Busy(String),
}

/// A folder tree: the calls that concern names.
pub trait Files: Send + Sync + fmt::Debug {
    /// Creates a file for reading and writing; `AlreadyExists` where there is one.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>>;
    /// Opens an existing file for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>>;
    /// The names (not paths) of the files and folders directly in a folder, in no particular order; names that are
    /// not UTF-8 are left out.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Renames a file, replacing a file of the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Creates a folder and those above it; no error where it exists. Safe after `sync_dir` on the folder above.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// Makes the names in a folder safe: what was created, renamed or removed in it stays so after a power cut.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Takes the exclusive lock on the file at `path` (created where absent) without waiting, and leaves `holder` in
    /// it as its text.
    fn lock(&self, path: &Path, holder: &str) -> io::Result<Lock>;
}

/// An open file. Reads and writes name their place, so one handle serves any number of threads.
pub trait File: Send + Sync + fmt::Debug {
    /// Reads up to `buf.len()` bytes from `offset` on; 0 at or past the end.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes the slices one after another from `offset` on, as one call; may write fewer bytes than given.
    fn write_at(&self, bytes: &[IoSlice<'_>], offset: u64) -> io::Result<usize>;
    /// Returns when every byte written (and the length needed to read it back) would survive a power cut. After an
    /// error the state of the bytes written since the last success is unknown, and a later success proves nothing.
    fn sync(&self) -> io::Result<()>;
    /// Cuts the file, or lengthens it with zeros.
    fn set_len(&self, bytes: u64) -> io::Result<()>;
    /// Makes the file `bytes` long, all zeros, its blocks reserved *and written*, so that a later write inside it
    /// can neither run out of space nor change the file's metadata. Only for new, empty files.
    fn allocate(&self, bytes: u64) -> io::Result<()>;
    /// The file's length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Whether the file has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

/// Reads until `buf` is full or the file ends; the number of bytes read.
pub fn read_full_at(file: &dyn File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buf.len() {
        match file.read_at(&mut buf[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Writes all slices one after another from `offset` on, however many calls that takes.
pub fn write_all_at(file: &dyn File, slices: &[&[u8]], offset: u64) -> io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> = slices.iter().map(|slice| IoSlice::new(slice)).collect();
    let mut rest = &mut slices[..];
    IoSlice::advance_slices(&mut rest, 0);
    let mut at = offset;
    while !rest.is_empty() {
        match file.write_at(rest, at) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => {
                at += n as u64;
                IoSlice::advance_slices(&mut rest, n);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
