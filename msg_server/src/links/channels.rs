//! The system channels: their subscribers' links, and what is published to them. What each subscriber was told and has
//! confirmed is the [`Roster`]'s.

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use mesh::link::{Greeting, LinkId};
use mesh::outbox::{NotQueued, Outbox, Turn};
use parking_lot::Mutex;
use protocol::channel::{self, Channel};
use protocol::ids::LogName;
use protocol::link::Confirm;
use protocol::ownership;

use super::roster::{self, Roster, SessionRow};
use crate::client::session::Session;
use crate::follow::followed::FollowedLog;

/// All subscribers, and the state of the channels that have one.
#[derive(Default)]
pub(crate) struct Channels {
    /// In the order of their ids. For what is published per message: read without a lock.
    subscribers: ArcSwap<Vec<Arc<Subscriber>>>,
    roster: Mutex<Roster<Arc<FollowedLog>>>,
}

/// One process that has linked to us.
pub(crate) struct Subscriber {
    pub id: LinkId,
    pub greeting: Greeting,
    pub outbox: Arc<Outbox>,
    channels: channel::Channels,
}

/// What became of a volatile message on its way to a router.
pub(crate) struct Queued {
    /// The router's queue.
    pub router: Arc<Outbox>,
    /// It did not fit.
    pub dropped: bool,
}

/// The router that serves a log.
fn router_of<'a>(log: &LogName, subscribers: &'a [Arc<Subscriber>]) -> Option<&'a Arc<Subscriber>> {
    let routers = || subscribers.iter().filter(|subscriber| subscriber.is_router());
    let mut some = routers();
    match (some.next(), some.next()) {
        (only, None) => only,
        _ => ownership::owner(log, routers(), |router| &router.greeting.uuid),
    }
}

/// What confirmations have brought about.
pub(crate) type Confirmed = roster::Confirmed<Arc<FollowedLog>>;

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
    ) -> Confirmed {
        let mut roster = self.roster.lock();
        let mut subscribers = Vec::clone(&self.subscribers.load());
        let mut channels = channel::Channels::default();
        if let Some(index) = subscribers.iter().position(|subscriber| subscriber.id == id) {
            channels = subscribers.remove(index).channels;
        }
        channels.insert(channel);
        let subscriber =
            Arc::new(Subscriber { id, greeting: greeting.clone(), outbox: Arc::clone(outbox), channels });
        let confirmed =
            roster.subscribe(id, &greeting.uuid, channel, &mut |_, frame| subscriber.push(frame, turn));
        let place = subscribers.partition_point(|other| other.id < id);
        subscribers.insert(place, subscriber);
        self.subscribers.store(Arc::new(subscribers));
        confirmed
    }

    /// A link ended: nobody waits for it any more.
    pub(crate) fn unsubscribe(&self, id: LinkId) -> Confirmed {
        let mut roster = self.roster.lock();
        let mut subscribers = Vec::clone(&self.subscribers.load());
        subscribers.retain(|subscriber| subscriber.id != id);
        self.subscribers.store(Arc::new(subscribers));
        roster.unsubscribe(id)
    }

    /// A subscriber has applied everything up to a number.
    pub(crate) fn confirm(&self, id: LinkId, confirm: Confirm) -> Confirmed {
        self.roster.lock().confirm(id, confirm)
    }

    /// A session begins.
    pub(crate) fn session_begins(&self, session: &Session, turn: &mut Turn) {
        let Some(who) = session.who() else { return };
        let device = who.device.as_ref().map(ToString::to_string);
        let row = SessionRow { inbox: who.inbox.clone(), device, stamp: session.stamp() };
        let mut roster = self.roster.lock();
        roster.session_begins(session.id(), row, &mut self.tell(turn));
    }

    /// A session ends.
    pub(crate) fn session_ends(&self, session: &Session, turn: &mut Turn) {
        let mut roster = self.roster.lock();
        roster.session_ends(session.id(), &mut self.tell(turn));
    }

    /// A log is followed from now on: returns how many confirmations its feed has to wait for.
    pub(crate) fn follow(&self, followed: &Arc<FollowedLog>, turn: &mut Turn) -> usize {
        let mut roster = self.roster.lock();
        roster.follow(followed.name(), followed, &mut self.tell(turn))
    }

    /// A log is followed no longer.
    pub(crate) fn unfollow(&self, followed: &FollowedLog, turn: &mut Turn) {
        let mut roster = self.roster.lock();
        roster.unfollow(followed.name(), &mut self.tell(turn));
    }

    /// Pushes to the subscribers as they are now; to be made while the roster is locked.
    fn tell<'a>(&self, turn: &'a mut Turn) -> impl FnMut(LinkId, Bytes) + 'a {
        let subscribers = self.subscribers.load_full();
        move |link, frame| {
            if let Some(subscriber) = subscribers.iter().find(|subscriber| subscriber.id == link) {
                subscriber.push(frame, turn);
            }
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
    /// routers stay the same. Of two links of one router the later serves, which comes last.
    pub(crate) fn send(&self, log: &LogName, encode: impl FnOnce() -> Bytes, turn: &mut Turn) {
        if let Some(router) = router_of(log, &self.subscribers.load()) {
            router.push(encode(), turn);
        }
    }

    /// As [`Channels::send`], for a volatile message, which is dropped where the queue of the router is full: it never ends a link.
    /// Returns that queue.
    pub(crate) fn send_volatile(
        &self,
        log: &LogName,
        encode: impl FnOnce() -> Bytes,
        turn: &mut Turn,
    ) -> Option<Queued> {
        let subscribers = self.subscribers.load();
        let router = router_of(log, &subscribers)?;
        let dropped = matches!(router.outbox.push(encode(), turn), Err(NotQueued::Overflow { .. }));
        Some(Queued { router: Arc::clone(&router.outbox), dropped })
    }

    /// Sends news to any one router; false if there is none. The last to link is the least likely to be dead without our knowing,
    /// and of two links of one router the later serves.
    pub(crate) fn tell_router(&self, frame: Bytes, turn: &mut Turn) -> bool {
        let subscribers = self.subscribers.load();
        let router = subscribers.iter().rev().find(|subscriber| subscriber.is_router());
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
