//! The order of one followed log on one msg_server: attaching, holes, repeats, catching up. Plain code: events and time in,
//! [`Steps`] out.
//!
//! Invariants:
//! - a reader is handed every entry after where it began, in version order, none twice, none left out but by a told gap;
//! - a reader that has no room for an entry is behind: pages are read for it when it has, and nothing is pushed until it is level;
//! - nothing is live before the routers have confirmed that this msg_server follows the log *and* the owner was asked after
//!   that: so whatever was appended is either in the owner's answer or pushed to us afterwards;
//! - an entry that arrives early waits, in bounded memory; what is missing is read from the log before anything later is
//!   handed on;
//! - no push is relied upon: [`Feed::recheck`] asks the owner, and what the answer shows to be missing is read.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use protocol::content::Entry;
use protocol::ids::Version;

/// Bytes of entries that may wait for those before them; what comes on top is read from the log later.
const EARLY_BYTES: usize = 1024 * 1024;

/// Own entries that are remembered for a reader that does not get to them; of what is beyond, the oldest are pushed to it.
const MOST_OWN: usize = 4096;

/// What a feed wants done.
pub trait Steps<R> {
    /// Hand the entry to the reader. False if it has no room: it is behind then, and reads it when it has.
    #[must_use]
    fn push(&mut self, reader: &R, entry: &Entry) -> bool;
    /// Tell the reader that retention took everything after `after` up to and including `upto`.
    fn gap(&mut self, reader: &R, after: Version, upto: Version);
    /// Ask the owner for the log's bounds, and answer with [`Feed::bounds`].
    fn ask(&mut self);
    /// Read entries after a version and answer with [`Feed::page`]; for a reader, when it has room.
    fn read(&mut self, whom: Whom<R>, after: Version);
    /// Call [`Feed::tick`] at that moment or soon after; at most one such moment stands at a time ([`Feed::alarm`]).
    fn wake(&mut self, at: Instant);
}

/// For whom entries are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom<R> {
    /// For everyone who is level: a hole.
    Feed,
    /// For one who is behind.
    Reader(R),
}

/// The order of one log.
#[derive(Debug)]
pub struct Feed<R> {
    hole_wait: Duration,
    /// Confirmations that are waited for before the owner may be asked.
    unconfirmed: usize,
    /// The owner is asked and has not answered.
    asking: bool,
    /// Something happened after the owner was asked: ask again.
    ask_again: bool,
    /// Every level reader has everything up to here; `None` until the owner has answered once.
    position: Option<Version>,
    /// The newest version known to exist.
    known: Version,
    /// Since when `known` is beyond `position`.
    behind_since: Option<Instant>,
    /// When [`Feed::tick`] is to be called.
    alarm: Option<Instant>,
    /// A read for the feed is under way.
    reading: bool,
    early: BTreeMap<Version, Entry>,
    early_bytes: usize,
    readers: Vec<Reader<R>>,
}

#[derive(Debug)]
struct Reader<R> {
    id: R,
    place: Place,
    /// Its own entries that were answered and that it has not come to: the answer was their delivery.
    own: BTreeSet<Version>,
}

/// Where a reader stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It has not said from where; it gets nothing durable.
    NotYet,
    /// It begins at the head that the owner's first answer tells.
    AtHead,
    /// It has everything up to here, and what follows is pushed.
    Level(Version),
    /// It has everything up to here, and pages are read for it.
    Behind(Version),
}

/// From where a reader wants a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// It will say later ([`Feed::resume`]).
    Later,
    /// From what is newest when that is known.
    Head,
    /// Everything after this version.
    After(Version),
}

impl<R: Clone + PartialEq> Feed<R> {
    /// A feed that waits for `unconfirmed` confirmations before it asks; `hole_wait` is how long an early entry waits before
    /// what is missing counts as a hole.
    pub fn new(hole_wait: Duration, unconfirmed: usize, steps: &mut impl Steps<R>) -> Self {
        let mut feed = Self {
            hole_wait,
            unconfirmed,
            asking: false,
            ask_again: false,
            position: None,
            known: Version::ZERO,
            behind_since: None,
            alarm: None,
            reading: false,
            early: BTreeMap::new(),
            early_bytes: 0,
            readers: Vec::new(),
        };
        if unconfirmed == 0 {
            feed.recheck(steps);
        }
        feed
    }

    /// One router has confirmed that it knows of us, or is gone.
    pub fn confirmed(&mut self, steps: &mut impl Steps<R>) {
        self.unconfirmed = self.unconfirmed.saturating_sub(1);
        if self.unconfirmed == 0 && self.position.is_none() && !self.asking {
            self.recheck(steps);
        }
    }

    /// Something may have been missed: ask the owner, after any question that is under way.
    pub fn recheck(&mut self, steps: &mut impl Steps<R>) {
        if self.unconfirmed > 0 {
            return;
        }
        if std::mem::replace(&mut self.asking, true) {
            self.ask_again = true;
        } else {
            steps.ask();
        }
    }

    /// The owner's answer: the log's newest version.
    pub fn bounds(&mut self, head: Version, now: Instant, steps: &mut impl Steps<R>) {
        self.asking = false;
        if std::mem::take(&mut self.ask_again) {
            self.recheck(steps);
        }
        if self.position.is_none() {
            self.go_live(head, now, steps);
        } else {
            self.learn(head, now, steps);
        }
    }

    fn go_live(&mut self, head: Version, now: Instant, steps: &mut impl Steps<R>) {
        self.position = Some(head);
        self.known = self.known.max(head);
        for reader in &mut self.readers {
            match reader.place {
                Place::NotYet => {}
                Place::AtHead => reader.stand_at(head),
                Place::Level(at) | Place::Behind(at) => reader.start(at, head, steps),
            }
        }
        self.drain_early(now, steps);
    }

    /// An entry came: from this msg_server's own append (then `origin` is the session that sent it, for which its answer is
    /// the delivery) or from a router.
    pub fn arrived(&mut self, entry: Entry, origin: Option<R>, now: Instant, steps: &mut impl Steps<R>) {
        let version = entry.version;
        if let Some(sender) = self.readers.iter_mut().find(|reader| origin.as_ref() == Some(&reader.id)) {
            sender.sent(version);
        }
        match self.position {
            // A repeat; or our own append, read from the log before its answer came.
            Some(position) if version <= position => {}
            Some(position) if version == position.next() => {
                self.hand_on(&entry, steps);
                self.drain_early(now, steps);
            }
            _ => {
                self.keep_early(entry);
                self.learn(version, now, steps);
            }
        }
    }

    /// A page read for the feed or for a reader: entries without a hole among them, and the head at that moment.
    pub fn page(
        &mut self,
        whom: Whom<R>,
        entries: &[Entry],
        head: Version,
        now: Instant,
        steps: &mut impl Steps<R>,
    ) {
        match whom {
            Whom::Feed => self.page_for_all(entries, head, now, steps),
            Whom::Reader(id) => self.page_for_reader(&id, entries, steps),
        }
        self.learn(head, now, steps);
    }

    /// The reader joined after this version, and sees nothing up to it: that is no gap. To be told before the page that it is
    /// known from.
    pub fn begins_after(&mut self, id: &R, since: Version) {
        if let Some(reader) = self.readers.iter_mut().find(|reader| reader.id == *id)
            && let Place::Behind(at) = &mut reader.place
        {
            *at = since.max(*at);
        }
    }

    fn page_for_all(&mut self, entries: &[Entry], head: Version, now: Instant, steps: &mut impl Steps<R>) {
        self.reading = false;
        for entry in entries {
            let Some(position) = self.position else { return };
            if entry.version <= position {
                continue;
            }
            if entry.version > position.next() {
                self.skip_to(Version(entry.version.0 - 1), steps);
            }
            self.hand_on(entry, steps);
        }
        self.known = self.known.max(head);
        self.drain_early(now, steps);
        if self.behind_since.is_some() && !entries.is_empty() {
            self.read_hole(steps);
        }
    }

    fn page_for_reader(&mut self, id: &R, entries: &[Entry], steps: &mut impl Steps<R>) {
        let position = self.position.unwrap_or(Version::ZERO);
        let Some(reader) = self.readers.iter_mut().find(|reader| reader.id == *id) else { return };
        let Place::Behind(mut at) = reader.place else { return };
        for entry in entries {
            if entry.version <= at {
                continue;
            }
            let before = Version(entry.version.0 - 1);
            if before > at {
                steps.gap(&reader.id, at, before);
                at = before;
            }
            if !reader.hand(entry, steps) {
                break;
            }
            at = entry.version;
        }
        reader.start(at, position, steps);
    }

    /// Time passed: a hole that has waited long enough is read.
    pub fn tick(&mut self, now: Instant, steps: &mut impl Steps<R>) {
        self.alarm = self.alarm.filter(|alarm| *alarm > now);
        match self.behind_since {
            Some(since) if now >= since + self.hole_wait => self.read_hole(steps),
            Some(since) => self.set_alarm(since + self.hole_wait, steps),
            None => {}
        }
    }

    /// When [`Feed::tick`] is to be called, if that is wanted.
    pub fn alarm(&self) -> Option<Instant> {
        self.alarm
    }

    /// One that stands rings earlier, and looks then.
    fn set_alarm(&mut self, at: Instant, steps: &mut impl Steps<R>) {
        if self.alarm.is_none() {
            self.alarm = Some(at);
            steps.wake(at);
        }
    }

    /// A reader comes.
    pub fn join(&mut self, id: R, from: From, steps: &mut impl Steps<R>) {
        self.readers.push(Reader { id: id.clone(), place: Place::NotYet, own: BTreeSet::new() });
        self.resume(&id, from, steps);
    }

    /// A reader says from where; a second time changes nothing.
    pub fn resume(&mut self, id: &R, from: From, steps: &mut impl Steps<R>) {
        let position = self.position;
        let Some(reader) = self.readers.iter_mut().find(|reader| reader.id == *id) else { return };
        if reader.place != Place::NotYet {
            return;
        }
        match (from, position) {
            (From::Later, _) => {}
            (From::Head, None) => reader.place = Place::AtHead,
            (From::Head, Some(position)) => reader.place = Place::Level(position),
            (From::After(at), None) => reader.place = Place::Behind(at),
            (From::After(at), Some(position)) => reader.start(at, position, steps),
        }
    }

    /// A reader goes. True if it was the last one.
    pub fn leave(&mut self, id: &R) -> bool {
        self.readers.retain(|reader| reader.id != *id);
        self.readers.is_empty()
    }

    /// All who read the log, wherever they stand: for what is volatile.
    pub fn readers(&self) -> impl Iterator<Item = &R> {
        self.readers.iter().map(|reader| &reader.id)
    }

    /// Whether the owner has answered once, and nothing known is missing.
    pub fn is_level(&self) -> bool {
        self.position.is_some_and(|position| position >= self.known)
            && self.readers.iter().all(|reader| !matches!(reader.place, Place::Behind(_)))
    }

    /// Up to where level readers have everything.
    pub fn position(&self) -> Option<Version> {
        self.position
    }

    fn hand_on(&mut self, entry: &Entry, steps: &mut impl Steps<R>) {
        self.position = Some(entry.version);
        let before = Version(entry.version.0 - 1);
        for reader in &mut self.readers {
            if reader.place != Place::Level(before) {
                continue;
            }
            if reader.hand(entry, steps) {
                reader.place = Place::Level(entry.version);
            } else {
                reader.start(before, entry.version, steps);
            }
        }
    }

    fn skip_to(&mut self, upto: Version, steps: &mut impl Steps<R>) {
        self.position = Some(upto);
        for reader in &mut self.readers {
            if let Place::Level(at) = reader.place
                && at < upto
            {
                steps.gap(&reader.id, at, upto);
                reader.stand_at(upto);
            }
        }
    }

    fn drain_early(&mut self, now: Instant, steps: &mut impl Steps<R>) {
        while let (Some(position), Some(first)) = (self.position, self.early.first_entry()) {
            if *first.key() > position.next() {
                break;
            }
            let early = first.remove();
            self.early_bytes -= early.weight();
            if early.version > position {
                self.hand_on(&early, steps);
            }
        }
        self.behind_since = None;
        self.learn(self.known, now, steps);
    }

    fn keep_early(&mut self, entry: Entry) {
        let weight = entry.weight();
        if self.early_bytes + weight <= EARLY_BYTES && !self.early.contains_key(&entry.version) {
            self.early_bytes += weight;
            self.early.insert(entry.version, entry);
        }
    }

    /// A version is known to exist: if it is beyond us, a hole begins to be waited for.
    fn learn(&mut self, version: Version, now: Instant, steps: &mut impl Steps<R>) {
        self.known = self.known.max(version);
        let behind = self.position.is_some_and(|position| position < self.known);
        if behind && self.behind_since.is_none() {
            self.behind_since = Some(now);
            self.set_alarm(now + self.hole_wait, steps);
        }
    }

    fn read_hole(&mut self, steps: &mut impl Steps<R>) {
        if let Some(position) = self.position
            && !std::mem::replace(&mut self.reading, true)
        {
            steps.read(Whom::Feed, position);
        }
    }
}

impl<R: Clone> Reader<R> {
    /// Hands an entry to it, unless that is its own. False if it has no room.
    fn hand(&mut self, entry: &Entry, steps: &mut impl Steps<R>) -> bool {
        self.own.remove(&entry.version) || steps.push(&self.id, entry)
    }

    /// Stands at `at` while level readers stand at `position`.
    fn start(&mut self, at: Version, position: Version, steps: &mut impl Steps<R>) {
        if at < position {
            self.place = Place::Behind(at);
            steps.read(Whom::Reader(self.id.clone()), at);
        } else {
            self.stand_at(at);
        }
    }

    /// Has everything up to there, and is level.
    fn stand_at(&mut self, at: Version) {
        self.place = Place::Level(at);
        self.own = self.own.split_off(&at.next());
    }

    /// An entry of its own was answered: it is left out when it comes.
    fn sent(&mut self, version: Version) {
        let at = match self.place {
            Place::NotYet => return,
            Place::AtHead => Version::ZERO,
            Place::Level(at) | Place::Behind(at) => at,
        };
        if at < version {
            self.own.insert(version);
        }
        if self.own.len() > MOST_OWN {
            self.own.pop_first();
        }
    }
}

#[cfg(test)]
mod tests;
