//! Places in the log.

use std::fmt;

use super::{record, segment};

/// Where bytes lie in the log: the segment, and the byte offset within that segment's file. A record's position is
/// that of its payload's first byte; adding to `offset` reaches the bytes inside the payload.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug)]
pub struct Position {
    /// The segment's number, from 1.
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
    pub const START: Self = Self {
        position: Position { segment: 1, offset: segment::HEADER_BYTES + record::HEADER_BYTES },
        sequence: 1,
    };
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.segment, self.offset)
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (record {})", self.position, self.sequence)
    }
}
