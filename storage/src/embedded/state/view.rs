//! What the state machine's state looks like to those who only read it: keys and values.

use protocol::ids::{Time, UserId};

use super::keys::{self, Key};
use super::values::{AccountMeta, EntryRef, LogMeta, Seen, TopicMeta, decode_number, decode_relation};
use crate::codec::Malformed;
use crate::{Account, Relation, StoreError};

/// Keys with their values, in the order of the keys.
pub(crate) type Pairs = Vec<(Key, Vec<u8>)>;

/// Keys that one scan asks for where everything is wanted.
const SCAN: usize = 1_000;

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

    /// Whether the user has an account, and what others have to know of it.
    fn account_meta(&self, user: &str) -> Result<Option<AccountMeta>, StoreError> {
        decoded(self.get(&keys::account(user))?, AccountMeta::decode)
    }

    /// The account's record.
    fn record(&self, user: &str) -> Result<Option<Account>, StoreError> {
        decoded(self.get(&keys::record(user))?, Account::decode)
    }

    /// All keys that begin so.
    fn all(&self, prefix: &[u8]) -> Result<Pairs, StoreError> {
        let until = keys::end_of(prefix);
        let mut all = self.scan(prefix, &until, SCAN)?;
        let mut found = all.len();
        while found == SCAN
            && let Some((last, _)) = all.last()
        {
            let more = self.scan(&keys::after(last.clone()), &until, SCAN)?;
            found = more.len();
            all.extend(more);
        }
        Ok(all)
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

/// The account of a user without a record, if the name has left something behind. `inbox` is what is known of its log.
pub(crate) fn left_something(
    view: &impl View,
    user: &UserId,
    inbox: Option<LogMeta>,
) -> Result<Option<Account>, StoreError> {
    let any = |prefix: Key| Ok::<_, StoreError>(!view.scan(&prefix, &keys::end_of(&prefix), 1)?.is_empty());
    let used = inbox.is_some_and(|log| log.head > 0)
        || any(keys::relation_of(user.as_str(), ""))?
        || any(keys::cursors(user.as_str()))?;
    Ok(used.then(|| Account::unclaimed(user.clone(), Time(0))))
}
