//! Where the entries of a compacted segment lie now.
//!
//! What is written here is in no record of the log: an index that is built anew finds the new places by itself. So the
//! index keeps a list of the compacted segments whose places it has; at start it takes in those that it does not know.

use crate::StoreError;
use crate::codec::{Malformed, Reader, put_int};
use crate::embedded::commit_log::{LogReader, Record};
use crate::embedded::index::State;
use crate::embedded::state::change::{Change, Changes, Place, RecordError};
use crate::embedded::state::draft::Draft;
use crate::embedded::state::keys::{self, Key};
use crate::embedded::state::pending::{Puts, message_of};
use crate::embedded::state::values::{EntryRef, LogMeta};
use crate::embedded::state::view::{View, damaged};

use super::Trouble;
use protocol::content::Content;

/// An entry with its place.
pub(super) struct Moved {
    log: String,
    version: u64,
    entry: EntryRef,
}

impl Moved {
    /// Puts the entry where it lies now, if the log still knows of it.
    pub fn apply<V: View>(&self, draft: &mut Draft<'_, V>) -> Result<(), StoreError> {
        if let Some((key, value)) = self.put(draft.log_meta(&self.log)?) {
            draft.put_quietly(key, value);
        }
        Ok(())
    }

    fn put(&self, log: Option<LogMeta>) -> Option<(Key, Vec<u8>)> {
        let log = log.filter(|log| self.version >= log.remembered)?;
        Some((keys::entry(log.id, self.version), self.entry.encode()))
    }
}

/// The entries that a record makes.
pub(super) fn entries_of(record: &Record) -> Result<Vec<Moved>, RecordError> {
    let mut changes = Changes::new(&record.payload)?;
    let (mut names, mut moved) = (Vec::new(), Vec::new());
    while let Some((change, offset)) = changes.next()? {
        let (places, mut entry) = match change {
            Change::Log { name } => {
                names.push(name);
                continue;
            }
            Change::Entry { place, time, content, .. } => {
                ([Some(place), None], EntryRef::of(content, offset, time, hash_of(content)?)?)
            }
            Change::Pair { sender, recipient, time, content } => {
                ([Some(sender), Some(recipient)], EntryRef::of(content, offset, time, hash_of(content)?)?)
            }
            Change::Stub { place, peer, time, hash, .. } => ([Some(place), peer], EntryRef::stub(time, hash)),
            _ => continue,
        };
        entry.position.segment = record.position.segment;
        entry.position.offset += record.position.offset;
        for Place { slot, version } in places.into_iter().flatten() {
            let log = names.get(slot).copied().ok_or(Malformed("a log named before"))?.to_owned();
            moved.push(Moved { log, version, entry });
        }
    }
    Ok(moved)
}

fn hash_of(content: &[u8]) -> Result<Option<u128>, Malformed> {
    Content::parse(content).map(|content| message_of(&content)).map_err(|_| Malformed("a content"))
}

/// The compacted segments whose places the index has, as [`note`] wrote them.
pub(crate) fn known(state: &(impl View + ?Sized)) -> Result<Vec<u32>, StoreError> {
    let Some(value) = state.get(keys::COMPACTED)? else { return Ok(Vec::new()) };
    let mut reader = Reader::new(&value);
    let mut known = Vec::new();
    while !reader.at_end() {
        known.push(reader.int32("a segment").map_err(damaged)?);
    }
    Ok(known)
}

/// Says which compacted segments there are, the index having the places of all.
pub(super) fn note(log: &LogReader) -> (Key, Vec<u8>) {
    let mut value = Vec::new();
    log.compacted().into_iter().for_each(|number| put_int(&mut value, number.into()));
    (keys::COMPACTED.to_vec(), value)
}

/// At start, before anything else works: brings the index up to date with compacted segments that it does not know, and
/// removes what those stand for. Of an index that was just built `anew` from the log nothing is unknown.
pub(crate) fn settle(state: &State, log: &LogReader, anew: bool) -> Result<(), Trouble> {
    let known = if anew { log.compacted() } else { known(state)? };
    let unknown: Vec<_> = log.files()?.into_iter().filter(|file| file.note.is_some()).collect();
    for file in unknown.iter().filter(|file| !known.contains(&file.number())) {
        for record in log.records(file)? {
            let mut puts = Puts::new();
            for moved in entries_of(&record?)? {
                puts.extend(moved.put(state.log(&moved.log)?).map(|(key, value)| (key, Some(value))));
            }
            state.replay(puts, None)?;
        }
    }
    let (key, value) = note(log);
    if state.get(&key)?.unwrap_or_default() != value {
        state.replay(Puts::from([(key, Some(value))]), None)?;
    }
    if !unknown.is_empty() {
        state.flush()?;
        log.remove_superseded()?;
    }
    Ok(())
}
