//! Reading the log while it is written.

use std::sync::Arc;

use bytes::Bytes;

use super::layout::{COMPACTED, Name};
use super::segment::{self, Segment, failed};
use super::segments::Segments;
use super::walk::{Found, Stop, Walk, Window};
use super::{Damage, LogError, Mark, Position, record};
use crate::embedded::files::read_full_at;

/// Reads a log, from any thread, while its one writer appends.
#[derive(Clone, Debug)]
pub struct LogReader {
    pub(super) segments: Arc<Segments>,
}

/// A file of the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LogFile {
    pub(super) name: Name,
    /// Its size in bytes.
    pub bytes: u64,
    /// What its maker noted with a compacted segment; `None` for one that is as it was written.
    pub note: Option<u64>,
    /// Nothing is appended to it any more, and a durable record lies behind it.
    pub is_sealed: bool,
}

impl LogFile {
    /// What positions in it call it.
    pub fn number(&self) -> u32 {
        self.name.number
    }

    /// The first and the last of the segments that it stands for.
    pub fn stands_for(&self) -> (u32, u32) {
        (self.name.first, self.name.last)
    }
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
                let stop = Stop { header, segment: segment.number(), offset, payload: payload.clone() };
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

    /// The records of one file, checked. Fails where they are not all there.
    pub fn records(
        &self,
        file: &LogFile,
    ) -> Result<impl Iterator<Item = Result<Record, LogError>> + use<>, LogError> {
        let place = Position { segment: file.name.number, offset: segment::HEADER_BYTES };
        let mut walk = Walk::new(Arc::clone(&self.segments), place, file.name.last, None, None)?;
        Ok(std::iter::from_fn(move || next_in(&mut walk).transpose()))
    }

    /// All files, in the order of what they hold. Each is opened for that.
    pub fn files(&self) -> Result<Vec<LogFile>, LogError> {
        let segments = &self.segments;
        let layout = segments.layout();
        let end = segments.ends().durable;
        // Without a record in it, a segment bears no witness for the one before.
        let in_use =
            if end.position.offset > Position::first_in(0).offset { end.position.segment } else { 0 };
        let sealed = layout.find(in_use).map_or(0, |name| name.first - 1);
        let open = |name: &Name| {
            let segment = Segment::open(&*segments.files, &segments.dir, *name)?;
            let note = segment.stretch.map(|stretch| stretch.note);
            Ok(LogFile { name: *name, bytes: segment.bytes.into(), note, is_sealed: name.last <= sealed })
        };
        layout.names().iter().map(open).collect()
    }

    /// The numbers of the compacted segments.
    pub fn compacted(&self) -> Vec<u32> {
        let layout = self.segments.layout();
        layout.names().iter().filter(|name| name.is_compacted()).map(|name| name.number).collect()
    }

    /// The place after the last durable record.
    pub fn durable(&self) -> Mark {
        self.segments.ends().durable
    }

    /// The segment of a range that lies within what was written to it.
    fn bounded(&self, position: Position, bytes: u64) -> Result<Arc<Segment>, LogError> {
        let end = self.segments.ends().written.position;
        let is_plain = position.segment < COMPACTED;
        if position.segment == 0 || is_plain && position.segment > end.segment {
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

/// The next record of a walk that must reach the end of its file.
fn next_in(walk: &mut Walk) -> Result<Option<Record>, LogError> {
    while let Some(stop) = walk.step()? {
        if stop.header.is_record() {
            return Ok(Some(Record::new(&stop, Bytes::copy_from_slice(walk.payload(&stop)))));
        }
    }
    match walk.is_inside() {
        true => Err(Damage::here(walk.segment(), walk.offset(), "the next record".into()).into()),
        false => Ok(None),
    }
}

impl Record {
    pub(super) fn new(stop: &Stop, payload: Bytes) -> Self {
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
        let layout = self.segments.layout();
        let last = layout.find(self.end.position.segment).map_or(0, |name| name.last);
        if self.from == Mark::START {
            return Walk::from_start(Arc::clone(&self.segments), last);
        }
        if layout.find(segment).is_none_or(|name| name.last > last) {
            return Err(self.no_such_mark());
        }
        let header = Position { segment, offset };
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
