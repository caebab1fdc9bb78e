//! A segment: one file of the log. It is made whole, header and zeros, under another name, synced, renamed and its
//! name synced, before a record goes in; so a file with a segment's name is always complete, or damaged.
//!
//! The header takes the first 4096 bytes, which are never written again: two halves of 2048 bytes, the same in both, so
//! that a repair can mend one by the other:
//!
//! | offset | type | field |
//! | --- | --- | --- |
//! | 0 | 8 bytes | `SHOALLOG` |
//! | 8 | u32 | format version, 2; in version 1 there were no compacted segments |
//! | 12 | u32 | the segment's number, from 1; a compacted one's has the highest bit set |
//! | 16 | 16 bytes | the store's id |
//! | 32 | u64 | salt: random, another in each segment |
//! | 40 | u32 | size of the file in bytes |
//! | 44 | | in a compacted segment its [`Stretch`]; else zeros |
//! | 2040 | u64 | xxh3-64 of bytes 0 to 2039 |
//!
//! All integers are little-endian. Every format version keeps magic, version and checksum where they are.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use super::layout::Name;
use super::record::{HEADER_BYTES as RECORD_HEADER_BYTES, Place, u32_at, u64_at};
use super::{Damage, LogError};
use crate::embedded::files::{File, Files, read_full_at, write_all_at};

/// Bytes of a segment's header; its first record's header follows.
pub(super) const HEADER_BYTES: u32 = 4096;

const MAGIC: &[u8; 8] = b"SHOALLOG";
const VERSION: u32 = 2;
const HALF: usize = HEADER_BYTES as usize / 2;
const CHECKED: usize = HALF - 8;

/// An open segment with a good header.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub name: Name,
    pub path: PathBuf,
    pub store_id: [u8; 16],
    /// Size of the file in bytes, as its header says.
    pub bytes: u32,
    pub file: Arc<dyn File>,
    /// What a compacted segment stands for; `None` for one that is as it was written.
    pub stretch: Option<Stretch>,
    salt: u64,
}

/// The part of the log that a compacted segment stands for, and how the log joins it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Stretch {
    /// The sequence number of its first record.
    pub sequence: u64,
    /// That of the first record after it.
    pub next_sequence: u64,
    /// The check of the record before it, as it was once.
    pub before: u64,
    /// The check of its last record, as it was once: what the record after it names.
    pub after: u64,
    /// What its maker wants to know of it ([`super::LogFile::note`]).
    pub note: u64,
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
        let name = Name::plain(number);
        let (path, unnamed) = (dir.join(name.file()), unnamed(dir, &name));
        let salt = random_salt();
        let head = Head { name, store_id, salt, bytes, stretch: None };
        let file = fill(files, &unnamed, &head.encode(), bytes)
            .and_then(|file| files.rename(&unnamed, &path).map(|()| file))
            .map_err(|source| {
                // Frees the space again; if even that fails, the next open removes it.
                let _ = files.remove(&unnamed);
                LogError::NoRoom { file: path.clone(), source }
            })?;
        sync_dir(files, dir)?;
        Ok(Self { name, path, store_id, bytes, file, stretch: None, salt })
    }

    /// Opens a segment and checks its header.
    pub fn open(files: &dyn Files, dir: &Path, name: Name) -> Result<Self, LogError> {
        Self::open_at(files, dir.join(name.file()), name)
    }

    /// As [`Segment::open`], of a file that may not have its name yet.
    pub fn open_at(files: &dyn Files, path: PathBuf, name: Name) -> Result<Self, LogError> {
        let file = files.open(&path).map_err(failed("cannot open", &path))?;
        let mut header = vec![0; HEADER_BYTES as usize];
        read_full_at(&*file, &mut header, 0).map_err(failed("cannot read", &path))?;
        let Head { store_id, bytes, salt, stretch, .. } = check(&header, name, &path)?;
        Ok(Self { name, path, store_id, bytes, file, stretch, salt })
    }

    /// The segment's number in positions.
    pub fn number(&self) -> u32 {
        self.name.number
    }

    /// The place of a header in this segment.
    pub fn place(&self, offset: u32) -> Place {
        Place { salt: self.salt, segment: self.name.number, offset }
    }

    /// Whether a record that takes `stride` bytes fits in from `offset` on.
    pub fn fits(&self, offset: u32, stride: u64) -> bool {
        u64::from(offset) + stride <= u64::from(self.bytes)
    }
}

/// Where a segment's file lies until it is complete.
pub(super) fn unnamed(dir: &Path, name: &Name) -> PathBuf {
    dir.join(format!("{}{UNNAMED}", name.file()))
}

const UNNAMED: &str = ".new";

/// A number that nobody can guess.
pub(super) fn random_salt() -> u64 {
    Uuid::new_v4().as_u64_pair().0
}

/// Removes what was left of segments that were never completed.
pub(super) fn sweep(files: &dyn Files, dir: &Path) -> Result<(), LogError> {
    for found in files.list(dir).map_err(failed("cannot list", dir))? {
        if found.strip_suffix(UNNAMED).and_then(Name::parse).is_some() {
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
    let file = create_anew(files, path)?;
    file.allocate(u64::from(bytes))?;
    write_all_at(&*file, &[header], 0)?;
    file.sync()?;
    Ok(file)
}

/// Creates a file, in the place of one of that name.
pub(super) fn create_anew(files: &dyn Files, path: &Path) -> io::Result<Arc<dyn File>> {
    match files.create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            files.remove(path)?;
            files.create(path)
        }
        other => other,
    }
}

/// What a header says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub name: Name,
    pub store_id: [u8; 16],
    pub salt: u64,
    pub bytes: u32,
    pub stretch: Option<Stretch>,
}

impl Head {
    pub fn encode(&self) -> Vec<u8> {
        let mut header = Vec::with_capacity(HEADER_BYTES as usize);
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(&VERSION.to_le_bytes());
        header.extend_from_slice(&self.name.number.to_le_bytes());
        header.extend_from_slice(&self.store_id);
        header.extend_from_slice(&self.salt.to_le_bytes());
        header.extend_from_slice(&self.bytes.to_le_bytes());
        if let Some(Stretch { sequence, next_sequence, before, after, note }) = self.stretch {
            header.extend_from_slice(&self.name.first.to_le_bytes());
            header.extend_from_slice(&self.name.last.to_le_bytes());
            for number in [sequence, next_sequence, before, after, note] {
                header.extend_from_slice(&number.to_le_bytes());
            }
        }
        header.resize(CHECKED, 0);
        let check = xxh3_64(&header);
        header.extend_from_slice(&check.to_le_bytes());
        header.repeat(2)
    }

    /// Reads a half that checks; `None` where it makes no sense.
    fn decode(half: &[u8]) -> Option<Self> {
        let number = u32_at(half, 12)?;
        let mut name = Name::plain(number);
        let mut stretch = None;
        if name.is_compacted() {
            name = Name { number, first: u32_at(half, 44)?, last: u32_at(half, 48)? };
            let [sequence, next_sequence, before, after, note] =
                [52, 60, 68, 76, 84].map(|at| u64_at(half, at).unwrap_or_default());
            stretch = Some(Stretch { sequence, next_sequence, before, after, note });
        }
        let bytes = u32_at(half, 40).filter(|bytes| (HEADER_BYTES..=MAX_BYTES).contains(bytes))?;
        Some(Self {
            name,
            store_id: *half.get(16..)?.first_chunk()?,
            salt: u64_at(half, 32)?,
            bytes,
            stretch,
        })
    }
}

/// What a good header for this name says.
fn check(header: &[u8], name: Name, path: &Path) -> Result<Head, LogError> {
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
    let head = Head::decode(header).ok_or_else(|| broken(0))?;
    if head.name != name {
        let what = format!("the segment's name (by its header it is {})", head.name.file());
        return Err(damaged(0, what));
    }
    Ok(head)
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
