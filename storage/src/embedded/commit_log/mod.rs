//! The commit log: a durable sequence of opaque records, one for each group commit.
//!
//! # What it promises
//!
//! - After [`CommitLog::sync`] has returned without an error, every record appended before stays, whatever happens to
//!   process or power, for as long as the disk gives back what it was given.
//! - Opening gives back exactly the records that were appended, in order, byte for byte: all that were synced, and of
//!   those that were not, a run from the first of them on, whole, or none. All of them are durable then.
//! - A record that was synced is never dropped in silence: where its bytes have gone bad, opening fails with
//!   [`LogError::Damaged`], which names file and offset, changes nothing, and leaves it to [`repair()`]. One case
//!   cannot be told from a torn write, and is cut: damage to the records of the very last sync, with nothing after.
//! - After a failed write or sync nothing more is written or promised ([`LogError::Poisoned`]).
//! - A run of segments that nothing is appended to any more may be replaced by a smaller one that stands for it
//!   ([`Compaction`]). Whoever wrote the records says what is left of them; the log holds either the run or its
//!   replacement, whole, whatever happens meanwhile.
//!
//! It assumes that a write tears at the borders of 512-byte sectors, and that writing a sector leaves others alone.
//!
//! # On disk
//!
//! A folder with the files `00000001.log`, `00000002.log` … (`segment.rs`), each with a header and then records
//! (`record.rs`) without a gap, then zeros up to the file's size. A segment is followed by the next where its next record
//! did not fit; the next one's first record continues the sequence. Whoever reads takes a record only if header and
//! payload check, if its sequence number is the next one, and if it names the check of the record before it: so
//! nothing that an earlier life of the log left behind can pass for its continuation. A segment gets its
//! first record only after everything before is durable. A compacted segment (`layout.rs`, `compaction.rs`) joins its
//! neighbours by the sequence numbers and checks of those that it stands for. Beside them lies `LOCK`, which the one process that has the
//! log open holds locked.
//!
//! A file's blocks are written with zeros before it is used, so that a sync writes the record's bytes and
//! no metadata: half the work of a sync on most file systems.

mod ahead;
mod check;
mod compaction;
mod damage;
mod error;
mod layout;
mod lock;
mod mend;
mod open;
mod options;
mod position;
mod reader;
mod record;
mod recovery;
mod repair;
mod segment;
mod segments;
#[cfg(test)]
mod tests;
mod walk;

use std::path::Path;
use std::sync::Arc;

use ahead::Ahead;
pub use check::{Checked, check};
pub use compaction::Compaction;
pub use error::{Damage, LogError};
use lock::DirLock;
pub use options::{Options, Prepare, Recovered, Torn, Verify};
pub use position::{Mark, Position};
pub use reader::{LogFile, LogReader, Record, Scan};
use record::{Header, Kind};
pub use repair::{Repair, Repaired, repair};
use segment::{Segment, failed};
use segments::Segments;

use crate::embedded::files::{Files, write_all_at};

/// The log's one writer. Dropping it gives the folder's lock back; what was appended and not synced may be lost.
#[derive(Debug)]
pub struct CommitLog {
    segments: Arc<Segments>,
    max_record_bytes: u32,
    current: Arc<Segment>,
    end: Mark,
    /// The check of the last record.
    previous: u64,
    /// How many records were written since the last sync.
    unsynced: u32,
    poison: Option<String>,
    ahead: Ahead,
    /// After `ahead`: the lock is given back only when nobody makes files in the folder any more.
    _lock: DirLock,
}

impl CommitLog {
    /// Opens the log in the folder `dir`, or makes one there, and takes the folder's lock. Finds the log's end, cuts
    /// off a torn last write, and refuses a log that is damaged. When it returns, every record in the log is durable.
    pub fn open(
        files: Arc<dyn Files>,
        dir: &Path,
        options: Options,
    ) -> Result<(Self, LogReader, Recovered), LogError> {
        open::open(files, dir, options)
    }

    /// Appends one record, the slices of `payload` one after another, and says where it begins. It is written, and
    /// readable by position, but neither durable nor part of a scan before [`sync`](Self::sync). Where the segment is
    /// full this syncs, and goes on in the next one.
    pub fn append(&mut self, payload: &[&[u8]]) -> Result<Position, LogError> {
        self.refuse_if_poisoned()?;
        let length = self.length(payload)?;
        let stride = record::stride(u64::from(length));
        if !self.current.fits(self.offset(), stride) {
            self.roll()?;
        }
        let header = Header {
            length,
            kind: Kind::Record { unsynced: self.unsynced },
            sequence: self.end.sequence,
            payload_crc: record::crc(payload),
            previous: self.previous,
        };
        let check = self.write(&header, payload)?;
        Ok(self.advance(stride, check))
    }

    /// Returns when everything appended so far is durable. After a write or a sync has failed, this and every later
    /// call fails with [`LogError::Poisoned`].
    pub fn sync(&mut self) -> Result<(), LogError> {
        self.refuse_if_poisoned()?;
        if self.unsynced > 0 {
            let synced = self.current.file.sync().map_err(failed("cannot sync", &self.current.path));
            synced.map_err(|error| self.poisoned(error))?;
            self.unsynced = 0;
            self.segments.durable(self.end);
        }
        Ok(())
    }

    /// The place after the last record appended, durable or not.
    pub fn end(&self) -> Mark {
        self.end
    }

    /// Offset of the next record's header.
    fn offset(&self) -> u32 {
        self.end.position.offset - record::HEADER_BYTES
    }

    fn length(&self, payload: &[&[u8]]) -> Result<u32, LogError> {
        let bytes = payload.iter().map(|slice| slice.len() as u64).sum();
        let limit = self.max_record_bytes;
        u32::try_from(bytes).ok().filter(|length| *length <= limit).ok_or(LogError::TooLarge { bytes, limit })
    }

    /// Goes on to the next segment, everything in this one being durable.
    fn roll(&mut self) -> Result<(), LogError> {
        self.sync()?;
        let number = self.current.number() + 1;
        let next = self.ahead.take(number).map_err(|error| match error {
            LogError::NoRoom { .. } => error,
            other => self.poisoned(other),
        })?;
        self.segments.push(Arc::clone(&next));
        self.current = next;
        self.end.position = Position::first_in(number);
        Ok(())
    }

    /// Writes header and payload, and gives the header's check. The zeros up to the next record are there already.
    fn write(&mut self, header: &Header, payload: &[&[u8]]) -> Result<u64, LogError> {
        let offset = self.offset();
        let (bytes, check) = header.encode(self.current.place(offset));
        let mut slices: Vec<&[u8]> = Vec::with_capacity(payload.len() + 1);
        slices.push(&bytes);
        slices.extend_from_slice(payload);
        write_all_at(&*self.current.file, &slices, u64::from(offset))
            .map_err(failed("cannot write", &self.current.path))
            .map_err(|error| self.poisoned(error))?;
        Ok(check)
    }

    /// Moves the end past the record just written, and says where its payload begins.
    fn advance(&mut self, stride: u64, check: u64) -> Position {
        let position = self.end.position;
        // It fits into the segment, whose size is a u32.
        self.end.position.offset += stride as u32;
        self.end.sequence += 1;
        self.previous = check;
        self.unsynced += 1;
        self.segments.written(self.end);
        if self.offset() > self.current.bytes / 2 {
            self.ahead.start(self.current.number() + 1);
        }
        position
    }

    fn refuse_if_poisoned(&self) -> Result<(), LogError> {
        match &self.poison {
            Some(cause) => Err(LogError::Poisoned { cause: cause.clone() }),
            None => Ok(()),
        }
    }

    fn poisoned(&mut self, error: LogError) -> LogError {
        self.poison = Some(error.to_string());
        error
    }
}
