//! What the state machine's state looks like to those who only read it: keys and values.

use super::keys::{self, Key};
use super::values::{EntryRef, LogMeta, Seen, TopicMeta, decode_number, decode_relation};
use crate::codec::Malformed;
use crate::{Relation, StoreError};

/// Keys with their values, in the order of the keys.
pub(crate) type Pairs = Vec<(Key, Vec<u8>)>;

/// A state that can be read.
pub(crate) trait View {
    /// The key's value.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// At most `limit` keys from `from` on and below `until`, which is greater.
    fn scan(&self, from: &[u8], until: &[u8], limit: usize) -> Result<Pairs, StoreError>;

    fn has(&self, key: &[u8]) -> Result<bool, StoreError> {
        Ok(self.get(key)?.is_some())
    }

    /// The number under the key; 0 where there is none.
    fn number(&self, key: &[u8]) -> Result<u64, StoreError> {
        Ok(decoded(self.get(key)?, decode_number)?.unwrap_or(0))
    }

    fn log(&self, name: &str) -> Result<Option<LogMeta>, StoreError> {
        decoded(self.get(&keys::log(name))?, LogMeta::decode)
    }

    fn entry(&self, log: u64, version: u64) -> Result<Option<EntryRef>, StoreError> {
        decoded(self.get(&keys::entry(log, version))?, EntryRef::decode)
    }

    fn seen(&self, log: u64, hash: u128) -> Result<Option<Seen>, StoreError> {
        decoded(self.get(&keys::seen(log, hash))?, Seen::decode)
    }

    fn topic(&self, topic: &str) -> Result<Option<TopicMeta>, StoreError> {
        decoded(self.get(&keys::topic(topic))?, TopicMeta::decode)
    }

    fn relation(&self, topic: &str, user: &str) -> Result<Option<Relation>, StoreError> {
        decoded(self.get(&keys::relation(topic, user))?, decode_relation)
    }
}

fn decoded<T>(
    value: Option<Vec<u8>>,
    decode: impl Fn(&[u8]) -> Result<T, Malformed>,
) -> Result<Option<T>, StoreError> {
    value.map(|value| decode(&value).map_err(damaged)).transpose()
}

/// The error for an index whose bytes make no sense.
pub(crate) fn damaged(error: Malformed) -> StoreError {
    StoreError::Unreadable(format!(
        "the index is damaged ({error}): stop the process and remove the folder `index` of the store, \
         which is built anew from the log at the next start"
    ))
}
