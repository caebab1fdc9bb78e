//! A log file that several processes may append to, and that one alone rotates.
//!
//! Whoever has the file open holds a shared lock on it. Who finds it full tries for the exclusive one: that is had
//! only by a process that is alone with the file, and only that one rotates. So no process ever writes into a file
//! that another has moved away.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, rename};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

/// How often, and with which pauses, an opener waits for another process to end its rotation.
const LOCK_ATTEMPTS: u32 = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(1);

/// A file that could not be rotated is looked at again after this part of its limit.
const RETRY_PART: u64 = 16;

/// An append-only log file; each `write` is one line, and goes out at once and whole.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    rotate_bytes: u64,
    keep: u32,
    open: Mutex<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// How many bytes may still be written before the size is looked at.
    left: u64,
}

impl LogFile {
    /// Opens or makes the file at `path`, to be rotated at `rotate_bytes` bytes into at most `keep` older ones:
    /// `path.1`, the newest, to `path.<keep>`.
    ///
    /// # Errors
    /// Where the system does not let the file be opened for appending.
    pub fn open(path: &Path, rotate_bytes: u64, keep: u32) -> io::Result<Self> {
        let open = Open::new(path, rotate_bytes)?;
        Ok(Self { path: path.to_owned(), rotate_bytes, keep, open: Mutex::new(open) })
    }

    /// Opens the path anew; where that fails, the file that is open serves on.
    pub fn reopen(&self) {
        self.renew(&mut self.open.lock());
    }

    fn write_line(&self, line: &[u8]) -> io::Result<()> {
        let mut open = self.open.lock();
        open.file.write_all(line)?;
        open.left = open.left.saturating_sub(line.len() as u64);
        if open.left == 0 {
            self.look(&mut open);
        }
        Ok(())
    }

    /// Rotates a file that is full, where nobody else has it open.
    fn look(&self, open: &mut Open) {
        let size = open.file.metadata().map_or(0, |metadata| metadata.len());
        if size < self.rotate_bytes {
            open.left = self.rotate_bytes - size;
            return;
        }
        if open.file.try_lock().is_ok() {
            self.rotate();
        }
        // Also where others have the file: the failed try may have cost the shared lock.
        self.renew(open);
        open.left = open.left.max(self.rotate_bytes / RETRY_PART);
    }

    /// What cannot be renamed stays, and is appended to.
    fn rotate(&self) {
        for number in (1..self.keep).rev() {
            let _ = rename(self.rotated(number), self.rotated(number + 1));
        }
        let _ = rename(&self.path, self.rotated(1));
    }

    fn rotated(&self, number: u32) -> PathBuf {
        let mut path = OsString::from(&self.path);
        path.push(format!(".{number}"));
        path.into()
    }

    fn renew(&self, open: &mut Open) {
        if let Ok(renewed) = Open::new(&self.path, self.rotate_bytes) {
            *open = renewed;
        }
    }
}

impl Write for &LogFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.write_line(line).map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Open {
    fn new(path: &Path, rotate_bytes: u64) -> io::Result<Self> {
        let mut file = append_to(path)?;
        for _ in 0..LOCK_ATTEMPTS {
            if file.try_lock_shared().is_ok() && is_at(&file, path) {
                break;
            }
            thread::sleep(LOCK_PAUSE);
            file = append_to(path)?;
        }
        let size = file.metadata()?.len();
        Ok(Self { file, left: rotate_bytes.saturating_sub(size).max(1) })
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Whether `file` is still the one at `path`: it may have been rotated away before it was locked.
fn is_at(file: &File, path: &Path) -> bool {
    let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    match (file.metadata(), path.metadata()) {
        (Ok(open), Ok(named)) => identity(open) == identity(named),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::read_to_string;

    fn write(mut log: &LogFile, line: &str) {
        log.write_all(line.as_bytes()).unwrap();
    }

    #[test]
    fn a_full_file_is_rotated_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let log = LogFile::open(&path, 10, 2).unwrap();
        for line in ["one------\n", "two------\n", "three----\n", "four\n"] {
            write(&log, line);
        }
        assert_eq!(read_to_string(&path).unwrap(), "four\n");
        assert_eq!(read_to_string(folder.path().join("a.log.1")).unwrap(), "three----\n");
        assert_eq!(read_to_string(folder.path().join("a.log.2")).unwrap(), "two------\n");
        assert!(!folder.path().join("a.log.3").exists());
    }

    #[test]
    fn a_shared_file_is_only_appended_to_until_one_is_alone_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let (first, second) = (LogFile::open(&path, 10, 2).unwrap(), LogFile::open(&path, 10, 2).unwrap());
        write(&first, "first-----\n");
        write(&second, "second----\n");
        assert_eq!(read_to_string(&path).unwrap(), "first-----\nsecond----\n");
        drop(second);
        write(&first, "alone\n");
        assert_eq!(read_to_string(folder.path().join("a.log.1")).unwrap(), "first-----\nsecond----\nalone\n");
        assert_eq!(read_to_string(&path).unwrap(), "");
    }

    #[test]
    fn a_file_that_was_moved_away_is_made_anew_when_reopened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let log = LogFile::open(&path, 1000, 2).unwrap();
        write(&log, "old\n");
        rename(&path, folder.path().join("taken")).unwrap();
        log.reopen();
        write(&log, "new\n");
        assert_eq!(read_to_string(&path).unwrap(), "new\n");
    }

    #[test]
    fn a_file_that_was_full_at_the_start_is_rotated_by_the_first_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        std::fs::write(&path, "0123456789\n").unwrap();
        write(&LogFile::open(&path, 10, 1).unwrap(), "x\n");
        assert_eq!(read_to_string(folder.path().join("a.log.1")).unwrap(), "0123456789\nx\n");
    }
}
