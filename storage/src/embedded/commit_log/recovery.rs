//! Finding the end of a log that may have ended in the middle of a write.
//!
//! The log is walked until nothing good follows. What lies there is either the end, or a torn write, or damage. It is
//! damage if any header after it, in this segment or a later one, shows that the missing record was durable when that
//! header was written; then nothing is changed. Otherwise nothing from there on was ever acknowledged, and it is
//! cleared: zeros, synced, so that none of it can come back behind records that are written later.

use std::sync::Arc;

use super::layout::{COMPACTED, Layout};
use super::segment::{self, Segment, failed};
use super::segments::Segments;
use super::walk::{Found, Walk, Window};
use super::{LogError, Mark, Position, Torn, Verify, damage, record};
use crate::embedded::files::write_all_at;

/// How many bytes are read and written at a time while a log is mended.
const CHUNK: u32 = 1 << 20;

/// What a walk to the end of a log found.
#[derive(Debug)]
pub(super) struct Survey {
    /// Where the log ends.
    pub end: Mark,
    /// The check of the last record.
    pub previous: u64,
    /// How many records were checked.
    pub records: u64,
    /// How many sequence numbers are void.
    pub voided: u64,
    /// Offset, in the segment of the end, of the first record that nothing shows to have been synced.
    doubtful: u32,
}

/// Walks to the end of the log. Changes nothing; fails if the log is damaged there.
pub(super) fn survey(segments: &Arc<Segments>, verify: Verify) -> Result<Survey, LogError> {
    let last = segments.layout().last();
    let mut walk = begin(segments, last, verify)?;
    let wanted = match verify {
        Verify::Since(mark) => Some(mark),
        Verify::Everything | Verify::LastSegment => None,
    };
    let mut seen = wanted.is_none_or(|wanted| wanted == walk.mark());
    let (mut records, mut voided, mut doubtful) = (0, 0, walk.offset());
    while let Some(stop) = walk.step()? {
        match stop.header.kind {
            record::Kind::Record { unsynced } => {
                records += 1;
                if unsynced == 0 {
                    doubtful = stop.offset;
                }
            }
            record::Kind::Merged { sequences } => {
                records += u64::from(sequences);
                doubtful = stop.offset;
            }
            record::Kind::Void { sequences } => {
                voided += u64::from(sequences);
                doubtful = stop.offset;
            }
        }
        seen |= wanted == Some(walk.mark()) || wanted == Some(stop.mark());
    }
    if let Some(damage) = damage::find(segments, &mut walk, last)? {
        return Err(damage.into());
    }
    let end = walk.mark();
    if let (false, Some(wanted)) = (seen, wanted) {
        return Err(LogError::NoSuchMark { wanted, end });
    }
    Ok(Survey { end, previous: walk.previous(), records, voided, doubtful })
}

/// Makes the log what the survey says it is: durable up to its end, and zeros from there on.
pub(super) fn settle(segments: &Segments, survey: &Survey) -> Result<Option<Torn>, LogError> {
    let Position { segment, offset } = survey.end.position;
    let end = segments.get(segment)?;
    let offset = offset - record::HEADER_BYTES;
    let (mut bytes, mut missing_bytes) = clear(&end, offset)?;
    // After a failed sync the system may take pages for written that are not on the disk. So the last records are
    // written once more before the sync that is to make them durable.
    rewrite(&end, survey.doubtful, offset)?;
    end.file.sync().map_err(failed("cannot sync", &end.path))?;
    let mut next = segments.after(&end.name)?;
    while let Some(later) = next {
        let (cleared, missing) = clear(&later, segment::HEADER_BYTES)?;
        later.file.sync().map_err(failed("cannot sync", &later.path))?;
        bytes += cleared;
        missing_bytes += missing;
        next = segments.after(&later.name)?;
    }
    segment::sync_dir(&*segments.files, &segments.dir)?;
    let torn = Torn { file: end.path.clone(), offset: u64::from(offset), bytes, missing_bytes };
    Ok((bytes + missing_bytes > 0).then_some(torn))
}

/// A walk from where the verification is to begin: the beginning of a segment that begins with a good record, the one
/// asked for or the nearest before it.
fn begin(segments: &Arc<Segments>, last: u32, verify: Verify) -> Result<Walk, LogError> {
    // The last segment's first record proves itself only by continuing the segment before; a mark needs no such
    // proof, being compared with what the walk comes by.
    let layout = segments.layout();
    let (from, mut before) = match verify {
        Verify::Everything => (0, 0),
        Verify::Since(mark) => (place_of(mark, &layout)?, 0),
        Verify::LastSegment => (layout.names().len() - 1, 1),
    };
    for name in layout.names()[..=from].iter().skip(1).rev() {
        let segment = segments.get(name.number)?;
        let is_good = matches!(Window::exact().find(&segment, segment::HEADER_BYTES)?, Found::Good { .. });
        if is_good && before == 0 {
            let first = Position { segment: name.number, offset: segment::HEADER_BYTES };
            return Walk::new(Arc::clone(segments), first, last, None, None);
        }
        before -= u32::from(is_good);
    }
    Walk::from_start(Arc::clone(segments), last)
}

/// Which of the files, in order, holds the mark; the last one where the mark lies beyond.
fn place_of(mark: Mark, layout: &Layout) -> Result<usize, LogError> {
    let number = mark.position.segment;
    let found = layout.names().iter().position(|name| name.number == number);
    match found {
        Some(at) => Ok(at),
        None if number < COMPACTED && number > layout.last() => Ok(layout.names().len() - 1),
        None => Err(LogError::Compacted { wanted: mark }),
    }
}

/// Writes bytes of a segment again as they are.
fn rewrite(segment: &Segment, from: u32, to: u32) -> Result<(), LogError> {
    let mut window = Window::exact();
    let mut at = from;
    while at < to {
        let step = (to - at).min(CHUNK);
        let range = window.load(segment, at, step as usize)?;
        write_all_at(&*segment.file, &[window.bytes(range)], u64::from(at))
            .map_err(failed("cannot write", &segment.path))?;
        at += step;
    }
    Ok(())
}

/// Makes everything in a segment from an offset on zeros, up to the size its header gives. Says how many bytes there
/// were up to the last that was not zero, and how many the file lacked.
pub(super) fn clear(segment: &Segment, from: u32) -> Result<(u64, u64), LogError> {
    let length = segment.file.len().map_err(failed("cannot look at", &segment.path))?;
    let missing = u64::from(segment.bytes).saturating_sub(length);
    let zeros = vec![0; CHUNK as usize];
    let mut window = Window::exact();
    let (mut at, mut dirty) = (from, 0);
    while at < segment.bytes {
        let step = (segment.bytes - at).min(CHUNK);
        let range = window.load(segment, at, step as usize)?;
        let last = window.bytes(range).iter().rposition(|byte| *byte != 0);
        if let Some(last) = last {
            dirty = u64::from(at - from) + last as u64 + 1;
        }
        if last.is_some() || u64::from(at + step) > length {
            write_all_at(&*segment.file, &[&zeros[..step as usize]], u64::from(at))
                .map_err(failed("cannot write", &segment.path))?;
        }
        at += step;
    }
    Ok((dirty, missing))
}
