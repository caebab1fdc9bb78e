//! Applying changes: each becomes puts of keys, over a state that stays as it is.
//!
//! Live commits and the replay at start use this same code, so that an index rebuilt from the log is the one that was.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use protocol::content::Content;
use protocol::ids::{DeviceId, Time, UserId, Version};
use protocol::lookalike;

use super::change::{Change, Changes, Place, RecordError};
use super::keys::{self, Key};
use super::values::{AccountMeta, EntryRef, LogMeta, Seen, TopicMeta, encode_number, encode_relation};
use super::view::{Pairs, View};
use crate::codec::Malformed;
use crate::embedded::commit_log::Position;
use crate::{Account, Relation, StoreError};

/// New values of keys; `None`: the key is gone.
pub(crate) type Puts = BTreeMap<Key, Option<Vec<u8>>>;

/// Why a change could not be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ApplyError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl From<Malformed> for ApplyError {
    fn from(error: Malformed) -> Self {
        Self::Record(error.into())
    }
}

/// A state with changes on top of it.
pub(crate) struct Pending<'v, V> {
    below: &'v V,
    puts: Puts,
    /// The logs that the record has named, by their numbers in it.
    logs: Vec<(String, LogMeta)>,
    slots: HashMap<String, usize>,
    time: Time,
}

impl<'v, V: View> Pending<'v, V> {
    /// Nothing changed yet, in a record of this time.
    pub fn new(below: &'v V, time: Time) -> Self {
        Self { below, puts: Puts::new(), logs: Vec::new(), slots: HashMap::new(), time }
    }

    /// Everything that a record changes, with entries where they lie once the payload is at `position`.
    pub fn replay(below: &'v V, payload: &[u8], position: Position) -> Result<Puts, ApplyError> {
        let mut changes = Changes::new(payload)?;
        let mut pending = Self::new(below, changes.time);
        while let Some((change, offset)) = changes.next()? {
            pending.apply(&change, offset)?;
        }
        Ok(relocate(pending.finish(), position))
    }

    /// The number that the record gave the log, and what is known of it.
    pub fn named(&self, log: &str) -> Option<(usize, LogMeta)> {
        let slot = *self.slots.get(log)?;
        Some((slot, self.logs[slot].1))
    }

    /// Applies one change, whose content begins at `offset` in the record's payload.
    pub fn apply(&mut self, change: &Change<'_>, offset: usize) -> Result<(), ApplyError> {
        match *change {
            Change::Log { name } => {
                self.name_log(name)?;
            }
            Change::Entry { place, time, open, content } => {
                self.add_entry(place, time, content, offset)?;
                if open {
                    let id = self.log_mut(place)?.id;
                    self.put(keys::open(time.0, id, place.version), Vec::new());
                }
            }
            Change::Pair { sender, recipient, time, content } => {
                self.add_entry(sender, time, content, offset)?;
                self.add_entry(recipient, time, content, offset)?;
            }
            Change::Closed { place } => self.close(place)?,
            Change::First { place } => {
                let log = self.log_mut(place)?;
                log.first = place.version;
                log.head = log.head.max(place.version.saturating_sub(1));
            }
            Change::Forget { place } => self.forget(place)?,
            Change::Account { user, time } => self.take_over(user, None, time)?,
            Change::Device { user, device, time } => self.take_over(user, Some(device), time)?,
            Change::Record { record, .. } => self.put_record(&Account::decode(record)?, record)?,
            Change::Revised { user } => self.revise(user)?,
            Change::Topic { name, creator, created, rules, creator_life } => {
                let (creator, dissolved, revision) = (creator.to_owned(), false, 0);
                let topic = TopicMeta { creator, created, rules, dissolved, revision, creator_life };
                self.put(keys::topic(name), topic.encode());
            }
            Change::Join { topic, user, since } => {
                self.relate(topic, user, Some(Relation::Member { since: Version(since) }))?;
            }
            Change::Leave { topic, user } => self.relate(topic, user, None)?,
            Change::Invite { topic, user, by } => {
                let by = UserId::new(by).map_err(|_| Malformed("who invites"))?;
                self.relate(topic, user, Some(Relation::Invited { by }))?;
            }
            Change::Remove { topic, user } => self.relate(topic, user, Some(Relation::Removed))?,
            Change::Dissolve { topic } => {
                self.change_topic(topic, |topic| topic.dissolved = true)?;
            }
            Change::Cursor { user, device, log, mark, version } => {
                let value = (version > 0).then(|| encode_number(version));
                self.puts.insert(keys::cursor(user, log, mark, device), value);
            }
            Change::Stub { place, peer, time, hash, fingerprint } => {
                for place in [Some(place), peer].into_iter().flatten() {
                    self.put_entry(place, EntryRef::stub(time, hash), fingerprint)?;
                }
            }
        }
        Ok(())
    }

    /// Puts a key that no record speaks of.
    pub fn put_quietly(&mut self, key: Key, value: Vec<u8>) {
        self.put(key, value);
    }

    /// The puts where no change was applied.
    pub fn finish_quietly(self) -> Puts {
        self.puts
    }

    /// The puts, with entries that count from the record's payload.
    pub fn finish(mut self) -> Puts {
        for (name, log) in std::mem::take(&mut self.logs) {
            self.put(keys::log(&name), log.encode());
        }
        self.put(keys::NEWEST_TIME.to_vec(), encode_number(self.time.0));
        self.puts
    }

    fn put(&mut self, key: Key, value: Vec<u8>) {
        self.puts.insert(key, Some(value));
    }

    fn log_mut(&mut self, place: Place) -> Result<&mut LogMeta, Malformed> {
        self.logs.get_mut(place.slot).map(|(_, log)| log).ok_or(Malformed("a log named before"))
    }

    /// Gives the log the next number in the record.
    pub fn name_log(&mut self, name: &str) -> Result<(usize, LogMeta), StoreError> {
        let log = match self.below.log(name)? {
            Some(log) => log,
            None => {
                let id = self.number(keys::NEXT_LOG)?.max(1);
                self.put(keys::NEXT_LOG.to_vec(), encode_number(id + 1));
                LogMeta::empty(id)
            }
        };
        let slot = self.logs.len();
        self.slots.insert(name.to_owned(), slot);
        self.logs.push((name.to_owned(), log));
        Ok((slot, log))
    }

    fn add_entry(
        &mut self,
        place: Place,
        time: Time,
        content: &[u8],
        offset: usize,
    ) -> Result<(), ApplyError> {
        let parsed = Content::parse(content).map_err(|_| Malformed("a content"))?;
        let entry = EntryRef::of(content, offset, time, message_of(&parsed))?;
        Ok(self.put_entry(place, entry, parsed.fingerprint())?)
    }

    fn put_entry(&mut self, place: Place, entry: EntryRef, fingerprint: u128) -> Result<(), Malformed> {
        let log = self.log_mut(place)?;
        log.head = log.head.max(place.version);
        let id = log.id;
        self.put(keys::entry(id, place.version), entry.encode());
        if let Some(hash) = entry.hash {
            let seen = Seen { version: place.version, time: entry.time, fingerprint };
            self.put(keys::seen(id, hash), seen.encode());
        }
        Ok(())
    }

    fn close(&mut self, place: Place) -> Result<(), ApplyError> {
        let id = self.log_mut(place)?.id;
        if let Some(entry) = self.entry(id, place.version)? {
            self.puts.insert(keys::open(entry.time.0, id, place.version), None);
        }
        Ok(())
    }

    /// Removes entries, and what repeats of them are known by unless a later entry took that over.
    fn forget(&mut self, place: Place) -> Result<(), ApplyError> {
        let log = self.log_mut(place)?;
        let id = log.id;
        let from = std::mem::replace(&mut log.remembered, place.version);
        for version in from..place.version {
            let Some(entry) = self.entry(id, version)? else { continue };
            self.puts.insert(keys::entry(id, version), None);
            let open = keys::open(entry.time.0, id, version);
            if self.has(&open)? {
                self.puts.insert(open, None);
            }
            let Some(hash) = entry.hash else { continue };
            if self.seen(id, hash)?.is_some_and(|seen| seen.version == version) {
                self.puts.insert(keys::seen(id, hash), None);
            }
        }
        Ok(())
    }

    /// Sets how a user stands to a topic. Who begins or ceases to be a member is counted for the user, who ceases for the
    /// topic too.
    fn relate(&mut self, topic: &str, user: &str, relation: Option<Relation>) -> Result<(), ApplyError> {
        let was_member = self.relation(topic, user)?.is_some_and(|relation| relation.is_member());
        let is_member = relation.as_ref().is_some_and(Relation::is_member);
        let value = relation.as_ref().map(encode_relation);
        self.puts.insert(keys::relation(topic, user), value.clone());
        self.puts.insert(keys::relation_of(user, topic), value);
        if was_member != is_member {
            self.revise(user)?;
        }
        if was_member && !is_member {
            self.change_topic(topic, |topic| topic.revision += 1)?;
        }
        Ok(())
    }

    fn revise(&mut self, user: &str) -> Result<(), StoreError> {
        let revision = self.number(&keys::revision(user))? + 1;
        self.put(keys::revision(user), encode_number(revision));
        Ok(())
    }

    /// A login as it was written before accounts had records.
    fn take_over(&mut self, user: &str, device: Option<&str>, time: Time) -> Result<(), ApplyError> {
        let stored = self.record(user)?;
        // A name that is none by the rules of today is nobody's, and no reason to refuse the store.
        let Ok(user) = UserId::new(user) else { return Ok(()) };
        let mut account = stored.unwrap_or_else(|| Account::unclaimed(user, time));
        if let Some(device) = device {
            account.see(&DeviceId::new(device).map_err(|_| Malformed("a device"))?, time);
        }
        account.revision += 1;
        Ok(self.put_record(&account, &account.encode())?)
    }

    /// Of names that look alike, which were used before it mattered, the first one in their order has the skeleton: so it
    /// makes no difference in which order they came.
    fn put_record(&mut self, account: &Account, record: &[u8]) -> Result<(), StoreError> {
        let user = account.user.as_str();
        let skeleton = keys::skeleton(&lookalike::skeleton(&account.user));
        if self.get(&skeleton)?.is_none_or(|other| user.as_bytes() < &other[..]) {
            self.put(skeleton, user.as_bytes().to_vec());
        }
        self.put(keys::account(user), AccountMeta::of(account).encode());
        self.put(keys::record(user), record.to_vec());
        Ok(())
    }

    /// Nothing where a repair gave up the topic.
    fn change_topic(&mut self, name: &str, change: impl FnOnce(&mut TopicMeta)) -> Result<(), ApplyError> {
        if let Some(mut topic) = self.topic(name)? {
            change(&mut topic);
            self.put(keys::topic(name), topic.encode());
        }
        Ok(())
    }
}

/// Moves the entries of a record to where they lie once its payload is at `position`.
pub(crate) fn relocate(mut puts: Puts, position: Position) -> Puts {
    let (from, until) = (keys::entry(0, 0), keys::end_of(&keys::entry(0, 0)[..1]));
    for value in puts.range_mut(from..until).filter_map(|(_, value)| value.as_mut()) {
        EntryRef::relocate(value, position);
    }
    puts
}

/// What a message is known by; `None` for an entry that nobody may send again.
pub(crate) fn message_of(content: &Content<'_>) -> Option<u128> {
    let known = !content.sender.is_empty() && !content.id.is_empty();
    known.then(|| keys::message_hash(content.sender, content.id))
}

impl<V: View> View for Pending<'_, V> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.puts.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.below.get(key),
        }
    }

    fn scan(&self, from: &[u8], until: &[u8], limit: usize) -> Result<Pairs, StoreError> {
        let bounds = (Bound::Included(from), Bound::Excluded(until));
        let own: Vec<_> = self.puts.range::<[u8], _>(bounds).collect();
        // So many of those below may be hidden by what is pending.
        let below = self.below.scan(from, until, limit + own.len())?;
        let mut all: Puts = below.into_iter().map(|(key, value)| (key, Some(value))).collect();
        all.extend(own.into_iter().map(|(key, value)| (key.clone(), value.clone())));
        Ok(all.into_iter().filter_map(|(key, value)| Some((key, value?))).take(limit).collect())
    }
}
