//! An index in memory: for tests, which build it anew from the log each time.

use std::collections::BTreeMap;
use std::ops::Bound;

use parking_lot::RwLock;

use super::{Checkpoint, Index};
use crate::StoreError;
use crate::embedded::state::keys::{CHECKPOINT, Key};
use crate::embedded::state::pending::Puts;
use crate::embedded::state::view::{Pairs, View};

/// An index in memory.
#[derive(Default)]
pub(crate) struct MemoryIndex(RwLock<BTreeMap<Key, Vec<u8>>>);

impl Index for MemoryIndex {
    fn write(&self, puts: &Puts, through: &Checkpoint) -> Result<(), StoreError> {
        let mut map = self.0.write();
        for (key, value) in puts {
            match value {
                Some(value) => map.insert(key.clone(), value.clone()),
                None => map.remove(key),
            };
        }
        map.insert(CHECKPOINT.to_vec(), through.encode());
        Ok(())
    }
}

impl View for MemoryIndex {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.read().get(key).cloned())
    }

    fn scan(&self, from: &[u8], until: &[u8], limit: usize) -> Result<Pairs, StoreError> {
        let bounds = (Bound::Included(from), Bound::Excluded(until));
        let map = self.0.read();
        Ok(map.range::<[u8], _>(bounds).take(limit).map(|(k, v)| (k.clone(), v.clone())).collect())
    }
}
