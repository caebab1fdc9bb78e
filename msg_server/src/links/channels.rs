//! The system channels: who subscribes to them, what they have been told, and what they have confirmed.
//!
//! A subscriber of a channel with state gets a snapshot, then numbered changes, and confirms up to which number it has applied
//! them. Attaching to a log waits for those confirmations: only then is it certain that a message appended from now on is
//! forwarded to us.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use mesh::link::{Greeting, LinkId};
use mesh::outbox::{Outbox, Turn};
use parking_lot::Mutex;
use protocol::channel::{self, Channel};
use protocol::ids::LogName;
use protocol::link::{Change, Confirm, Direction, Frame};
use protocol::ownership;

use crate::client::session::Session;
use crate::follow::followed::FollowedLog;

/// All subscribers, and the state of the channels that have one.
#[derive(Default)]
pub(crate) struct Channels {
    /// For what is published per message: read without a lock.
    subscribers: ArcSwap<Vec<Arc<Subscriber>>>,
    state: Mutex<State>,
}

/// One process that has linked to us.
pub(crate) struct Subscriber {
    pub id: LinkId,
    pub greeting: Greeting,
    pub outbox: Arc<Outbox>,
    channels: channel::Channels,
}

#[derive(Default)]
struct State {
    sessions: HashMap<u64, SessionRow>,
    topics: HashMap<LogName, ()>,
    told: HashMap<LinkId, Told>,
}

struct SessionRow {
    inbox: LogName,
    device: Option<String>,
    stamp: u64,
}

/// What one subscriber was told.
#[derive(Default)]
struct Told {
    number: u64,
    confirmed: u64,
    /// Followed logs, and rechecks of all (`None`), that wait for a confirmation up to a number.
    waiting: VecDeque<(u64, Option<Arc<FollowedLog>>)>,
}

impl Told {
    fn next(&mut self) -> u64 {
        self.number += 1;
        self.number
    }
}

/// What confirmations have brought about.
#[derive(Default)]
pub(crate) struct Confirmed {
    /// Each of them has one confirmation less to wait for.
    pub followed: Vec<Arc<FollowedLog>>,
    /// A router has the whole snapshot: everything has to be asked for again.
    pub recheck: bool,
}

impl Subscriber {
    fn is_router(&self) -> bool {
        self.channels.contains(Channel::Send)
    }

    fn push(&self, frame: Bytes, turn: &mut Turn) {
        if self.outbox.push(frame, turn).is_err() {
            // Never thinned: the link ends, and both sides catch up over the next one.
            self.outbox.cut(None);
        }
    }

    fn change(&self, number: u64, channel: Channel, direction: Direction, row: Row<'_>, turn: &mut Turn) {
        let change = Change {
            number,
            channel: channel as u8,
            direction,
            log: row.log.as_str(),
            device: row.device,
            stamp: row.stamp,
        };
        self.push(Frame::Change(change).to_bytes(), turn);
    }
}

#[derive(Clone, Copy)]
struct Row<'a> {
    log: &'a LogName,
    device: Option<&'a str>,
    stamp: u64,
}

impl Channels {
    /// A process subscribes to one more channel.
    pub(crate) fn subscribe(
        &self,
        id: LinkId,
        greeting: &Greeting,
        outbox: &Arc<Outbox>,
        channel: Channel,
        turn: &mut Turn,
    ) {
        let mut state = self.state.lock();
        let mut subscribers = Vec::clone(&self.subscribers.load());
        let mut channels = channel::Channels::default();
        if let Some(index) = subscribers.iter().position(|subscriber| subscriber.id == id) {
            channels = subscribers.swap_remove(index).channels;
        }
        channels.insert(channel);
        let subscriber =
            Arc::new(Subscriber { id, greeting: greeting.clone(), outbox: Arc::clone(outbox), channels });
        state.snapshot(&subscriber, channel, turn);
        subscribers.push(subscriber);
        self.subscribers.store(Arc::new(subscribers));
    }

    /// A link ended: nobody waits for it any more.
    pub(crate) fn unsubscribe(&self, id: LinkId) -> Confirmed {
        let mut state = self.state.lock();
        let mut subscribers = Vec::clone(&self.subscribers.load());
        subscribers.retain(|subscriber| subscriber.id != id);
        self.subscribers.store(Arc::new(subscribers));
        let waiting = state.told.remove(&id).map(|told| told.waiting).unwrap_or_default();
        Confirmed { followed: waiting.into_iter().filter_map(|(_, log)| log).collect(), recheck: false }
    }

    /// A subscriber has applied everything up to a number.
    pub(crate) fn confirm(&self, id: LinkId, confirm: Confirm) -> Confirmed {
        let mut state = self.state.lock();
        let mut confirmed = Confirmed::default();
        let Some(told) = state.told.get_mut(&id) else { return confirmed };
        told.confirmed = told.confirmed.max(confirm.number.min(told.number));
        while let Some((number, _)) = told.waiting.front()
            && *number <= told.confirmed
        {
            match told.waiting.pop_front() {
                Some((_, Some(log))) => confirmed.followed.push(log),
                _ => confirmed.recheck = true,
            }
        }
        confirmed
    }

    /// A session begins.
    pub(crate) fn session_begins(&self, session: &Session, turn: &mut Turn) {
        let Some(who) = session.who() else { return };
        let device = who.device.as_ref().map(ToString::to_string);
        let row = SessionRow { inbox: who.inbox.clone(), device, stamp: session.stamp() };
        let mut state = self.state.lock();
        self.tell(&mut state, Channel::ClientStatus, Direction::Begin, row.row(), turn);
        state.sessions.insert(session.id(), row);
    }

    /// A session ends.
    pub(crate) fn session_ends(&self, session: &Session, turn: &mut Turn) {
        let mut state = self.state.lock();
        if let Some(row) = state.sessions.remove(&session.id()) {
            self.tell(&mut state, Channel::ClientStatus, Direction::End, row.row(), turn);
        }
    }

    /// A log is followed from now on: returns how many confirmations its feed has to wait for.
    pub(crate) fn follow(&self, followed: &Arc<FollowedLog>, turn: &mut Turn) -> usize {
        let mut state = self.state.lock();
        let log = followed.name();
        if log.topic_name().is_some() {
            let row = Row { log, device: None, stamp: 0 };
            self.tell(&mut state, Channel::TopicSync, Direction::Begin, row, turn);
            state.topics.insert(log.clone(), ());
        }
        let mut unconfirmed = 0;
        for subscriber in self.subscribers.load().iter().filter(|subscriber| subscriber.is_router()) {
            let told = state.told.entry(subscriber.id).or_default();
            if told.confirmed < told.number {
                told.waiting.push_back((told.number, Some(Arc::clone(followed))));
                unconfirmed += 1;
            }
        }
        unconfirmed
    }

    /// A log is followed no longer.
    pub(crate) fn unfollow(&self, followed: &FollowedLog, turn: &mut Turn) {
        let mut state = self.state.lock();
        if state.topics.remove(followed.name()).is_some() {
            let row = Row { log: followed.name(), device: None, stamp: 0 };
            self.tell(&mut state, Channel::TopicSync, Direction::End, row, turn);
        }
    }

    fn tell(&self, state: &mut State, channel: Channel, direction: Direction, row: Row<'_>, turn: &mut Turn) {
        for subscriber in
            self.subscribers.load().iter().filter(|subscriber| subscriber.channels.contains(channel))
        {
            let number = state.told.entry(subscriber.id).or_default().next();
            subscriber.change(number, channel, direction, row, turn);
        }
    }

    /// Publishes a frame to everyone who subscribes to the channel.
    pub(crate) fn publish(&self, channel: Channel, frame: &Bytes, turn: &mut Turn) {
        for subscriber in
            self.subscribers.load().iter().filter(|subscriber| subscriber.channels.contains(channel))
        {
            subscriber.push(frame.clone(), turn);
        }
    }

    /// Publishes a message to the one router that serves its log: the same one for all of a log's messages, as long as the
    /// routers stay the same.
    pub(crate) fn send(&self, log: &LogName, encode: impl FnOnce() -> Bytes, turn: &mut Turn) {
        let subscribers = self.subscribers.load();
        let routers = || subscribers.iter().filter(|subscriber| subscriber.is_router());
        let mut some = routers();
        let router = match (some.next(), some.next()) {
            (only, None) => only,
            _ => ownership::owner(log, routers(), |router| &router.greeting.uuid),
        };
        if let Some(router) = router {
            router.push(encode(), turn);
        }
    }

    /// Sends news to any one router; false if there is none.
    pub(crate) fn tell_router(&self, frame: Bytes, turn: &mut Turn) -> bool {
        let subscribers = self.subscribers.load();
        let router = subscribers.iter().find(|subscriber| subscriber.is_router());
        if let Some(router) = router {
            router.push(frame, turn);
        }
        router.is_some()
    }

    /// Whether a router is linked.
    pub(crate) fn has_router(&self) -> bool {
        self.router_count() > 0
    }

    /// How many routers are linked.
    pub(crate) fn router_count(&self) -> usize {
        self.subscribers.load().iter().filter(|subscriber| subscriber.is_router()).count()
    }

    /// Ends every link, after what waits is written.
    pub(crate) fn end_links(&self) {
        self.subscribers.load().iter().for_each(|subscriber| subscriber.outbox.close(None));
    }
}

impl SessionRow {
    fn row(&self) -> Row<'_> {
        Row { log: &self.inbox, device: self.device.as_deref(), stamp: self.stamp }
    }
}

impl State {
    /// What a channel's state is, and the number at which it is that.
    fn snapshot(&mut self, subscriber: &Subscriber, channel: Channel, turn: &mut Turn) {
        match channel {
            Channel::ClientStatus => {
                for row in self.sessions.values() {
                    subscriber.change(0, channel, Direction::Begin, row.row(), turn);
                }
            }
            Channel::TopicSync => {
                for log in self.topics.keys() {
                    subscriber.change(
                        0,
                        channel,
                        Direction::Begin,
                        Row { log, device: None, stamp: 0 },
                        turn,
                    );
                }
            }
            _ => return,
        }
        let told = self.told.entry(subscriber.id).or_default();
        let number = told.next();
        told.waiting.push_back((number, None));
        subscriber.push(Frame::Confirm(Confirm { number }).to_bytes(), turn);
    }
}
