//! Reading the log while it is written.

use std::sync::Arc;

use bytes::Bytes;

use super::segment::{Segment, failed};
use super::segments::Segments;
use super::walk::{Found, Stop, Walk, Window};
use super::{Damage, LogError, Mark, Position, record};
use crate::embedded::files::read_full_at;

/// Reads a log, from any thread, while its one writer appends.
#[derive(Clone, Debug)]
pub struct LogReader {
    segments: Arc<Segments>,
}

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

/// An iterator over the records of a log, in order, up to what was durable when it was made. It ends after an error.
#[derive(Debug)]
pub struct Scan {
    segments: Arc<Segments>,
    from: Mark,
    end: Mark,
    walk: Option<Walk>,
    failed: bool,
}

impl LogReader {
    pub(super) fn new(segments: Arc<Segments>) -> Self {
        Self { segments }
    }

    /// The `bytes` bytes at `position`, for a caller that knows what lies there. They are not checked: bytes
    /// inside a record carry no checksum of their own. Fails for a range that is not within one segment's written
    /// part.
    pub fn read(&self, position: Position, bytes: u32) -> Result<Bytes, LogError> {
        let segment = self.bounded(position, u64::from(bytes))?;
        let mut buffer = vec![0; bytes as usize];
        let read = read_full_at(&*segment.file, &mut buffer, u64::from(position.offset))
            .map_err(failed("cannot read", &segment.path))?;
        if read < buffer.len() {
            return Err(self.out_of_range(position, u64::from(bytes)));
        }
        Ok(buffer.into())
    }

    /// The whole record at `position` (as `append` or a scan gave it), checked.
    pub fn record(&self, position: Position) -> Result<Record, LogError> {
        let Some(offset) = position.offset.checked_sub(record::HEADER_BYTES) else {
            return Err(self.out_of_range(position, 0));
        };
        let segment = self.bounded(Position { offset, ..position }, u64::from(record::HEADER_BYTES))?;
        let mut window = Window::exact();
        match window.find(&segment, offset)? {
            Found::Good { header, payload, .. } if header.is_record() => {
                let stop = Stop { header, segment: segment.number, offset, payload: payload.clone() };
                Ok(Record::new(&stop, Bytes::copy_from_slice(window.bytes(payload))))
            }
            Found::BadPayload { header } => {
                Err(Damage::here(&segment, offset, format!("record {}", header.sequence)).into())
            }
            _ => Err(Damage::here(&segment, offset, "the header of a record".into()).into()),
        }
    }

    /// The records from `from` on, checked, up to what is durable now. `from` is [`Mark::START`], a [`Record`]'s
    /// `mark` or `next`, or a checkpoint; a place that is none of these is an error of the first item.
    pub fn scan(&self, from: Mark) -> Scan {
        let end = self.durable();
        Scan { segments: Arc::clone(&self.segments), from, end, walk: None, failed: false }
    }

    /// The place after the last durable record.
    pub fn durable(&self) -> Mark {
        self.segments.ends().durable
    }

    /// The segment of a range that lies within what was written to it.
    fn bounded(&self, position: Position, bytes: u64) -> Result<Arc<Segment>, LogError> {
        let end = self.segments.ends().written.position;
        if position.segment == 0 || position.segment > end.segment {
            return Err(self.out_of_range(position, bytes));
        }
        let segment = self.segments.get(position.segment)?;
        let limit =
            if position.segment == end.segment { end.offset - record::HEADER_BYTES } else { segment.bytes };
        if u64::from(position.offset) + bytes > u64::from(limit) {
            return Err(self.out_of_range(position, bytes));
        }
        Ok(segment)
    }

    fn out_of_range(&self, position: Position, bytes: u64) -> LogError {
        LogError::OutOfRange { position, bytes, end: self.segments.ends().written.position }
    }
}

impl Record {
    fn new(stop: &Stop, payload: Bytes) -> Self {
        let offset = stop.offset + stop.header.stride() as u32 + record::HEADER_BYTES;
        Self {
            position: Position { segment: stop.segment, offset: stop.offset + record::HEADER_BYTES },
            sequence: stop.header.sequence,
            payload,
            next: Mark {
                position: Position { segment: stop.segment, offset },
                sequence: stop.header.next_sequence(),
            },
        }
    }

    /// The place before this record: a scan from there begins with it.
    pub fn mark(&self) -> Mark {
        Mark { position: self.position, sequence: self.sequence }
    }
}

impl Scan {
    fn advance(&mut self) -> Result<Option<Record>, LogError> {
        if self.from.sequence == 0 || self.from.sequence > self.end.sequence {
            return Err(self.no_such_mark());
        }
        let mut walk = match self.walk.take() {
            Some(walk) => walk,
            None => self.start()?,
        };
        let mut record = None;
        while record.is_none() && walk.mark().sequence < self.end.sequence {
            let Some(stop) = walk.step()? else { return Err(self.stuck(&mut walk)?) };
            if stop.header.is_record() {
                record = Some(Record::new(&stop, Bytes::copy_from_slice(walk.payload(&stop))));
            }
        }
        self.walk = Some(walk);
        Ok(record)
    }

    fn start(&self) -> Result<Walk, LogError> {
        let Position { segment, offset } = self.from.position;
        let offset = offset.checked_sub(record::HEADER_BYTES).ok_or_else(|| self.no_such_mark())?;
        if segment == 0 || segment > self.end.position.segment {
            return Err(self.no_such_mark());
        }
        let header = Position { segment, offset };
        let last = self.end.position.segment;
        Walk::new(Arc::clone(&self.segments), header, last, Some(self.from.sequence), None)
    }

    /// Why there is no next record although it is durable: either the scan never was in the right place, or the bytes
    /// have gone bad since the log was opened.
    fn stuck(&self, walk: &mut Walk) -> Result<LogError, LogError> {
        let wanted = walk.mark().sequence;
        let is_damage = match walk.look()? {
            Found::BadPayload { header } => header.sequence == wanted,
            _ => walk.mark() != self.from,
        };
        if !is_damage {
            return Ok(self.no_such_mark());
        }
        Ok(Damage::here(walk.segment(), walk.offset(), format!("record {wanted}")).into())
    }

    fn no_such_mark(&self) -> LogError {
        LogError::NoSuchMark { wanted: self.from, end: self.end }
    }
}

impl Iterator for Scan {
    type Item = Result<Record, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let item = self.advance().transpose();
        self.failed = matches!(item, Some(Err(_)));
        item
    }
}
