//! Going through the log record by record, in order, with nothing believed that does not check.

use std::ops::Range;
use std::sync::Arc;

use super::record::{self, Header};
use super::segment::{self, Segment, failed};
use super::segments::Segments;
use super::{LogError, Mark, Position};
use crate::embedded::files::read_full_at;

/// How much of a segment is read at a time, in bytes, unless a record is larger.
const CHUNK: usize = 256 << 10;

/// A walk along the log. It stands between two records.
#[derive(Debug)]
pub(super) struct Walk {
    segments: Arc<Segments>,
    segment: Arc<Segment>,
    /// The last segment that is walked.
    last: u32,
    /// Where the next record's header is expected.
    offset: u32,
    /// The next record's sequence number, if it is known.
    sequence: Option<u64>,
    /// The check of the record before, if it is known.
    previous: Option<u64>,
    window: Window,
}

/// A record that a walk came by.
#[derive(Clone, Debug)]
pub(super) struct Stop {
    pub header: Header,
    pub segment: u32,
    /// Offset of the record's header.
    pub offset: u32,
    /// Where the payload lies in the walk's window.
    pub payload: Range<usize>,
}

/// What lies at a place.
#[derive(Clone, Debug)]
pub(super) enum Found {
    /// A record whose header and payload check.
    Good { header: Header, check: u64, payload: Range<usize> },
    /// A record whose header checks and whose payload does not.
    BadPayload { header: Header },
    /// No header.
    Nothing,
}

impl Stop {
    /// The place before this record.
    pub fn mark(&self) -> Mark {
        let position = Position { segment: self.segment, offset: self.offset + record::HEADER_BYTES };
        Mark { position, sequence: self.header.sequence }
    }
}

impl Walk {
    /// A walk from a record's header on. `sequence` and `previous` are what that record must have, where known.
    pub fn new(
        segments: Arc<Segments>,
        header: Position,
        last: u32,
        sequence: Option<u64>,
        previous: Option<u64>,
    ) -> Result<Self, LogError> {
        let segment = segments.get(header.segment)?;
        let window = Window::default();
        Ok(Self { segments, segment, last, offset: header.offset, sequence, previous, window })
    }

    /// A walk from the log's first record on.
    pub fn from_start(segments: Arc<Segments>, last: u32) -> Result<Self, LogError> {
        let number = segments.layout().names().first().map_or(1, |first| first.number);
        let first = Position { segment: number, offset: segment::HEADER_BYTES };
        Self::new(segments, first, last, Some(1), Some(0))
    }

    /// The next record or void; `None` where there is no good one here, nor at the beginning of the next segment.
    pub fn step(&mut self) -> Result<Option<Stop>, LogError> {
        if let Some(stop) = self.accept(self.offset)? {
            return Ok(Some(stop));
        }
        if self.segment.name.last >= self.last || self.is_inside() {
            return Ok(None);
        }
        let Some(next) = self.segments.after(&self.segment.name)? else { return Ok(None) };
        let here = (std::mem::replace(&mut self.segment, next), self.previous);
        // The record after a compacted segment names one that it stands for; after a void, anything.
        self.previous =
            self.previous.map(|previous| here.0.stretch.map_or(previous, |stretch| stretch.after));
        let stop = self.accept(segment::HEADER_BYTES)?;
        if stop.is_none() {
            (self.segment, self.previous) = here;
        }
        Ok(stop)
    }

    /// Whether the walk stands inside a compacted segment, which was whole when it got its name.
    pub fn is_inside(&self) -> bool {
        self.segment.stretch.is_some_and(|stretch| self.sequence.is_none_or(|at| at < stretch.next_sequence))
    }

    /// The place where the walk stands. The sequence number is 0 while it is unknown.
    pub fn mark(&self) -> Mark {
        let position =
            Position { segment: self.segment.number(), offset: self.offset + record::HEADER_BYTES };
        Mark { position, sequence: self.sequence.unwrap_or(0) }
    }

    /// The check of the last record, 0 where there is none or it is a void.
    pub fn previous(&self) -> u64 {
        self.previous.unwrap_or(0)
    }

    /// The segment where the walk stands.
    pub fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// Offset of the next record's header.
    pub fn offset(&self) -> u32 {
        self.offset
    }

    /// What lies where the walk stands.
    pub fn look(&mut self) -> Result<Found, LogError> {
        self.window.find(&self.segment, self.offset)
    }

    /// The payload of the record that the last `step` came by.
    pub fn payload(&self, stop: &Stop) -> &[u8] {
        self.window.bytes.get(stop.payload.clone()).unwrap_or_default()
    }

    /// Takes the record at an offset of the current segment, if it is the one that must come next.
    fn accept(&mut self, offset: u32) -> Result<Option<Stop>, LogError> {
        let Found::Good { header, check, payload } = self.window.find(&self.segment, offset)? else {
            return Ok(None);
        };
        let continues = self.sequence.is_none_or(|sequence| sequence == header.sequence)
            && self.previous.is_none_or(|previous| previous == header.previous);
        if !continues {
            return Ok(None);
        }
        self.sequence = Some(header.next_sequence());
        // What came before a void's successor is gone, so there is no check to compare with.
        self.previous = header.is_record().then_some(check);
        // It was found inside the segment, whose size is a u32.
        self.offset = offset + header.stride() as u32;
        Ok(Some(Stop { header, segment: self.segment.number(), offset, payload }))
    }
}

/// The piece of a segment that is in memory.
#[derive(Debug)]
pub(super) struct Window {
    bytes: Vec<u8>,
    segment: u32,
    start: u64,
    /// How much is read at a time, in bytes, unless more is asked for.
    chunk: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self { bytes: Vec::new(), segment: 0, start: 0, chunk: CHUNK }
    }
}

impl Window {
    /// A window that reads no more than it is asked for.
    pub fn exact() -> Self {
        Self { chunk: 0, ..Self::default() }
    }

    /// What lies at an offset of a segment.
    pub fn find(&mut self, segment: &Segment, offset: u32) -> Result<Found, LogError> {
        if !segment.fits(offset, u64::from(record::HEADER_BYTES)) {
            return Ok(Found::Nothing);
        }
        let at = self.load(segment, offset, record::HEADER_BYTES as usize)?;
        let Some((header, check)) = Header::decode(&self.bytes[at], segment.place(offset)) else {
            return Ok(Found::Nothing);
        };
        if !segment.fits(offset, header.stride()) {
            return Ok(Found::Nothing);
        }
        if matches!(header.kind, record::Kind::Void { .. }) {
            return Ok(Found::Good { header, check, payload: 0..0 });
        }
        let payload = self.load(segment, offset + record::HEADER_BYTES, header.length as usize)?;
        if header.accepts(&self.bytes[payload.clone()]) {
            Ok(Found::Good { header, check, payload })
        } else {
            Ok(Found::BadPayload { header })
        }
    }

    /// Bytes of a segment, as a range of the window. Bytes that the file lacks read as zeros.
    pub fn load(&mut self, segment: &Segment, offset: u32, wanted: usize) -> Result<Range<usize>, LogError> {
        let offset = u64::from(offset);
        let end = self.start + self.bytes.len() as u64;
        let inside =
            self.segment == segment.number() && self.start <= offset && offset + wanted as u64 <= end;
        if !inside {
            let room = u64::from(segment.bytes).saturating_sub(offset) as usize;
            self.bytes.resize(wanted.max(self.chunk.min(room)), 0);
            self.start = offset;
            self.segment = segment.number();
            let read = read_full_at(&*segment.file, &mut self.bytes, offset);
            let read =
                read.inspect_err(|_| self.segment = 0).map_err(failed("cannot read", &segment.path))?;
            self.bytes[read..].fill(0);
        }
        let begin = (offset - self.start) as usize;
        Ok(begin..begin + wanted)
    }

    /// The bytes of a range that `load` gave.
    pub fn bytes(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[range]
    }
}
