//! Repairing a damaged log: only ever on request, and never without keeping what it overwrites.
//!
//! The log is surveyed and its first damage mended, over and over, until nothing is damaged. A segment that is missing
//! or has no good header is replaced by an empty one, which makes it damage like any other: records that are
//! not where later ones show that they were.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::damage;
use super::layout::{Layout, Name};
use super::lock::lock;
use super::mend::{self, Gap};
use super::open::check_headers;
use super::recovery;
use super::segment::{self, Segment};
use super::segments::Segments;
use super::walk::Walk;
use super::{Damage, LogError, Verify};
use crate::embedded::files::Files;

/// What to do about damage.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Repair {
    /// Give up only the records that are bad; those after them stay. Their sequence numbers become void.
    Void,
    /// Cut the log at the first damage: the bad records and all after them are given up.
    Cut,
}

/// One thing that a repair did.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Repaired {
    /// The damage.
    pub damage: Damage,
    /// How many sequence numbers were given up, where that is known; 0 where the damage could be mended.
    pub lost: Option<u64>,
    /// Where the bytes that were overwritten or taken away are kept.
    pub kept: Vec<PathBuf>,
}

/// Checks the whole log in `dir` and mends what is damaged in the way that `how` says; an empty answer means that
/// nothing was. Takes the log's lock. What is overwritten is first copied into a file beside it. A log of
/// another store or of a newer format is refused, as is one without a single good segment.
pub fn repair(files: &Arc<dyn Files>, dir: &Path, how: Repair) -> Result<Vec<Repaired>, LogError> {
    let _lock = lock(&**files, dir)?;
    let mut done = Vec::new();
    while let Some(repaired) = mend_headers(files, dir)? {
        done.push(repaired);
    }
    let layout = Layout::read(&**files, dir)?;
    if layout.names().is_empty() {
        return Ok(done);
    }
    check_headers(&Segments::new(Arc::clone(files), dir, layout), None)?;
    while let Some(repaired) = mend_records(files, dir, how)? {
        done.push(repaired);
    }
    Ok(done)
}

/// Mends the first segment that is missing or has a bad header, if there is one.
fn mend_headers(files: &Arc<dyn Files>, dir: &Path) -> Result<Option<Repaired>, LogError> {
    let layout = match Layout::read(&**files, dir) {
        Err(LogError::MissingSegment { file }) => {
            let what = "the whole segment, which is missing,".into();
            let damage = Damage { file, offset: 0, what, next: None, next_sequence: 0 };
            return replace(files, dir, damage, Vec::new()).map(Some);
        }
        other => other?,
    };
    let damage = layout.names().iter().find_map(|name| match Segment::open(&**files, dir, *name) {
        Err(LogError::Damaged(damage)) => Some(Ok(*damage)),
        Err(other) => Some(Err(other)),
        Ok(_) => None,
    });
    let Some(damage) = damage.transpose()? else { return Ok(None) };
    let is_misnamed = damage.what.contains("name");
    if !is_misnamed && segment::mend_header(&**files, &damage.file)? {
        return Ok(Some(Repaired { damage, lost: Some(0), kept: Vec::new() }));
    }
    let kept = mend::put_aside(&**files, &damage.file)?;
    replace(files, dir, damage, vec![kept]).map(Some)
}

/// Bytes of a segment that is put where one is missing: enough for a void, which is all that becomes of it.
const STAND_IN_BYTES: u32 = 2 * segment::HEADER_BYTES;

/// Puts an empty segment where one is missing; several where a compacted one is.
fn replace(
    files: &Arc<dyn Files>,
    dir: &Path,
    damage: Damage,
    kept: Vec<PathBuf>,
) -> Result<Repaired, LogError> {
    let names = files.list(dir).map_err(segment::failed("cannot list", dir))?;
    let good = names
        .iter()
        .filter_map(|name| Name::parse(name))
        .find_map(|name| Segment::open(&**files, dir, name).ok());
    let missing = damage.file.file_name().and_then(|name| Name::parse(name.to_str()?));
    let (Some(good), Some(missing)) = (good, missing) else { return Err(damage.into()) };
    for number in missing.first..=missing.last {
        Segment::make(&**files, dir, number, STAND_IN_BYTES, good.store_id)?;
    }
    Ok(Repaired { damage, lost: None, kept })
}

/// Mends the first damage among the records, if there is any.
fn mend_records(files: &Arc<dyn Files>, dir: &Path, how: Repair) -> Result<Option<Repaired>, LogError> {
    let layout = Layout::read(&**files, dir)?;
    let last = layout.last();
    let segments = Arc::new(Segments::new(Arc::clone(files), dir, layout));
    let found = match recovery::survey(&segments, Verify::Everything) {
        Ok(_) => return Ok(None),
        Err(LogError::Damaged(found)) => *found,
        Err(other) => return Err(other),
    };
    let mut walk = Walk::from_start(Arc::clone(&segments), last)?;
    while walk.step()?.is_some() {}
    let missing = walk.mark().sequence;
    let (segment, offset, _) = damage::locate(&segments, &mut walk, last)?;
    if how == Repair::Cut {
        let kept = mend::cut(&segments, &segment, offset, missing, walk.previous())?;
        return Ok(Some(Repaired { damage: found, lost: None, kept }));
    }
    let next = damage::witness(&segments, &walk, last, |header| header.sequence > missing)?;
    let Some((next, header)) = next else { return Err(found.into()) };
    let gap = Gap { segment: segment.number(), offset, missing, previous: walk.previous(), next, header };
    let Some(kept) = mend::void(&segments, &gap)? else { return Err(found.into()) };
    Ok(Some(Repaired { damage: found, lost: Some(header.sequence - missing), kept }))
}
