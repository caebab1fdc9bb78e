//! Retention: a log begins later, and what was before is forgotten in the end.

use protocol::ids::{LogName, Version};

use super::append::{Limits, is_over};
use crate::StoreError;
use crate::embedded::state::change::{Change, Place};
use crate::embedded::state::draft::Draft;
use crate::embedded::state::values::LogMeta;
use crate::embedded::state::view::View;

/// At most so many entries are forgotten by one call, so that none holds up the others for long.
const FORGET_AT_ONCE: u64 = 2_000;

/// Lets the log begin at `before`, or at its newest entry if that is earlier, and forgets old entries that were cut
/// off long enough ago. The log's first version afterwards.
pub(crate) fn trim<V: View>(
    draft: &mut Draft<'_, V>,
    limits: Limits,
    log: &LogName,
    before: Version,
) -> Result<Version, StoreError> {
    let Some(meta) = draft.log_meta(log.as_str())? else { return Ok(Version(1)) };
    let first = before.0.min(meta.head).max(meta.first);
    if first > meta.first {
        let (slot, _) = draft.slot(log.as_str())?;
        draft.write(Change::First { place: Place { slot, version: first } })?;
    }
    let remembered = first_remembered(draft, limits, LogMeta { first, ..meta })?;
    if remembered > meta.remembered {
        let (slot, _) = draft.slot(log.as_str())?;
        draft.write(Change::Forget { place: Place { slot, version: remembered } })?;
    }
    Ok(Version(first))
}

/// The version up to which everything was cut off and is older than repeats are known for.
fn first_remembered<V: View>(draft: &Draft<'_, V>, limits: Limits, log: LogMeta) -> Result<u64, StoreError> {
    if limits.dedupe.is_none() {
        return Ok(log.remembered);
    }
    let end = log.first.min(log.remembered + FORGET_AT_ONCE);
    for version in log.remembered..end {
        let entry = draft.entry(log.id, version)?;
        if entry.is_some_and(|entry| !is_over(limits.dedupe, entry.time, draft.time)) {
            return Ok(version);
        }
    }
    Ok(end.max(log.remembered))
}
