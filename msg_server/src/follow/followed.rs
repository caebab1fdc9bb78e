//! A followed log: its feed, and the sessions that it is delivered to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use mesh::outbox::Turn;
use parking_lot::Mutex;
use protocol::content::{Content, Entry};
use protocol::event::{self, Dialect};
use protocol::ids::{LogKind, LogName, TopicName, Version};

use super::ends::Ends;
use super::feed::{Feed, From, Steps, Whom};
use crate::client::session::{Offered, Session};
use crate::server::{Server, count};

/// No count of membership changes.
const UNSEEN: u64 = u64::MAX;

/// A log that at least one session here follows.
pub struct FollowedLog {
    /// No other has it, also none of the same name at another time.
    number: u64,
    name: LogName,
    /// For an inbox: the count of membership changes that its sessions have seen. For a topic: the count of ended memberships
    /// that was heard and needs no look.
    revision: AtomicU64,
    ends: Mutex<Ends>,
    state: Mutex<State>,
}

enum State {
    /// Nobody has joined yet.
    New,
    /// It is followed.
    Followed(Feed<Arc<Session>>),
    /// The last reader went: it is out of the table, and whoever still holds it looks there again.
    Ended,
}

/// A page that a feed wants read, once its lock is free.
type Wanted = (Whom<Arc<Session>>, Version);

impl FollowedLog {
    pub(super) fn new(name: LogName) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let (revision, ends) = (AtomicU64::new(UNSEEN), Mutex::default());
        Self { number, name, revision, ends, state: Mutex::new(State::New) }
    }

    /// The log's name.
    pub fn name(&self) -> &LogName {
        &self.name
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Remembers how many membership changes were seen; the count before, if one was.
    pub(crate) fn see_revision(&self, revision: u64) -> Option<u64> {
        Some(self.revision.swap(revision, Ordering::Relaxed)).filter(|before| *before != UNSEEN)
    }

    /// An answer counts the topic's ended memberships: the topic, if somebody has to look who went.
    pub(super) fn hears_of_ends(&self, count: u64) -> Option<TopicName> {
        // Asked for each message: without a lock, as long as nobody goes.
        if self.revision.load(Ordering::Relaxed) == count {
            return None;
        }
        let mut ends = self.ends.lock();
        if ends.heard(count) {
            return self.name.topic_name();
        }
        if ends.is_settled() {
            self.revision.store(count, Ordering::Relaxed);
        }
        None
    }

    /// News of the `count`th membership that ended.
    pub(crate) fn told_of_end(&self, count: u64) {
        self.ends.lock().told(count);
    }

    pub(super) fn is_settled(&self) -> bool {
        self.ends.lock().is_settled()
    }

    pub(super) fn ends_heard(&self) -> u64 {
        self.ends.lock().count()
    }

    pub(super) fn looked_at_readers(&self, count: u64) {
        self.ends.lock().looked(count);
    }

    /// The sessions that read it.
    pub(crate) fn readers(&self) -> Vec<Arc<Session>> {
        match &*self.state.lock() {
            State::Followed(feed) => feed.readers().cloned().collect(),
            State::New | State::Ended => Vec::new(),
        }
    }

    /// Runs `act` on the feed, if the log is still followed, and does what follows from it.
    pub(crate) fn with(
        self: &Arc<Self>,
        server: &Arc<Server>,
        turn: &mut Turn,
        act: impl FnOnce(&mut Feed<Arc<Session>>, &mut Delivery<'_>),
    ) -> bool {
        let mut delivery = Delivery::new(server, self, turn);
        let followed = match &mut *self.state.lock() {
            State::Followed(feed) => {
                act(feed, &mut delivery);
                true
            }
            State::New | State::Ended => false,
        };
        let wanted = delivery.wanted;
        self.read_wanted(server, wanted);
        followed
    }

    /// A reader joins. False if the log ended meanwhile: look it up again.
    fn join(
        self: &Arc<Self>,
        server: &Arc<Server>,
        session: &Arc<Session>,
        from: From,
        turn: &mut Turn,
    ) -> bool {
        let mut delivery = Delivery::new(server, self, turn);
        let mut state = self.state.lock();
        if let State::New = *state {
            let unconfirmed = server.channels.follow(self, delivery.turn);
            let feed = Feed::new(server.config.hole_wait, unconfirmed, &mut delivery);
            *state = State::Followed(feed);
        }
        let State::Followed(feed) = &mut *state else { return false };
        // Two tasks may have found at once that it does not read the log yet.
        if feed.readers().any(|reader| reader == session) {
            feed.resume(session, from, &mut delivery);
        } else {
            feed.join(Arc::clone(session), from, &mut delivery);
        }
        drop(state);
        let wanted = delivery.wanted;
        self.read_wanted(server, wanted);
        true
    }

    /// A reader goes; the last one ends the following.
    fn leave(self: &Arc<Self>, server: &Arc<Server>, session: &Arc<Session>, turn: &mut Turn) {
        let mut state = self.state.lock();
        let State::Followed(feed) = &mut *state else { return };
        if feed.leave(session) {
            if let Some(at) = feed.alarm() {
                server.waker.remove(at, self);
            }
            server.asker.remove(self);
            *state = State::Ended;
            // In this order: whoever follows the same log anew, once it is out of the table, is told after our end.
            server.channels.unfollow(self, turn);
            server.followed.remove(self);
        }
    }

    fn read_wanted(self: &Arc<Self>, server: &Arc<Server>, wanted: Vec<Wanted>) {
        for (whom, after) in wanted {
            server.shutdown.spawn(Arc::clone(server).read_for(Arc::clone(self), whom, after));
        }
    }
}

impl Server {
    /// The session reads the log from there on.
    pub(crate) fn follow(
        self: &Arc<Self>,
        session: &Arc<Session>,
        log: &LogName,
        from: From,
        turn: &mut Turn,
    ) {
        let followed = loop {
            let followed = self.followed.get_or_insert(log);
            if session.state().logs.contains(&followed) {
                followed.with(self, turn, |feed, steps| feed.resume(session, from, steps));
                return;
            }
            if followed.join(self, session, from, turn) {
                break followed;
            }
        };
        let mut state = session.state();
        if state.ended {
            drop(state);
            followed.leave(self, session, turn);
        } else {
            state.logs.insert(followed);
        }
    }

    /// The session reads the log no longer.
    pub(crate) fn unfollow(self: &Arc<Self>, session: &Arc<Session>, log: &str, turn: &mut Turn) {
        let Some(followed) = self.followed.get(log) else { return };
        if session.state().logs.remove(&followed) {
            followed.leave(self, session, turn);
        }
    }

    /// The connection ended: nothing is delivered to it any more.
    pub(crate) fn session_ended(self: &Arc<Self>, session: &Arc<Session>, turn: &mut Turn) {
        let (logs, announced) = {
            let mut state = session.state();
            state.ended = true;
            (std::mem::take(&mut state.logs), state.announced)
        };
        session.has_room();
        for followed in logs {
            followed.leave(self, session, turn);
        }
        self.sessions.leave(session);
        if announced {
            self.channels.session_ends(session, turn);
        }
        self.settle_marks(session);
    }

    /// A durable entry is there: `origin` is the session whose answer is its delivery. Of a topic, `ends` counts its ended
    /// memberships.
    pub(crate) fn deliver(
        self: &Arc<Self>,
        log: &LogName,
        entry: Entry,
        ends: u64,
        origin: Option<Arc<Session>>,
        turn: &mut Turn,
    ) {
        if let Some(followed) = self.followed.get(log.as_str()) {
            if let LogKind::Topic(_) = log.kind() {
                self.heard_of_ends(&followed, ends);
            }
            followed.with(self, turn, |feed, steps| feed.arrived(entry, origin, Instant::now(), steps));
        }
    }

    /// A volatile message is there, for everyone here who reads the log but its sender.
    pub(crate) fn deliver_volatile(
        self: &Arc<Self>,
        log: &str,
        content: &Content<'_>,
        origin: Option<&Arc<Session>>,
        turn: &mut Turn,
    ) {
        let Some(followed) = self.followed.get(log) else { return };
        let State::Followed(feed) = &*followed.state.lock() else { return };
        let mut frames = Frames::default();
        for session in feed.readers().filter(|session| Some(*session) != origin) {
            let frame =
                frames.of(session.dialect(), || event::volatile(session.dialect(), &followed.name, content));
            if let Some(frame) = frame {
                count(&self.figures.deliveries);
                session.push_volatile(frame, turn);
            }
        }
    }
}

/// One message's frames, made at most once for each dialect.
#[derive(Default)]
struct Frames {
    old: Option<Option<Bytes>>,
    new: Option<Option<Bytes>>,
}

impl Frames {
    fn of(&mut self, dialect: Dialect, make: impl FnOnce() -> Option<Bytes>) -> Option<Bytes> {
        let slot = match dialect {
            Dialect::Old => &mut self.old,
            Dialect::New => &mut self.new,
        };
        slot.get_or_insert_with(make).clone()
    }
}

/// Carries out what a feed decides: all of it at once, but for pages, which are read when the feed's lock is free.
pub(crate) struct Delivery<'a> {
    server: &'a Server,
    log: &'a Arc<FollowedLog>,
    turn: &'a mut Turn,
    version: Version,
    frames: Frames,
    wanted: Vec<Wanted>,
}

impl<'a> Delivery<'a> {
    fn new(server: &'a Server, log: &'a Arc<FollowedLog>, turn: &'a mut Turn) -> Self {
        Self { server, log, turn, version: Version::ZERO, frames: Frames::default(), wanted: Vec::new() }
    }
}

impl Steps<Arc<Session>> for Delivery<'_> {
    fn push(&mut self, reader: &Arc<Session>, entry: &Entry) -> bool {
        if self.version != entry.version {
            self.version = entry.version;
            self.frames = Frames::default();
        }
        let dialect = reader.dialect();
        let mut offered = Offered::Queued;
        if let Some(frame) = self.frames.of(dialect, || event::pushed(dialect, &self.log.name, entry, None)) {
            offered = reader.offer(frame, self.turn);
        }
        if offered == Offered::Queued {
            count(&self.server.figures.deliveries);
        }
        // What a connection that is ending does not take any more is still missed.
        if offered == Offered::Queued
            && dialect == Dialect::Old
            && matches!(self.log.name.kind(), LogKind::Topic(_))
        {
            reader.note_queued(&self.log.name, entry.version);
        }
        offered != Offered::Full
    }

    fn gap(&mut self, reader: &Arc<Session>, after: Version, upto: Version) {
        if reader.dialect() == Dialect::New {
            reader.push(event::gap(&self.log.name, after, upto, None), self.turn);
        }
    }

    fn ask(&mut self) {
        self.server.asker.add(self.log);
    }

    fn read(&mut self, whom: Whom<Arc<Session>>, after: Version) {
        self.wanted.push((whom, after));
    }

    fn wake(&mut self, at: Instant) {
        self.server.waker.add(at, self.log);
    }
}
