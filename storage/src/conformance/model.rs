//! The promises of a store in the plainest form: lists and maps, nothing on disk.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use bytes::Bytes;
use protocol::access::Act;
use protocol::code::ErrorCode;
use protocol::content::{Content, Entry};
use protocol::ids::{DeviceId, LogKind, LogName, Time, TopicName, UserId, Version};
use protocol::link::request::{LogBounds, LogState, Mark};

use crate::{
    Account, Append, AppendError, Appended, CursorMove, LoggedIn, OpenPair, Page, ReadRange, Relation,
    Restored, StoreError, Topic, TopicsOf,
};

/// Bytes that a content may have.
const LIMIT: usize = 16 << 20;

type CursorKey = (UserId, Option<DeviceId>, LogName, Mark);

/// Everything that a store knows; what concerns accounts is in [`super::model_accounts`].
#[derive(Debug, Default)]
pub(super) struct Model {
    pub now: Time,
    dedupe: Option<Duration>,
    logs: BTreeMap<LogName, Log>,
    pub(super) accounts: BTreeMap<UserId, Account>,
    /// Whose name has this skeleton.
    pub(super) skeletons: BTreeMap<String, UserId>,
    pub(super) topics: BTreeMap<TopicName, Topic>,
    pub(super) relations: BTreeMap<(TopicName, UserId), Relation>,
    /// How often each user's memberships changed.
    pub(super) revisions: BTreeMap<UserId, u64>,
    /// How many memberships of each topic have ended.
    pub(super) ended: BTreeMap<TopicName, u64>,
    pub(super) cursors: HashMap<CursorKey, Version>,
}

#[derive(Debug, Default)]
struct Log {
    /// Entries that retention took, or that were not restored.
    taken: u64,
    entries: Vec<Entry>,
    open: BTreeSet<Version>,
    seen: BTreeMap<(String, String), Seen>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    version: Version,
    time: Time,
    fingerprint: u128,
}

impl Log {
    fn first(&self) -> Version {
        Version(self.taken + 1)
    }

    fn head(&self) -> Version {
        Version(self.taken + self.entries.len() as u64)
    }

    fn push(&mut self, time: Time, content: &Bytes, open: bool) -> Version {
        let version = self.head().next();
        if let Ok(parsed) = Content::parse(content)
            && !parsed.id.is_empty()
        {
            let seen = Seen { version, time, fingerprint: parsed.fingerprint() };
            self.seen.insert((parsed.sender.to_owned(), parsed.id.to_owned()), seen);
        }
        if open {
            self.open.insert(version);
        }
        self.entries.push(Entry { version, time, content: content.clone() });
        version
    }

    fn trim(&mut self, before: Version) {
        let keep = before.0.min(self.head().0);
        let cut = keep.saturating_sub(self.taken + 1) as usize;
        self.entries.drain(..cut);
        self.taken += cut as u64;
    }
}

impl Model {
    pub fn new(now: Time, dedupe: Option<Duration>) -> Self {
        Self { now, dedupe, ..Self::default() }
    }

    pub fn append(&mut self, message: &Append) -> Result<Appended, AppendError> {
        let bytes = message.content.len();
        if bytes > LIMIT {
            return Err(AppendError::TooLarge { bytes, limit: LIMIT });
        }
        let Ok(parsed) = Content::parse(&message.content) else { return Err(AppendError::IdReused) };
        let known = self.logs.get(&message.log).and_then(|log| self.known(log, &parsed));
        let topic = message.log.topic_name();
        let revision = topic.as_ref().and_then(|topic| self.ended.get(topic)).copied().unwrap_or(0);
        let reused = match known {
            Some(seen) if seen.fingerprint == parsed.fingerprint() => {
                let (version, time) = (seen.version, seen.time);
                return Ok(Appended { version, time, duplicate: true, revision });
            }
            other => other.is_some(),
        };
        if let Some(owner) = message.log.user() {
            self.check_half(&owner)?;
        }
        if let Some(topic) = topic {
            let sender = UserId::new(parsed.sender).map_err(|_| AppendError::IdReused)?;
            if self.admit(Act::Send, &topic, &sender).map_err(AppendError::Refused)?.rules.volatile {
                return Err(AppendError::Refused(ErrorCode::WrongDurability));
            }
        }
        if reused {
            return Err(AppendError::IdReused);
        }
        let now = self.now;
        let log = self.logs.entry(message.log.clone()).or_default();
        let version = log.push(now, &message.content, message.open);
        Ok(Appended { version, time: now, duplicate: false, revision })
    }

    /// Why the message of a pair would be refused by whichever step.
    pub fn refuses_pair(&self, content: &Bytes) -> Option<AppendError> {
        let parsed = Content::parse(content).ok()?;
        let Some([sender, recipient]) = people(&parsed) else { return Some(AppendError::UnknownRecipient) };
        let known = self.known_halves(&parsed, [&sender, &recipient]);
        if known.iter().flatten().any(|fingerprint| *fingerprint != parsed.fingerprint()) {
            return Some(AppendError::IdReused);
        }
        match known {
            [Some(_), Some(_)] => Ok(()),
            [None, None] => self.check_pair(&sender, &recipient),
            [None, Some(_)] => self.check_half(&sender),
            [Some(_), None] => self.check_half(&recipient),
        }
        .err()
    }

    /// Makes the account of whoever sends this, if there is none and it is no repeat.
    pub fn make_account_of(&mut self, content: &Bytes) {
        let Ok(parsed) = Content::parse(content) else { return };
        let Some([sender, recipient]) = people(&parsed) else { return };
        if self.known_halves(&parsed, [&sender, &recipient]).contains(&None) {
            self.make_account(&sender);
        }
    }

    /// The fingerprint of what each of these inboxes knows under the message's id.
    fn known_halves(&self, content: &Content<'_>, users: [&UserId; 2]) -> [Option<u128>; 2] {
        users.map(|user| Some(self.known(self.logs.get(&LogName::inbox(user))?, content)?.fingerprint))
    }

    fn known(&self, log: &Log, content: &Content<'_>) -> Option<Seen> {
        let seen = log.seen.get(&(content.sender.to_owned(), content.id.to_owned())).copied()?;
        let late = seen.version < log.first() && is_over(self.dedupe, seen.time, self.now);
        (!late).then_some(seen)
    }

    pub fn open_pairs(&self, before: Time, limit: usize) -> Vec<OpenPair> {
        let open = self.logs.values().flat_map(|log| {
            let entries = log.entries.iter().filter(|entry| log.open.contains(&entry.version));
            entries.filter(|entry| entry.time < before)
        });
        open.map(|entry| OpenPair { version: entry.version, content: entry.content.clone() })
            .take(limit)
            .collect()
    }

    pub fn close_pair(&mut self, pair: &OpenPair) {
        let sender = Content::parse(&pair.content).ok().and_then(|content| UserId::new(content.sender).ok());
        if let Some(log) = sender.and_then(|sender| self.logs.get_mut(&LogName::inbox(&sender))) {
            log.open.remove(&pair.version);
        }
    }

    pub fn read(&self, range: &ReadRange) -> Page {
        let LogBounds { first, head, revision, gone } = self.bounds(&range.log);
        let mut page = Page { first, head, entries: Vec::new(), revision: 0, gone };
        page.revision = if range.log.topic_name().is_some() { revision } else { 0 };
        let Some(log) = self.logs.get(&range.log) else { return page };
        let mut bytes = 0;
        for entry in log.entries.iter().filter(|entry| entry.version > range.after) {
            bytes += entry.content.len();
            let full = page.entries.len() >= range.max_entries || bytes > range.max_bytes;
            if full && !page.entries.is_empty() {
                break;
            }
            page.entries.push(entry.clone());
        }
        page
    }

    pub fn bounds(&self, name: &LogName) -> LogBounds {
        let (revision, gone) = match name.kind() {
            LogKind::Inbox(user) => (self.revisions.get(user).copied(), false),
            LogKind::Topic(topic) => {
                (self.ended.get(topic).copied(), self.topics.get(topic).is_some_and(|topic| topic.dissolved))
            }
        };
        let (first, head) =
            self.logs.get(name).map_or((Version(1), Version(0)), |log| (log.first(), log.head()));
        LogBounds { first, head, revision: revision.unwrap_or(0), gone }
    }

    pub fn trim(&mut self, name: &LogName, before: Version) -> Version {
        let Some(log) = self.logs.get_mut(name) else { return Version(1) };
        log.trim(before);
        log.first()
    }

    pub fn logged_in(&self, user: &UserId, device: Option<&DeviceId>, new: bool) -> LoggedIn {
        let mut logs = vec![self.log_state(LogName::inbox(user), user, Some(device))];
        let TopicsOf { topics, invites } = self.topics_of(user, Some(device));
        logs.extend(topics);
        LoggedIn { logs, revision: self.revisions.get(user).copied().unwrap_or(0), invites, new }
    }

    /// With the cursors of the user's device.
    pub(super) fn log_state(
        &self,
        log: LogName,
        user: &UserId,
        device: Option<Option<&DeviceId>>,
    ) -> LogState {
        let bounds = self.bounds(&log);
        let cursor = |mark, of: Option<&DeviceId>| {
            let key = (user.clone(), of.cloned(), log.clone(), mark);
            device.and_then(|_| self.cursors.get(&key).copied()).unwrap_or_default()
        };
        let (cursor, read) = (cursor(Mark::Received, device.flatten()), cursor(Mark::Read, None));
        let name = log.topic_name();
        let volatile =
            name.as_ref().and_then(|name| self.topics.get(name)).is_some_and(|topic| topic.rules.volatile);
        let since = name.map_or(Version::ZERO, |name| self.since(&name, user));
        let first = bounds.first.max(since.next());
        LogState { first, head: bounds.head, cursor, read, volatile, since, log }
    }

    /// Nothing of the log is left.
    pub(super) fn empty(&mut self, log: &LogName) {
        if let Some(log) = self.logs.get_mut(log) {
            log.taken += log.entries.len() as u64;
            log.entries.clear();
        }
    }

    pub fn move_cursor(&mut self, to: &CursorMove) -> Version {
        let head = self.bounds(&to.log).head;
        let key = (to.user.clone(), to.device.clone(), to.log.clone(), to.mark);
        let stood = self.cursors.get(&key).copied().unwrap_or_default();
        let version = to.version.min(head);
        if version > stood {
            self.cursors.insert(key, version);
        }
        stood
    }

    pub fn logs(&self, after: Option<&LogName>, limit: usize) -> Vec<LogName> {
        let with_entries = self.logs.iter().filter(|(_, log)| log.head() > Version(0));
        after_name(with_entries.map(|(name, _)| name), after, limit)
    }

    pub fn cursors_of(&self, user: &UserId) -> Vec<CursorMove> {
        let of_user = self.cursors.iter().filter(|((of, ..), _)| of == user);
        of_user
            .map(|((user, device, log, mark), version)| CursorMove {
                user: user.clone(),
                device: device.clone(),
                log: log.clone(),
                mark: *mark,
                version: *version,
            })
            .collect()
    }

    pub fn restore(&mut self, thing: &Restored) -> Result<(), StoreError> {
        match thing {
            Restored::Account(account) => self.restore_account(account)?,
            Restored::Topic(topic) => self.restore_topic(topic)?,
            Restored::Relation(topic, user, relation) => self.restore_relation(topic, user, relation)?,
            Restored::Entry(name, entry) => {
                let log = self.logs.entry(name.clone()).or_default();
                if entry.version == log.head().next() {
                    log.push(entry.time, &entry.content, false);
                } else if entry.version > log.taken_version() && !log.entries.contains(entry) {
                    return Err(in_the_way());
                }
            }
            Restored::First(name, first) => {
                let log = self.logs.entry(name.clone()).or_default();
                if log.head() == Version(0) {
                    log.taken = first.0.saturating_sub(1);
                } else if log.head() < *first && log.first() < *first {
                    return Err(in_the_way());
                } else {
                    log.trim(*first);
                }
            }
            Restored::Cursor(cursor) => {
                self.move_cursor(cursor);
            }
        }
        Ok(())
    }
}

/// Sender and recipient of a p2p message.
fn people(content: &Content<'_>) -> Option<[UserId; 2]> {
    Some([UserId::new(content.sender).ok()?, UserId::new(content.to?).ok()?])
}

impl Log {
    fn taken_version(&self) -> Version {
        Version(self.taken)
    }
}

pub(super) fn in_the_way() -> StoreError {
    StoreError::Unwritable("something else is in the store".to_owned())
}

fn is_over(dedupe: Option<Duration>, taken: Time, now: Time) -> bool {
    dedupe.is_some_and(|dedupe| u128::from(now.0.saturating_sub(taken.0)) >= dedupe.as_millis())
}

pub(super) fn after_name<'a, N: Ord + Clone + 'a>(
    names: impl Iterator<Item = &'a N>,
    after: Option<&N>,
    limit: usize,
) -> Vec<N> {
    names.filter(|name| after.is_none_or(|after| *name > after)).take(limit).cloned().collect()
}
