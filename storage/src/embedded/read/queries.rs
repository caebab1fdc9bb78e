//! What the store is asked, answered from the state and the commit log.

use std::sync::Arc;

use protocol::content::{Content, Entry, Kind};
use protocol::ids::{DeviceId, LogKind, LogName, Time, UserId, Version};
use protocol::link::request::{LogBounds, LogState, Mark};

use super::Contents;
use crate::codec::{Malformed, Reader};
use crate::embedded::index::State;
use crate::embedded::state::keys::{self, Key};
use crate::embedded::state::values::{EntryRef, LogMeta, decode_number};
use crate::embedded::state::view::{View, damaged, left_something};
use crate::{Account, CursorMove, LoggedIn, OpenPair, Page, ReadRange, StoreError, TopicsOf};

/// Keys that one scan asks for where everything is wanted.
const SCAN: usize = 1_000;

/// Answers questions.
pub(crate) struct Queries {
    pub(super) state: Arc<State>,
    contents: Contents,
}

impl Queries {
    pub fn new(state: Arc<State>, contents: Contents) -> Self {
        Self { state, contents }
    }

    /// All keys and values.
    #[cfg(test)]
    pub fn all_keys(&self) -> Result<Vec<(Key, Vec<u8>)>, StoreError> {
        self.state.scan(&[0], &[u8::MAX], usize::MAX / 2)
    }

    pub fn read(&self, range: &ReadRange) -> Result<Page, StoreError> {
        // The topic first, as in `bounds_of`.
        let (revision, gone) = self.topic_of(&range.log)?;
        let Some(log) = self.state.log(range.log.as_str())? else {
            return Ok(Page { first: Version(1), revision, gone, ..Page::default() });
        };
        let (first, head) = (Version(log.first), Version(log.head));
        let mut page = Page { first, head, entries: Vec::new(), revision, gone };
        let mut bytes = 0;
        let mut next = range.after.0.saturating_add(1).max(log.first);
        let last = log.head.min(next.saturating_add(range.max_entries.max(1) as u64 - 1));
        while next <= last {
            let until = last.min(next + SCAN as u64 - 1);
            for (version, entry) in self.entries(log, next, until)? {
                bytes += entry.filter(|entry| !entry.is_stub()).map_or(0, |entry| entry.bytes as usize);
                if bytes > range.max_bytes && !page.entries.is_empty() {
                    return Ok(page);
                }
                match self.entry(log.id, version, entry)? {
                    Some(entry) => page.entries.push(entry),
                    None if self.was_taken(range, version)? => {}
                    None => page.entries.push(says_nothing(version, entry)),
                }
            }
            next = until + 1;
        }
        Ok(page)
    }

    /// Whether retention took the entry while it was being read.
    fn was_taken(&self, range: &ReadRange, version: u64) -> Result<bool, StoreError> {
        Ok(self.state.log(range.log.as_str())?.is_some_and(|now| version < now.first))
    }

    /// Where the entries of these versions lie; `None` for one that a repair of the commit log gave up.
    fn entries(
        &self,
        log: LogMeta,
        from: u64,
        until: u64,
    ) -> Result<impl Iterator<Item = (u64, Option<EntryRef>)>, StoreError> {
        let pairs = self.state.scan(&keys::entry(log.id, from), &keys::entry(log.id, until + 1), SCAN)?;
        let mut found = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            let version = keys::version_of(&key).ok_or_else(|| damaged(Malformed("a version")))?;
            found.push((version, EntryRef::decode(&value).map_err(damaged)?));
        }
        let mut found = found.into_iter().peekable();
        Ok((from..=until).map(move |version| {
            let entry = found.next_if(|(found, _)| *found == version);
            (version, entry.map(|(_, entry)| entry))
        }))
    }

    /// The entry of this version; `None` if it has no content any more.
    fn entry(&self, log: u64, version: u64, entry: Option<EntryRef>) -> Result<Option<Entry>, StoreError> {
        let Some(entry) = entry.filter(|entry| !entry.is_stub()) else { return Ok(None) };
        match self.contents.read(&entry) {
            Ok(content) => Ok(Some(Entry { version: Version(version), time: entry.time, content })),
            // Its segment may have been compacted since the index was asked: then it lies elsewhere now.
            Err(error) => match self.state.entry(log, version)? {
                Some(now) if now.position == entry.position => Err(error),
                now => self.entry(log, version, now),
            },
        }
    }

    pub fn bounds(&self, logs: &[LogName]) -> Result<Vec<LogBounds>, StoreError> {
        logs.iter().map(|log| self.bounds_of(log)).collect()
    }

    fn bounds_of(&self, log: &LogName) -> Result<LogBounds, StoreError> {
        // The revision first: a change between the two is then noticed by the next question, not missed.
        let (revision, gone) = match log.kind() {
            LogKind::Inbox(user) => (self.state.number(&keys::revision(user))?, false),
            LogKind::Topic(_) => self.topic_of(log)?,
        };
        let meta = self.state.log(log.as_str())?.unwrap_or(LogMeta::empty(0));
        Ok(LogBounds { first: Version(meta.first), head: Version(meta.head), revision, gone })
    }

    /// How many memberships of the log's topic have ended, and whether it was dissolved.
    fn topic_of(&self, log: &LogName) -> Result<(u64, bool), StoreError> {
        let LogKind::Topic(topic) = log.kind() else { return Ok((0, false)) };
        let topic = self.state.topic(topic)?;
        Ok(topic.map_or((0, false), |topic| (topic.revision, topic.dissolved)))
    }

    /// The log as somebody finds it who reads what comes after `since`; cursors are those of the user's device.
    pub(super) fn log_state(
        &self,
        log: LogName,
        volatile: bool,
        since: Version,
        cursors: Option<(&UserId, Option<&DeviceId>)>,
    ) -> Result<LogState, StoreError> {
        let (cursor, read) = match cursors {
            Some((user, device)) => {
                (self.cursor(user, device, &log, Mark::Received)?, self.cursor(user, None, &log, Mark::Read)?)
            }
            None => (Version::ZERO, Version::ZERO),
        };
        let bounds = self.bounds_of(&log)?;
        let first = bounds.first.max(since.next());
        Ok(LogState { log, first, head: bounds.head, cursor, read, volatile, since })
    }

    fn cursor(
        &self,
        user: &UserId,
        device: Option<&DeviceId>,
        log: &LogName,
        mark: Mark,
    ) -> Result<Version, StoreError> {
        let key = keys::cursor(user.as_str(), log.as_str(), mark, device.map(DeviceId::as_str));
        self.state.number(&key).map(Version)
    }

    pub fn logged_in(
        &self,
        user: &UserId,
        device: Option<&DeviceId>,
        new: bool,
    ) -> Result<LoggedIn, StoreError> {
        // The revision first, as in `bounds_of`.
        let revision = self.state.number(&keys::revision(user.as_str()))?;
        let cursors = Some((user, device));
        let TopicsOf { topics, invites } = self.relations_of(user, cursors)?;
        let mut logs = vec![self.log_state(LogName::inbox(user), false, Version::ZERO, cursors)?];
        logs.extend(topics);
        Ok(LoggedIn { logs, revision, invites, new })
    }

    /// At most `limit` names of a table after one.
    pub(super) fn names<T>(
        &self,
        table: u8,
        after: Option<&str>,
        limit: usize,
        take: impl Fn(&str, &[u8]) -> Result<Option<T>, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let after = after.map(|name| [&[table], name.as_bytes()].concat());
        self.page(&[table], after, limit, |key, value| {
            let name = std::str::from_utf8(&key[1..]).map_err(|_| damaged(Malformed("a name")))?;
            take(name, value)
        })
    }

    /// At most `limit` things of the keys that begin with `prefix` and come after a key.
    pub(super) fn page<T>(
        &self,
        prefix: &[u8],
        after: Option<Key>,
        limit: usize,
        take: impl Fn(&[u8], &[u8]) -> Result<Option<T>, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let (mut from, until) = (after.map_or(prefix.to_vec(), keys::after), keys::end_of(prefix));
        let mut taken = Vec::new();
        while taken.len() < limit {
            let pairs = self.state.scan(&from, &until, limit - taken.len())?;
            let Some((last, _)) = pairs.last() else { break };
            from = keys::after(last.clone());
            for (key, value) in &pairs {
                taken.extend(take(key, value)?);
            }
        }
        Ok(taken)
    }

    pub fn account(&self, user: &UserId) -> Result<Option<Account>, StoreError> {
        let record = self.state.record(user.as_str())?;
        if record.is_some() {
            return Ok(record);
        }
        let log = self.state.log(LogName::inbox(user).as_str())?;
        left_something(&*self.state, user, log)
    }

    pub fn accounts(&self, after: Option<&UserId>, limit: usize) -> Result<Vec<Account>, StoreError> {
        self.names(keys::RECORDS, after.map(UserId::as_str), limit, |_, record| {
            Account::decode(record).map(Some).map_err(damaged)
        })
    }

    pub fn logs(&self, after: Option<&LogName>, limit: usize) -> Result<Vec<LogName>, StoreError> {
        self.names(keys::LOGS, after.map(LogName::as_str), limit, |log, value| {
            let meta = LogMeta::decode(value).map_err(damaged)?;
            if meta.head == 0 {
                return Ok(None);
            }
            name(log.as_bytes(), LogName::new).map(Some)
        })
    }

    pub fn cursors_of(&self, user: &UserId) -> Result<Vec<CursorMove>, StoreError> {
        let prefix = keys::cursors(user.as_str());
        self.state
            .all(&prefix)?
            .iter()
            .map(|(key, value)| cursor(user, &key[prefix.len()..], value).map_err(damaged))
            .collect()
    }

    pub fn open_pairs(&self, before: Time, limit: usize) -> Result<Vec<OpenPair>, StoreError> {
        let until = keys::open(before.0, 0, 0);
        let pairs = self.state.scan(&[keys::OPEN], &until, limit)?;
        let mut open = Vec::with_capacity(pairs.len());
        for (key, _) in pairs {
            let mut reader = Reader::new(&key[1..]);
            let mut number = || reader.array("a number").map(u64::from_be_bytes).map_err(damaged);
            let (_, log, version) = (number()?, number()?, number()?);
            let entry = self.entry(log, version, self.state.entry(log, version)?)?;
            open.extend(entry.map(|entry| OpenPair { version: entry.version, content: entry.content }));
        }
        Ok(open)
    }
}

/// What is given for a version that retention did not take, but whose content is lost to damage.
fn says_nothing(version: u64, left: Option<EntryRef>) -> Entry {
    let (kind, time) = left.map_or((Kind::VOID, Time(0)), |left| (Kind::STUB, left.time));
    Entry { version: Version(version), time, content: Content { kind, ..Content::void() }.to_bytes() }
}

pub(super) fn name<T, E>(bytes: &[u8], new: impl Fn(&str) -> Result<T, E>) -> Result<T, StoreError> {
    let text = std::str::from_utf8(bytes).map_err(|_| damaged(Malformed("a name")))?;
    new(text).map_err(|_| damaged(Malformed("a name")))
}

/// A cursor from what follows the user in its key, and its value.
fn cursor(user: &UserId, key: &[u8], value: &[u8]) -> Result<CursorMove, Malformed> {
    let what = Malformed("a cursor");
    let (log, mark, device) = keys::read_cursor(key).ok_or(what)?;
    let log = LogName::new(log).map_err(|_| what)?;
    let device = device.map(DeviceId::new).transpose().map_err(|_| what)?;
    Ok(CursorMove { user: user.clone(), device, log, mark, version: Version(decode_number(value)?) })
}
