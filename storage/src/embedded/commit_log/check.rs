//! Checking a whole log without changing it: every damage, not the first only.

use std::path::Path;
use std::sync::Arc;

use super::layout::Layout;
use super::lock::lock;
use super::open::check_headers;
use super::record::{self, Kind};
use super::segment::Segment;
use super::segments::Segments;
use super::walk::Walk;
use super::{Damage, LogError, Mark, Position, damage};
use crate::embedded::files::Files;

/// What a check found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Checked {
    /// How many records are good, or were when they were compacted.
    pub records: u64,
    /// How many sequence numbers are void: given up by a repair.
    pub voided: u64,
    /// Everything that is damaged, in order. While a segment's header is bad, only headers are looked at.
    pub damage: Vec<Damage>,
    /// Where the log ends.
    pub end: Mark,
}

/// Checks every record of the log in `dir`, under its lock, and changes nothing. A torn last write is no damage. Fails
/// where a segment is missing, of another store or of a newer format.
pub fn check(files: &Arc<dyn Files>, dir: &Path) -> Result<Checked, LogError> {
    let _lock = lock(&**files, dir)?;
    let layout = Layout::read(&**files, dir)?;
    let last = layout.last();
    let mut checked = Checked { records: 0, voided: 0, damage: Vec::new(), end: Mark::START };
    for name in layout.names() {
        match Segment::open(&**files, dir, *name) {
            Err(LogError::Damaged(damage)) => checked.damage.push(*damage),
            other => drop(other?),
        }
    }
    if last > 0 && checked.damage.is_empty() {
        let segments = Arc::new(Segments::new(Arc::clone(files), dir, layout));
        check_headers(&segments, None)?;
        check_records(&segments, last, &mut checked)?;
    }
    Ok(checked)
}

fn check_records(segments: &Arc<Segments>, last: u32, checked: &mut Checked) -> Result<(), LogError> {
    let mut walk = Walk::from_start(Arc::clone(segments), last)?;
    loop {
        while let Some(stop) = walk.step()? {
            match stop.header.kind {
                Kind::Record { .. } => checked.records += 1,
                Kind::Merged { sequences } => checked.records += u64::from(sequences),
                Kind::Void { sequences } => checked.voided += u64::from(sequences),
            }
        }
        checked.end = walk.mark();
        let missing = checked.end.sequence;
        let Some(damage) = damage::find(segments, &mut walk, last)? else { return Ok(()) };
        checked.damage.push(damage);
        let next = damage::witness(segments, &walk, last, |header| header.sequence > missing)?;
        let Some((Position { segment, offset }, header)) = next else { return Ok(()) };
        let place = Position { segment, offset: offset - record::HEADER_BYTES };
        walk = Walk::new(Arc::clone(segments), place, last, Some(header.sequence), None)?;
    }
}
