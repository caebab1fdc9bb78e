//! How many bytes of each file are still needed, by what the index says.
//!
//! An estimate: it decides only when a file is worth looking at. What is really dead is decided record by record.

use std::collections::HashMap;

use crate::StoreError;
use crate::embedded::state::keys;
use crate::embedded::state::values::{EntryRef, LogMeta};
use crate::embedded::state::view::{View, damaged};

/// Keys that one scan asks for.
const SCAN: usize = 1_000;
/// Bytes that an entry takes beside its content.
const ENTRY_BYTES: u64 = 16;
/// Bytes of a stub.
const STUB_BYTES: u64 = 40;

/// What an entry with so many bytes of content takes, or a stub. In an inbox it is half of a pair, which is stored once.
pub(super) fn cost(log: &str, content: Option<usize>) -> u64 {
    let bytes = content.map_or(STUB_BYTES, |content| content as u64 + ENTRY_BYTES);
    if log.starts_with("u/") { bytes / 2 } else { bytes }
}

/// What the entries in each file take, by the file's number in positions. `rest` is called between two questions to the
/// index, and ends the survey with its error.
pub(super) fn survey<E: From<StoreError>>(
    state: &impl View,
    mut rest: impl FnMut() -> Result<(), E>,
) -> Result<HashMap<u32, u64>, E> {
    let mut needed = HashMap::new();
    let (mut from, until) = (vec![keys::LOGS], keys::end_of(&[keys::LOGS]));
    loop {
        let logs = state.scan(&from, &until, SCAN)?;
        let Some((last, _)) = logs.last() else { return Ok(needed) };
        from = keys::after(last.clone());
        for (key, value) in &logs {
            let log = String::from_utf8_lossy(&key[1..]);
            let meta = LogMeta::decode(value).map_err(damaged)?;
            add_log(state, &log, meta, &mut needed, &mut rest)?;
        }
        rest()?;
    }
}

fn add_log<E: From<StoreError>>(
    state: &impl View,
    log: &str,
    meta: LogMeta,
    needed: &mut HashMap<u32, u64>,
    rest: &mut impl FnMut() -> Result<(), E>,
) -> Result<(), E> {
    let (mut from, until) = (keys::entry(meta.id, 0), keys::entry(meta.id + 1, 0));
    loop {
        let entries = state.scan(&from, &until, SCAN)?;
        let Some((last, _)) = entries.last() else { return Ok(()) };
        from = keys::after(last.clone());
        for (key, value) in &entries {
            let entry = EntryRef::decode(value).map_err(damaged)?;
            let is_live = !entry.is_stub() && keys::version_of(key) >= Some(meta.first);
            *needed.entry(entry.position.segment).or_default() +=
                cost(log, is_live.then_some(entry.bytes as usize));
        }
        if entries.len() < SCAN {
            return Ok(());
        }
        rest()?;
    }
}
