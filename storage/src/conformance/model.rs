//! The promises of a store in the plainest form: lists and maps, nothing on disk.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use bytes::Bytes;
use protocol::content::{Content, Entry};
use protocol::ids::{DeviceId, LogKind, LogName, Time, TopicName, UserId, Version};
use protocol::link::request::{LogBounds, LogState, Mark};

use crate::{
    Append, AppendError, Appended, CursorMove, LoggedIn, Membership, OpenPair, Page, ReadRange, Restored,
    StoreError, Topic, TopicError,
};

/// Bytes that a content may have.
const LIMIT: usize = 16 << 20;

type CursorKey = (UserId, Option<DeviceId>, LogName, Mark);

/// Everything that a store knows.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub now: Time,
    dedupe: Option<Duration>,
    logs: BTreeMap<LogName, Log>,
    accounts: BTreeSet<UserId>,
    topics: BTreeMap<TopicName, Topic>,
    members: BTreeSet<(TopicName, UserId)>,
    revisions: BTreeMap<UserId, u64>,
    cursors: HashMap<CursorKey, Version>,
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
        let reused = match known {
            Some(seen) if seen.fingerprint == parsed.fingerprint() => {
                return Ok(Appended { version: seen.version, time: seen.time, duplicate: true });
            }
            other => other.is_some(),
        };
        if let Some(topic) = message.log.topic_name() {
            self.check_topic(&topic, parsed.sender)?;
        }
        if reused {
            return Err(AppendError::IdReused);
        }
        let now = self.now;
        let log = self.logs.entry(message.log.clone()).or_default();
        let version = log.push(now, &message.content, message.open);
        Ok(Appended { version, time: now, duplicate: false })
    }

    fn check_topic(&self, topic: &TopicName, sender: &str) -> Result<(), AppendError> {
        let found = self.topics.get(topic).ok_or(AppendError::UnknownTopic)?;
        let sender = UserId::new(sender).map_err(|_| AppendError::NotAMember)?;
        if !self.members.contains(&(topic.clone(), sender)) {
            return Err(AppendError::NotAMember);
        }
        if found.volatile { Err(AppendError::VolatileTopic) } else { Ok(()) }
    }

    /// Why the message of a pair would be refused by whichever step.
    pub fn refuses_pair(&self, content: &Bytes) -> Option<AppendError> {
        let parsed = Content::parse(content).ok()?;
        let Some([sender, recipient]) = people(&parsed) else { return Some(AppendError::UnknownRecipient) };
        let known = self.known_halves(&parsed, [&sender, &recipient]);
        if known == [None, None] {
            let unknown = sender != recipient && !self.accounts.contains(&recipient);
            return unknown.then_some(AppendError::UnknownRecipient);
        }
        let reused = known.iter().flatten().any(|fingerprint| *fingerprint != parsed.fingerprint());
        reused.then_some(AppendError::IdReused)
    }

    /// Makes the account of whoever sends this, if there is none and it is no repeat.
    pub fn make_account_of(&mut self, content: &Bytes) {
        let Ok(parsed) = Content::parse(content) else { return };
        let Some([sender, recipient]) = people(&parsed) else { return };
        if self.known_halves(&parsed, [&sender, &recipient]).contains(&None) {
            self.accounts.insert(sender);
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
        let Some(log) = self.logs.get(&range.log) else {
            return Page { first: Version(1), ..Page::default() };
        };
        let mut page = Page { first: log.first(), head: log.head(), entries: Vec::new() };
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
        let revision = match name.kind() {
            LogKind::Inbox(user) => self.revisions.get(user).copied().unwrap_or(0),
            LogKind::Topic(_) => 0,
        };
        match self.logs.get(name) {
            Some(log) => LogBounds { first: log.first(), head: log.head(), revision },
            None => LogBounds { first: Version(1), head: Version(0), revision },
        }
    }

    pub fn trim(&mut self, name: &LogName, before: Version) -> Version {
        let Some(log) = self.logs.get_mut(name) else { return Version(1) };
        log.trim(before);
        log.first()
    }

    pub fn log_in(&mut self, user: &UserId, device: Option<&DeviceId>) -> LoggedIn {
        let new = self.accounts.insert(user.clone());
        let mut logs = vec![self.log_state(LogName::inbox(user), user, device)];
        let topics = self.topics_of(user);
        logs.extend(
            topics.iter().map(|(topic, _)| self.log_state(LogName::topic(&topic.name), user, device)),
        );
        LoggedIn { logs, revision: self.revisions.get(user).copied().unwrap_or(0), new }
    }

    fn log_state(&self, log: LogName, user: &UserId, device: Option<&DeviceId>) -> LogState {
        let bounds = self.bounds(&log);
        let cursor = |mark, device: Option<&DeviceId>| {
            let key = (user.clone(), device.cloned(), log.clone(), mark);
            self.cursors.get(&key).copied().unwrap_or_default()
        };
        let (cursor, read) = (cursor(Mark::Received, device), cursor(Mark::Read, None));
        let topic = log.topic_name().and_then(|topic| self.topics.get(&topic));
        let volatile = topic.is_some_and(|topic| topic.volatile);
        LogState { first: bounds.first, head: bounds.head, cursor, read, volatile, log }
    }

    pub fn create_topic(
        &mut self,
        name: TopicName,
        creator: UserId,
        volatile: bool,
    ) -> Result<Membership, TopicError> {
        if let Some(topic) = self.topics.get(&name) {
            let member = self.members.contains(&(name.clone(), creator.clone()));
            if topic.volatile != volatile || !member {
                return Err(TopicError::Exists);
            }
        } else {
            let topic = Topic { name: name.clone(), creator: creator.clone(), created: self.now, volatile };
            self.topics.insert(name.clone(), topic);
        }
        self.join_topic(name, creator, None)
    }

    pub fn join_topic(
        &mut self,
        topic: TopicName,
        user: UserId,
        device: Option<&DeviceId>,
    ) -> Result<Membership, TopicError> {
        if !self.topics.contains_key(&topic) {
            return Err(TopicError::Unknown);
        }
        let already = !self.add_member(topic.clone(), user.clone());
        Ok(Membership { log: self.log_state(LogName::topic(&topic), &user, device), already })
    }

    fn add_member(&mut self, topic: TopicName, user: UserId) -> bool {
        let new = self.members.insert((topic, user.clone()));
        if new {
            *self.revisions.entry(user).or_default() += 1;
        }
        new
    }

    pub fn leave_topic(&mut self, topic: TopicName, user: UserId) {
        if self.members.remove(&(topic, user.clone())) {
            *self.revisions.entry(user).or_default() += 1;
        }
    }

    pub fn topic(&self, topic: &TopicName) -> Option<Topic> {
        self.topics.get(topic).cloned()
    }

    pub fn is_member(&self, topic: TopicName, user: UserId) -> bool {
        self.members.contains(&(topic, user))
    }

    pub fn members(&self, topic: &TopicName, after: Option<&UserId>, limit: usize) -> Vec<UserId> {
        let of_topic = self.members.iter().filter(|(of, _)| of == topic).map(|(_, user)| user);
        of_topic.filter(|user| after.is_none_or(|after| *user > after)).take(limit).cloned().collect()
    }

    pub fn topics_of(&self, user: &UserId) -> Vec<(Topic, LogBounds)> {
        let names = self.members.iter().filter(|(_, member)| member == user).map(|(topic, _)| topic);
        names
            .filter_map(|name| Some((self.topics.get(name)?.clone(), self.bounds(&LogName::topic(name)))))
            .collect()
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

    pub fn accounts(&self, after: Option<&UserId>, limit: usize) -> Vec<UserId> {
        after_name(self.accounts.iter(), after, limit)
    }

    pub fn topics(&self, after: Option<&TopicName>, limit: usize) -> Vec<Topic> {
        let names = after_name(self.topics.keys(), after, limit);
        names.iter().filter_map(|name| self.topics.get(name).cloned()).collect()
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
            Restored::Account(user) => {
                self.accounts.insert(user.clone());
            }
            Restored::Topic(topic) => {
                let there = self.topics.entry(topic.name.clone()).or_insert_with(|| topic.clone());
                if there != topic {
                    return Err(in_the_way());
                }
            }
            Restored::Member(topic, user) => {
                self.add_member(topic.clone(), user.clone());
            }
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

fn in_the_way() -> StoreError {
    StoreError::Unwritable("something else is in the store".to_owned())
}

fn is_over(dedupe: Option<Duration>, taken: Time, now: Time) -> bool {
    dedupe.is_some_and(|dedupe| u128::from(now.0.saturating_sub(taken.0)) >= dedupe.as_millis())
}

fn after_name<'a, N: Ord + Clone + 'a>(
    names: impl Iterator<Item = &'a N>,
    after: Option<&N>,
    limit: usize,
) -> Vec<N> {
    names.filter(|name| after.is_none_or(|after| *name > after)).take(limit).cloned().collect()
}
