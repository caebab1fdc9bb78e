//! A segment: one file of the log. It is made whole, header and zeros, under another name, synced, renamed and its
//! name synced, before a record goes in; so a file with a segment's name is always complete, or damaged.
//!
//! The header takes the first 4096 bytes, which are never written again: two halves of 2048 bytes, the same in both, so
//! that a repair can mend one by the other:
//!
//! | offset | type | field |
//! | --- | --- | --- |
//! | 0 | 8 bytes | `SHOALLOG` |
//! | 8 | u32 | format version, 1 |
//! | 12 | u32 | the segment's number, from 1 |
//! | 16 | 16 bytes | the store's id |
//! | 32 | u64 | salt: random, another in each segment |
//! | 40 | u32 | size of the file in bytes |
//! | 44 | | zeros |
//! | 2040 | u64 | xxh3-64 of bytes 0 to 2039 |
//!
//! All integers are little-endian. Every format version keeps magic, version and checksum where they are.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use super::record::{HEADER_BYTES as RECORD_HEADER_BYTES, Place, u32_at, u64_at};
use super::{Damage, LogError};
use crate::embedded::files::{File, Files, read_full_at, write_all_at};

/// Bytes of a segment's header; its first record's header follows.
pub(super) const HEADER_BYTES: u32 = 4096;

const MAGIC: &[u8; 8] = b"SHOALLOG";
const VERSION: u32 = 1;
const HALF: usize = HEADER_BYTES as usize / 2;
const CHECKED: usize = HALF - 8;

/// An open segment with a good header.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub number: u32,
    pub path: PathBuf,
    pub store_id: [u8; 16],
    /// Size of the file in bytes, as its header says.
    pub bytes: u32,
    pub file: Arc<dyn File>,
    salt: u64,
}

impl Segment {
    /// Makes a new, empty segment, and makes it durable, name and all. Fails with `NoRoom` where nothing is left
    /// behind under a segment's name, and with `Io` where that is not known.
    pub fn make(
        files: &dyn Files,
        dir: &Path,
        number: u32,
        bytes: u32,
        store_id: [u8; 16],
    ) -> Result<Self, LogError> {
        let path = dir.join(name(number));
        let unnamed = dir.join(format!("{}{UNNAMED}", name(number)));
        let salt = Uuid::new_v4().as_u64_pair().0;
        let file = fill(files, &unnamed, &header(number, bytes, store_id, salt), bytes)
            .and_then(|file| files.rename(&unnamed, &path).map(|()| file))
            .map_err(|source| {
                // Frees the space again; if even that fails, the next open removes it.
                let _ = files.remove(&unnamed);
                LogError::NoRoom { file: path.clone(), source }
            })?;
        sync_dir(files, dir)?;
        Ok(Self { number, path, store_id, bytes, file, salt })
    }

    /// Opens a segment and checks its header.
    pub fn open(files: &dyn Files, dir: &Path, number: u32) -> Result<Self, LogError> {
        let path = dir.join(name(number));
        let file = files.open(&path).map_err(failed("cannot open", &path))?;
        let mut header = vec![0; HEADER_BYTES as usize];
        read_full_at(&*file, &mut header, 0).map_err(failed("cannot read", &path))?;
        let (store_id, bytes, salt) = check(&header, number, &path)?;
        Ok(Self { number, path, store_id, bytes, file, salt })
    }

    /// The place of a header in this segment.
    pub fn place(&self, offset: u32) -> Place {
        Place { salt: self.salt, segment: self.number, offset }
    }

    /// Whether a record that takes `stride` bytes fits in from `offset` on.
    pub fn fits(&self, offset: u32, stride: u64) -> bool {
        u64::from(offset) + stride <= u64::from(self.bytes)
    }
}

/// What a segment's file is called until it is complete.
const UNNAMED: &str = ".new";

/// The name of a segment's file.
pub(super) fn name(number: u32) -> String {
    format!("{number:08}.log")
}

/// The number of the segment whose file has this name.
pub(super) fn number(file: &str) -> Option<u32> {
    let number = file.strip_suffix(".log")?.parse().ok()?;
    (name(number) == file).then_some(number)
}

/// How many segments there are in a folder, none missing between 1 and the last.
pub(super) fn count(files: &dyn Files, dir: &Path) -> Result<u32, LogError> {
    let names = files.list(dir).map_err(failed("cannot list", dir))?;
    let mut numbers: Vec<u32> = names.iter().filter_map(|name| number(name)).collect();
    numbers.sort_unstable();
    match (1..).zip(&numbers).find(|(wanted, found)| wanted != *found) {
        Some((missing, _)) => Err(LogError::MissingSegment { file: dir.join(name(missing)) }),
        None => Ok(numbers.last().copied().unwrap_or(0)),
    }
}

/// Removes what was left of segments that were never completed.
pub(super) fn sweep(files: &dyn Files, dir: &Path) -> Result<(), LogError> {
    for found in files.list(dir).map_err(failed("cannot list", dir))? {
        if found.strip_suffix(UNNAMED).and_then(number).is_some() {
            let path = dir.join(found);
            files.remove(&path).map_err(failed("cannot remove", &path))?;
        }
    }
    Ok(())
}

/// Makes the names in a folder durable.
pub(super) fn sync_dir(files: &dyn Files, dir: &Path) -> Result<(), LogError> {
    files.sync_dir(dir).map_err(failed("cannot sync", dir))
}

/// Turns a system error into ours, with what was being done to which file.
pub(super) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LogError {
    move |source| LogError::Io { action, path: path.to_path_buf(), source }
}

fn fill(files: &dyn Files, path: &Path, header: &[u8], bytes: u32) -> io::Result<Arc<dyn File>> {
    let file = match files.create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            files.remove(path)?;
            files.create(path)?
        }
        other => other?,
    };
    file.allocate(u64::from(bytes))?;
    write_all_at(&*file, &[header], 0)?;
    file.sync()?;
    Ok(file)
}

fn header(number: u32, bytes: u32, store_id: [u8; 16], salt: u64) -> Vec<u8> {
    let mut header = Vec::with_capacity(HEADER_BYTES as usize);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&VERSION.to_le_bytes());
    header.extend_from_slice(&number.to_le_bytes());
    header.extend_from_slice(&store_id);
    header.extend_from_slice(&salt.to_le_bytes());
    header.extend_from_slice(&bytes.to_le_bytes());
    header.resize(CHECKED, 0);
    let check = xxh3_64(&header);
    header.extend_from_slice(&check.to_le_bytes());
    header.repeat(2)
}

/// Store id, size and salt of a good header for this number.
fn check(header: &[u8], number: u32, path: &Path) -> Result<([u8; 16], u32, u64), LogError> {
    let damaged = |at: usize, what: String| {
        let (file, offset) = (path.to_path_buf(), at as u64);
        LogError::from(Damage { file, offset, what, next: None, next_sequence: 0 })
    };
    let broken = |at| damaged(at, "the segment's header".into());
    if let Some(bad) = [0, HALF].into_iter().find(|at| !is_half(&header[*at..])) {
        return Err(broken(bad));
    }
    let version = u32_at(header, 8).ok_or_else(|| broken(0))?;
    if version > VERSION {
        return Err(LogError::NewerFormat { file: path.to_path_buf(), found: version, known: VERSION });
    }
    let found = u32_at(header, 12).ok_or_else(|| broken(0))?;
    if found != number {
        return Err(damaged(0, format!("the segment's name (by its header it is {})", name(found))));
    }
    let store_id = *header[16..].first_chunk().ok_or_else(|| broken(0))?;
    let salt = u64_at(header, 32).ok_or_else(|| broken(0))?;
    let sizes = HEADER_BYTES..=MAX_BYTES;
    let bytes = u32_at(header, 40).filter(|bytes| sizes.contains(bytes)).ok_or_else(|| broken(0))?;
    Ok((store_id, bytes, salt))
}

/// Whether these bytes begin with a half of a header that checks.
fn is_half(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC) && u64_at(bytes, CHECKED) == Some(xxh3_64(&bytes[..CHECKED]))
}

/// Mends a header of which one half is good; whether there was one.
pub(super) fn mend_header(files: &dyn Files, path: &Path) -> Result<bool, LogError> {
    let file = files.open(path).map_err(failed("cannot open", path))?;
    let mut header = vec![0; HEADER_BYTES as usize];
    read_full_at(&*file, &mut header, 0).map_err(failed("cannot read", path))?;
    let Some(good) = [0, HALF].into_iter().find(|at| is_half(&header[*at..])) else { return Ok(false) };
    let half = &header[good..good + HALF];
    write_all_at(&*file, &[half, half], 0).map_err(failed("cannot write", path))?;
    file.sync().map_err(failed("cannot sync", path))?;
    Ok(true)
}

/// The largest segment: every offset in it, and that of a payload which would follow, stays below 2^32.
pub(super) const MAX_BYTES: u32 = u32::MAX - RECORD_HEADER_BYTES - 8;
