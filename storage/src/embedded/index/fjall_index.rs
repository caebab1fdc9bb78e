//! The index on disk: one keyspace of fjall.
//!
//! Nothing of fjall's own durability is relied upon: the checkpoint goes with each batch, and says what is there.

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::{Checkpoint, Index};
use crate::StoreError;
use crate::embedded::state::keys::CHECKPOINT;
use crate::embedded::state::pending::Puts;
use crate::embedded::state::view::{Pairs, View};

/// fjall keeps so much in memory before it writes a table of its own.
const MEMTABLE_BYTES: u64 = 32 << 20;
/// So much of fjall's own log is read at start at most: the least that it accepts.
const JOURNAL_BYTES: u64 = 64 << 20;

/// The index on disk.
pub(crate) struct FjallIndex {
    database: Database,
    keys: Keyspace,
}

impl FjallIndex {
    /// Opens the index in a folder, or makes one. The error is fjall's, for people.
    pub fn open(dir: &Path, cache_bytes: u64) -> Result<Self, String> {
        let open = || -> fjall::Result<Self> {
            let database = Database::builder(dir)
                .cache_size(cache_bytes)
                .max_journaling_size(JOURNAL_BYTES)
                .worker_threads(1)
                .open()?;
            let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
            let keys = database.keyspace("keys", options)?;
            Ok(Self { database, keys })
        };
        open().map_err(|error| error.to_string())
    }
}

impl Index for FjallIndex {
    fn write(&self, puts: &Puts, through: &Checkpoint) -> Result<(), StoreError> {
        let mut batch = self.database.batch();
        for (key, value) in puts {
            match value {
                Some(value) => batch.insert(&self.keys, key.as_slice(), value.as_slice()),
                None => batch.remove(&self.keys, key.as_slice()),
            }
        }
        batch.insert(&self.keys, CHECKPOINT, through.encode());
        // Not for what was acknowledged, which the commit log holds: fjall may refuse to open after a power cut
        // what it had not synced, and then the whole index is built anew.
        batch.durability(Some(PersistMode::SyncData)).commit().map_err(unwritable)
    }
}

impl View for FjallIndex {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let value = self.keys.get(key).map_err(unreadable)?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn scan(&self, from: &[u8], until: &[u8], limit: usize) -> Result<Pairs, StoreError> {
        let range = self.keys.range(from..until).take(limit);
        range
            .map(|pair| pair.into_inner().map(|(key, value)| (key.to_vec(), value.to_vec())))
            .collect::<fjall::Result<_>>()
            .map_err(unreadable)
    }
}

fn unwritable(error: fjall::Error) -> StoreError {
    StoreError::Unwritable(format!(
        "the index failed ({error}): look at the disk's space and health, then start again; nothing that was \
         acknowledged is lost, and an index that is damaged is built anew from the log"
    ))
}

fn unreadable(error: fjall::Error) -> StoreError {
    StoreError::Unreadable(format!(
        "the index failed ({error}): look at the disk's health; where the folder `index` of the store is removed, it is \
         built anew from the log at the next start"
    ))
}
