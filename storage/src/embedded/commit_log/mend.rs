//! What a repair does to the files. Each step keeps what it takes away, and leaves, if it is broken off, a log that
//! is damaged still and can be repaired again.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::record::{self, Header, Kind};
use super::segment::{self, Segment, failed};
use super::segments::Segments;
use super::walk::Window;
use super::{LogError, Position, recovery};
use crate::embedded::files::{Files, write_all_at};

/// Records that are lost, and the next that is not.
#[derive(Clone, Debug)]
pub(super) struct Gap {
    /// Where the first lost record's header should be.
    pub segment: u32,
    pub offset: u32,
    /// Its sequence number.
    pub missing: u64,
    /// The check of the record before it.
    pub previous: u64,
    /// Where the next record's payload lies.
    pub next: Position,
    /// That record's header.
    pub header: Header,
}

/// Fills a gap with voids: one in each segment that it touches, the first of which stands for all sequence numbers.
/// `None` where the gap is too small to hold one, which no lost record leaves.
pub(super) fn void(segments: &Segments, gap: &Gap) -> Result<Option<Vec<PathBuf>>, LogError> {
    let mut kept = Vec::new();
    let mut spans = Vec::new();
    let mut here = Some(segments.get(gap.segment)?);
    while let Some(segment) = here {
        let is_last = segment.number() == gap.next.segment;
        let from = if segment.number() == gap.segment { gap.offset } else { segment::HEADER_BYTES };
        let to = if is_last { gap.next.offset - record::HEADER_BYTES } else { segment.bytes };
        here = if is_last { None } else { segments.after(&segment.name)? };
        if to.checked_sub(from).is_some_and(|gap| gap >= record::HEADER_BYTES) {
            kept.extend(keep(segments, &segment, from, to)?);
            spans.push((segment, from, to));
        }
    }
    let found = !spans.is_empty();
    // The first comes last: until it is there, the gap shows itself whole, and so to a repair that has to be made
    // again because this one was broken off.
    for (n, (segment, from, to)) in spans.into_iter().enumerate().rev() {
        let next_sequence = gap.header.sequence;
        let sequence = if n == 0 { gap.missing } else { next_sequence };
        Void { sequence, next_sequence, previous: gap.previous }.write(&segment, from, to)?;
        segment.file.sync().map_err(failed("cannot sync", &segment.path))?;
    }
    Ok(found.then_some(kept))
}

/// What is written over bytes that are given up.
struct Void {
    sequence: u64,
    next_sequence: u64,
    previous: u64,
}

impl Void {
    /// Writes it so that it reaches from one offset of a segment to another.
    fn write(&self, segment: &Segment, from: u32, to: u32) -> Result<(), LogError> {
        let length = to - from - record::HEADER_BYTES;
        let sequences = u32::try_from(self.next_sequence - self.sequence).unwrap_or(u32::MAX);
        let header = Header {
            // A segment's size need not be a multiple of a record's alignment.
            length: length / record::ALIGN * record::ALIGN,
            kind: Kind::Void { sequences },
            sequence: self.sequence,
            payload_crc: 0,
            previous: self.previous,
        };
        let (bytes, _) = header.encode(segment.place(from));
        write_all_at(&*segment.file, &[&bytes], u64::from(from))
            .map_err(failed("cannot write", &segment.path))
    }
}

/// Cuts the log at an offset of a segment, where the record `missing` should be. The rest of a compacted segment becomes
/// a void, since it stands for all of its sequence numbers.
pub(super) fn cut(
    segments: &Segments,
    segment: &Arc<Segment>,
    offset: u32,
    missing: u64,
    previous: u64,
) -> Result<Vec<PathBuf>, LogError> {
    let mut kept = keep(segments, segment, offset, segment.bytes)?.map_or_else(Vec::new, |path| vec![path]);
    for name in segments.take_after(segment.name.last).iter().rev() {
        kept.push(put_aside(&*segments.files, &segments.dir.join(name.file()))?);
    }
    recovery::clear(segment, offset)?;
    if let Some(stretch) = segment.stretch.filter(|stretch| missing < stretch.next_sequence) {
        let void = Void { sequence: missing, next_sequence: stretch.next_sequence, previous };
        void.write(segment, offset, segment.bytes)?;
    }
    segment.file.sync().map_err(failed("cannot sync", &segment.path))?;
    Ok(kept)
}

/// Renames a segment's file, so that it is none any more.
pub(super) fn put_aside(files: &dyn Files, path: &Path) -> Result<PathBuf, LogError> {
    let dir = path.parent().unwrap_or(path);
    let aside = unused(files, dir, path, "whole")?;
    files.rename(path, &aside).map_err(failed("cannot rename", path))?;
    segment::sync_dir(files, dir)?;
    Ok(aside)
}

/// Copies bytes of a segment into a file of their own; none where they are all zeros.
fn keep(segments: &Segments, segment: &Segment, from: u32, to: u32) -> Result<Option<PathBuf>, LogError> {
    let mut window = Window::exact();
    let range = window.load(segment, from, (to - from) as usize)?;
    let bytes = window.bytes(range);
    let Some(length) = bytes.iter().rposition(|byte| *byte != 0).map(|last| last + 1) else {
        return Ok(None);
    };
    let path = unused(&*segments.files, &segments.dir, &segment.path, &from.to_string())?;
    write_new(&*segments.files, &path, &bytes[..length]).map_err(failed("cannot write", &path))?;
    segment::sync_dir(&*segments.files, &segments.dir)?;
    Ok(Some(path))
}

fn write_new(files: &dyn Files, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = files.create(path)?;
    write_all_at(&*file, &[bytes], 0)?;
    file.sync()
}

/// A name beside a segment that no file has yet, for what a repair takes away.
fn unused(files: &dyn Files, dir: &Path, segment: &Path, what: &str) -> Result<PathBuf, LogError> {
    let taken = files.list(dir).map_err(failed("cannot list", dir))?;
    let name = segment.file_name().unwrap_or_default().to_string_lossy();
    let mut candidates = (1u64..).map(|n| format!("{name}.{what}.kept{n}"));
    let name = candidates.find(|name| !taken.contains(name)).unwrap_or_default();
    Ok(dir.join(name))
}
