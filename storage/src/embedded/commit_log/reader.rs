//! Reading the log while it is written.

use bytes::Bytes;

use super::{LogError, Mark, Position};

/// Reads a log, from any thread, while its one writer appends.
#[derive(Clone, Debug)]
pub struct LogReader {}

/// One record of a scan.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// Where the payload begins.
    pub position: Position,
    /// The record's number in the log: 1, 2, 3 … A jump means that a repair gave up the records between.
    pub sequence: u64,
    /// The bytes that were appended.
    pub payload: Bytes,
    /// The place after this record: what a checkpoint that includes it remembers.
    pub next: Mark,
}

/// An iterator over the records of a log, in order, up to what was durable when it was made.
#[derive(Debug)]
pub struct Scan {}

impl LogReader {
    /// The `bytes` bytes at `position`, for a caller that knows what lies there. They are not checked: bytes
    /// inside a record carry no checksum of their own. Fails for a range that is not within one segment's written
    /// part.
    pub fn read(&self, _position: Position, _bytes: u32) -> Result<Bytes, LogError> {
        Err(LogError::BadOptions("not written yet"))
    }

    /// The whole record at `position` (as `append` or a scan gave it), checked.
    pub fn record(&self, _position: Position) -> Result<Record, LogError> {
        Err(LogError::BadOptions("not written yet"))
    }

    /// The records from `from` on, checked, up to what is durable now. `from` is [`Mark::START`], a [`Record`]'s
    /// `mark` or `next`, or a checkpoint; a place that is none of these is an error of the first item.
    pub fn scan(&self, _from: Mark) -> Scan {
        Scan {}
    }

    /// The place after the last durable record.
    pub fn durable(&self) -> Mark {
        Mark { position: Position { segment: 0, offset: 0 }, sequence: 0 }
    }
}

impl Iterator for Scan {
    type Item = Result<Record, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        None
    }
}
