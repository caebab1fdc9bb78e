//! Retention: a log begins later, and what was before is forgotten in the end.

use protocol::ids::{LogName, Time, Version};

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
    forget(draft, limits, log.as_str())?;
    Ok(Version(first))
}

/// Forgets old entries that were cut off long enough ago, but not too many at once; whether there were any.
pub(crate) fn forget<V: View>(
    draft: &mut Draft<'_, V>,
    limits: Limits,
    log: &str,
) -> Result<bool, StoreError> {
    let Some(meta) = draft.log_meta(log)? else { return Ok(false) };
    let remembered = first_remembered(&*draft, limits, meta, draft.time)?;
    if remembered == meta.remembered {
        return Ok(false);
    }
    let (slot, _) = draft.slot(log)?;
    draft.write(Change::Forget { place: Place { slot, version: remembered } })?;
    Ok(true)
}

/// The version up to which everything was cut off and is older than repeats are known for, or as far as one call goes.
pub(crate) fn first_remembered<V: View>(
    state: &V,
    limits: Limits,
    log: LogMeta,
    now: Time,
) -> Result<u64, StoreError> {
    if limits.dedupe.is_none() {
        return Ok(log.remembered);
    }
    let end = log.first.min(log.remembered + FORGET_AT_ONCE);
    for version in log.remembered..end {
        let entry = state.entry(log.id, version)?;
        if entry.is_some_and(|entry| !is_over(limits.dedupe, entry.time, now)) {
            return Ok(version);
        }
    }
    Ok(end.max(log.remembered))
}
