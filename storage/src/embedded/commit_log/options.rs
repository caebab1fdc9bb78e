//! How a log is opened, and what opening it found.

use std::path::PathBuf;

use super::{LogError, Mark, record, segment};

/// How a log is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Size of each new segment file in bytes, header included; existing segments keep theirs. 64 MiB unless set.
    pub segment_bytes: u32,
    /// The largest payload of one record, in bytes; must fit into a segment. 32 MiB unless set.
    pub max_record_bytes: u32,
    /// The store's id: a new log gets it (or a random one), an existing log with another one is refused.
    pub store_id: Option<[u8; 16]>,
    /// How much of the log is checked at open.
    pub verify: Verify,
    /// When the next segment is made.
    pub prepare: Prepare,
}

/// How much of a log is checked at open. Whatever is chosen, every segment must be there with a good header, and the
/// end of the log is always found by checking at least one whole segment.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Verify {
    /// Every record. Reads the whole log.
    Everything,
    /// What a checkpoint has not seen: from the beginning of the mark's segment on, and that the mark is a place
    /// between two records of this log. The best choice where there is a checkpoint: it bears witness that the
    /// records before it were durable, so that a log which has lost them is refused
    /// ([`LogError::NoSuchMark`]) and not taken for torn.
    Since(Mark),
    /// Only the last segment that has records.
    LastSegment,
}

/// When the next segment is made.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Prepare {
    /// By a thread of its own, once the current segment is half full, so that no append waits for it.
    Ahead,
    /// By the append that needs it. For tests whose file calls must come in a fixed order.
    WhenNeeded,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            max_record_bytes: 32 << 20,
            store_id: None,
            verify: Verify::Everything,
            prepare: Prepare::Ahead,
        }
    }
}

impl Options {
    /// Refuses options under which some allowed record would fit into no segment.
    pub(super) fn check(&self) -> Result<(), LogError> {
        let needed = u64::from(self.max_record_bytes)
            + u64::from(segment::HEADER_BYTES + record::HEADER_BYTES + record::ALIGN);
        if needed > u64::from(self.segment_bytes) {
            return Err(LogError::BadOptions("max_record_bytes does not fit into segment_bytes"));
        }
        if self.segment_bytes > segment::MAX_BYTES {
            return Err(LogError::BadOptions("segment_bytes is too near to 4 GiB"));
        }
        Ok(())
    }
}

/// What opening a log found, and did.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recovered {
    /// The store's id.
    pub store_id: [u8; 16],
    /// Whether the log was made by this call.
    pub created: bool,
    /// How many records were checked; those before the verified part are not counted.
    pub records: u64,
    /// How many sequence numbers in the verified part are void: lost to damage, and given up by a repair.
    pub voided: u64,
    /// Where the log ends.
    pub end: Mark,
    /// The torn last write that was cut off, if there was one.
    pub torn: Option<Torn>,
}

/// A torn write that was cut off: bytes after the last good record that were never acknowledged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Torn {
    /// The segment file.
    pub file: PathBuf,
    /// Byte offset at which it was cut.
    pub offset: u64,
    /// From there to the last byte that was not zero, over all segments: how many bytes were cleared.
    pub bytes: u64,
    /// How many bytes the segment file was too short; they were filled up with zeros.
    pub missing_bytes: u64,
}
