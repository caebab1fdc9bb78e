//! What can go wrong with a commit log, each with what helps.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::segment::Segment;
use super::{Mark, Position};

/// Why a call on the commit log failed.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A call of the operating system failed. When it failed while appending or syncing, the log is poisoned.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was being done, as "cannot write".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Another process has this log open.
    #[error("{} is in use by {holder}: one process only may have a store open; stop that one first", dir.display())]
    Locked {
        /// The log's folder.
        dir: PathBuf,
        /// Who holds it, as "process 4711".
        holder: String,
    },
    /// Bytes that had been made durable are bad. Nothing was changed.
    #[error("{0}")]
    Damaged(Box<Damage>),
    /// A segment file between the first and the last one is not there.
    #[error("{} is missing: later segments of the log are there, so it held records; put the file back, or repair \
             the log", file.display())]
    MissingSegment {
        /// The file that should be there.
        file: PathBuf,
    },
    /// A segment belongs to another store than the one that was asked for, or than its neighbours.
    #[error("{} belongs to the store {}, not to {}", file.display(), Hex(found), Hex(wanted))]
    WrongStore {
        /// The segment file.
        file: PathBuf,
        /// The store id found in it.
        found: [u8; 16],
        /// The store id it should have.
        wanted: [u8; 16],
    },
    /// A segment was written by a newer version of this program.
    #[error("{} has format version {found}; this program knows {known}: use a newer program", file.display())]
    NewerFormat {
        /// The segment file.
        file: PathBuf,
        /// The version it has.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// The log does not contain the place that it was to be verified from: the checkpoint is of another log, or the
    /// log has lost what the checkpoint had seen.
    #[error("the log holds no place {wanted}: it was verified up to {end}")]
    NoSuchMark {
        /// The place asked for.
        wanted: Mark,
        /// Where the log ends.
        end: Mark,
    },
    /// The place that the log was to be verified from lies in a segment that was compacted since: the checkpoint is older
    /// than that, and of no use.
    #[error("the segment of {wanted} was compacted since")]
    Compacted {
        /// The place asked for.
        wanted: Mark,
    },
    /// A compacted segment was written, but it is not known whether its name is durable. What it stands for must stay
    /// until the log is opened again.
    #[error("it is not known whether a compacted segment counts: {cause}")]
    Unpublished {
        /// The earlier error.
        cause: String,
    },
    /// The record is larger than `Options::max_record_bytes`. The log is as it was.
    #[error("a record of {bytes} bytes is over the limit of {limit}")]
    TooLarge {
        /// The payload's size in bytes.
        bytes: u64,
        /// The limit in bytes.
        limit: u32,
    },
    /// The next segment could not be made, most often because the disk is full. Nothing was written, the log is as it
    /// was, and the append may be tried again once there is space.
    #[error("no room for the next segment {}: {source}", file.display())]
    NoRoom {
        /// The segment that could not be made.
        file: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// An earlier write or sync failed: what is on disk after the last successful sync is unknown, so that nothing
    /// more may be acknowledged. End the process; opening the log again finds out what is there.
    #[error("the log takes no more records since an earlier call failed: {cause}")]
    Poisoned {
        /// The earlier error.
        cause: String,
    },
    /// A read names bytes that are not in the log.
    #[error("there are no {bytes} bytes at {position}: the log ends at {end}")]
    OutOfRange {
        /// Where the read was to begin.
        position: Position,
        /// How many bytes were wanted.
        bytes: u64,
        /// Where the log ends.
        end: Position,
    },
    /// The options contradict each other.
    #[error("bad log options: {0}")]
    BadOptions(&'static str),
}

/// Where durable bytes are bad, and what is known about it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Damage {
    /// The segment file.
    pub file: PathBuf,
    /// Byte offset in it of the first thing that does not check.
    pub offset: u64,
    /// What does not check, as "the payload of record 17".
    pub what: String,
    /// The next place where a record's header checks again, if there is one.
    pub next: Option<Position>,
    /// The sequence number of that record, or 0.
    pub next_sequence: u64,
}

impl Damage {
    /// Damage at an offset of a segment, with nothing known of what follows.
    pub(super) fn here(segment: &Segment, offset: u32, what: String) -> Self {
        Self { file: segment.path.clone(), offset: u64::from(offset), what, next: None, next_sequence: 0 }
    }
}

impl From<Damage> for LogError {
    fn from(damage: Damage) -> Self {
        Self::Damaged(Box::new(damage))
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is damaged at byte {}: {} does not check",
            self.file.display(),
            self.offset,
            self.what
        )?;
        if let Some(next) = self.next {
            write!(f, ", and record {} follows at {next}", self.next_sequence)?;
        }
        f.write_str("; nothing was changed: restore the file from a copy, or repair the log")
    }
}

/// Bytes shown as hexadecimal digits.
struct Hex<'a>(&'a [u8; 16]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
