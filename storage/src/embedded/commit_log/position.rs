//! Places in the log.

use std::fmt;

use super::layout::COMPACTED;
use super::{record, segment};

/// Where bytes lie in the log: the segment, and the byte offset within that segment's file. A record's position is
/// that of its payload's first byte; adding to `offset` reaches the bytes inside the payload.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug)]
pub struct Position {
    /// The segment's number, from 1; that of a compacted one has the highest bit set.
    pub segment: u32,
    /// Byte offset in the segment's file.
    pub offset: u32,
}

/// A place between two records: the position that the next record's payload has (or would have, if it fits into the
/// same segment), and that record's sequence number. What a checkpoint remembers.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug)]
pub struct Mark {
    /// Where the next record is looked for; records of later segments follow too.
    pub position: Position,
    /// The sequence number that the next record has.
    pub sequence: u64,
}

impl Mark {
    /// The place before a log's first record.
    pub const START: Self = Self { position: Position::first_in(1), sequence: 1 };
}

impl Position {
    /// Where the payload of a segment's first record lies.
    pub(super) const fn first_in(segment: u32) -> Self {
        Self { segment, offset: segment::HEADER_BYTES + record::HEADER_BYTES }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.segment & COMPACTED {
            0 => write!(f, "{}:{}", self.segment, self.offset),
            _ => write!(f, "c{}:{}", self.segment & !COMPACTED, self.offset),
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (record {})", self.position, self.sequence)
    }
}
