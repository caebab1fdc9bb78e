//! Telling damage from a torn write, and where the damage is.
//!
//! Every record says how many before it were not yet synced when it was written. So a header that checks, anywhere
//! after the place where the log seems to end, is a witness for the records before it: if the one that is missing
//! was synced by then, its bytes have gone bad since. A header is enough: its payload may itself be torn.

use std::sync::Arc;

use super::record::{self, Header};
use super::segment::{self, Segment};
use super::segments::Segments;
use super::walk::{Found, Walk, Window};
use super::{Damage, LogError, Position};

/// How many bytes are searched at a time.
const CHUNK: u32 = 1 << 20;

/// The damage at the place where a walk stands, if what it could not pass had been durable; with it, the next
/// record's header.
pub(super) fn find(segments: &Segments, walk: &mut Walk, last: u32) -> Result<Option<Damage>, LogError> {
    let missing = walk.mark().sequence;
    let witness = witness(segments, walk, last, |header| header.durable_before() > missing)?;
    if witness.is_none() && !walk.is_inside() {
        return Ok(None);
    }
    let (segment, offset, what) = locate(segments, walk, last)?;
    let found = Damage::here(&segment, offset, what);
    Ok(Some(match witness {
        Some((next, header)) => Damage { next: Some(next), next_sequence: header.sequence, ..found },
        None => found,
    }))
}

/// The first header at or after the place where a walk stands that is wanted, and where its payload lies.
pub(super) fn witness(
    segments: &Segments,
    walk: &Walk,
    last: u32,
    wanted: impl Fn(&Header) -> bool,
) -> Result<Option<(Position, Header)>, LogError> {
    let (mut from, mut next) = (walk.offset(), Some(Arc::clone(walk.segment())));
    while let Some(segment) = next.filter(|next| next.name.last <= last) {
        if let Some((offset, header)) = search(&segment, from, &wanted)? {
            let position = Position { segment: segment.number(), offset: offset + record::HEADER_BYTES };
            return Ok(Some((position, header)));
        }
        (from, next) = (segment::HEADER_BYTES, segments.after(&segment.name)?);
    }
    Ok(None)
}

/// Where the record that a walk misses should be: segment, header's offset, and what is wrong there. It is where the
/// walk stands, unless that looks like a segment's proper end.
pub(super) fn locate(
    segments: &Segments,
    walk: &mut Walk,
    last: u32,
) -> Result<(Arc<Segment>, u32, String), LogError> {
    let missing = walk.mark().sequence;
    let payload = format!("the payload of record {missing}");
    let header = format!("the header of record {missing}");
    let is_missing =
        |found: &Found| matches!(found, Found::BadPayload { header } if header.sequence == missing);
    let here = Arc::clone(walk.segment());
    if is_missing(&walk.look()?) {
        return Ok((here, walk.offset(), payload));
    }
    if here.name.last < last
        && let Some(next) = segments.after(&here.name)?
    {
        let first = Window::exact().find(&next, segment::HEADER_BYTES)?;
        if is_missing(&first) {
            return Ok((next, segment::HEADER_BYTES, payload));
        }
        if matches!(first, Found::Nothing) && is_blank(&here, walk.offset())? {
            return Ok((next, segment::HEADER_BYTES, header));
        }
    }
    Ok((here, walk.offset(), header))
}

/// The first header in a segment, at or after an offset, that is wanted.
fn search(
    segment: &Segment,
    from: u32,
    wanted: impl Fn(&Header) -> bool,
) -> Result<Option<(u32, Header)>, LogError> {
    let mut window = Window::exact();
    let mut at = from;
    while segment.fits(at, u64::from(record::HEADER_BYTES)) {
        // The last headers of a piece reach into the next one, so pieces overlap by a header.
        let wide = (segment.bytes - at).min(CHUNK + record::HEADER_BYTES);
        let range = window.load(segment, at, wide as usize)?;
        let bytes = window.bytes(range);
        let headers = (wide - record::HEADER_BYTES) / record::ALIGN + 1;
        for offset in (0..headers).map(|n| n * record::ALIGN) {
            let found = Header::decode(&bytes[offset as usize..], segment.place(at + offset));
            if let Some((header, _)) = found.filter(|(header, _)| wanted(header)) {
                return Ok(Some((at + offset, header)));
            }
        }
        at += headers * record::ALIGN;
    }
    Ok(None)
}

/// Whether a segment holds only zeros from an offset on.
fn is_blank(segment: &Segment, from: u32) -> Result<bool, LogError> {
    let mut window = Window::exact();
    let mut at = from;
    while at < segment.bytes {
        let step = (segment.bytes - at).min(CHUNK);
        let range = window.load(segment, at, step as usize)?;
        if window.bytes(range).iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        at += step;
    }
    Ok(true)
}
