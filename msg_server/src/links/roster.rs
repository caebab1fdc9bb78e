//! What the subscribers of the channels with state have been told, and what they have confirmed. Plain code: events in, frames
//! to send out.
//!
//! A subscriber of such a channel gets a snapshot, then numbered changes, and confirms up to which number it has applied them.
//!
//! Invariants:
//! - every subscriber hears every row exactly once, in its snapshot or as a change, and hears its end;
//! - whoever begins to follow a log waits for a confirmation from each router that was told so and has not confirmed it: once
//!   they all have, a message that is appended from then on is forwarded to us;
//! - what was published before a router had our whole state is asked for again when it has it;
//! - a router that links anew before its last link is known to be dead has one router's place, not two.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use mesh::link::LinkId;
use protocol::channel::{Channel, Channels};
use protocol::ids::LogName;
use protocol::link::{Change, Confirm, Direction, Frame};

/// The subscribers, and the rows of the channels that have a state. `F` is whoever waits for confirmations.
#[derive(Debug)]
pub struct Roster<F> {
    /// In the order of their ids: the later link of a process comes later.
    links: Vec<Subscription<F>>,
    sessions: BTreeMap<u64, SessionRow>,
    topics: BTreeSet<LogName>,
}

/// A session, as `/sysctrl/client-status` tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// The user's inbox.
    pub inbox: LogName,
    /// The device; `None` for an old client.
    pub device: Option<String>,
    /// When it logged in.
    pub stamp: u64,
}

/// What confirmations, or the end of a link, have brought about.
#[derive(Debug, PartialEq, Eq)]
pub struct Confirmed<F> {
    /// Each of them has one confirmation less to wait for.
    pub followed: Vec<F>,
    /// Something may have passed us by: everything has to be asked for again.
    pub recheck: bool,
}

#[derive(Debug)]
struct Subscription<F> {
    link: LinkId,
    uuid: String,
    channels: Channels,
    /// The number of what it was told last.
    number: u64,
    confirmed: u64,
    /// Who waits for a confirmation up to a number, in the order of the numbers.
    waiting: VecDeque<(u64, Awaited<F>)>,
}

#[derive(Debug)]
enum Awaited<F> {
    /// A followed log, to be asked for.
    Followed(F),
    /// From then on the router has what it had not when something may have been sent over it.
    Recheck,
}

#[derive(Clone, Copy)]
struct Row<'a> {
    channel: Channel,
    log: &'a LogName,
    device: Option<&'a str>,
    stamp: u64,
}

impl<F> Default for Roster<F> {
    fn default() -> Self {
        Self { links: Vec::new(), sessions: BTreeMap::new(), topics: BTreeSet::new() }
    }
}

impl<F> Default for Confirmed<F> {
    fn default() -> Self {
        Self { followed: Vec::new(), recheck: false }
    }
}

impl<F: Clone> Roster<F> {
    /// The process `uuid` subscribes to one more channel over this link: `tell` gets the snapshot.
    pub fn subscribe(
        &mut self,
        link: LinkId,
        uuid: &str,
        channel: Channel,
        tell: &mut impl FnMut(LinkId, Bytes),
    ) -> Confirmed<F> {
        let at =
            self.links.iter().position(|known| known.link == link).unwrap_or_else(|| self.enter(link, uuid));
        let subscription = &mut self.links[at];
        subscription.channels.insert(channel);
        match channel {
            Channel::ClientStatus => {
                let rows = self.sessions.values().map(SessionRow::row);
                subscription.snapshot(rows, tell);
            }
            Channel::TopicSync => {
                let rows = self.topics.iter().map(topic_row);
                subscription.snapshot(rows, tell);
            }
            Channel::Send => return self.becomes_router(at),
            _ => {}
        }
        Confirmed::default()
    }

    fn enter(&mut self, link: LinkId, uuid: &str) -> usize {
        let at = self.links.partition_point(|known| known.link < link);
        let (channels, waiting) = (Channels::default(), VecDeque::new());
        let uuid = uuid.to_owned();
        self.links.insert(at, Subscription { link, uuid, channels, number: 0, confirmed: 0, waiting });
        at
    }

    /// From now on messages are sent over it: also those of a log that was followed without waiting for this router, because
    /// it was none yet. An earlier link of the same process is waited for no longer.
    fn becomes_router(&mut self, at: usize) -> Confirmed<F> {
        let router = &mut self.links[at];
        if router.confirmed < router.number {
            router.waiting.push_back((router.number, Awaited::Recheck));
        }
        let (link, uuid) = (router.link, router.uuid.clone());
        let mut confirmed = Confirmed::default();
        for earlier in self.links.iter_mut().filter(|other| other.link < link && other.uuid == uuid) {
            confirmed.reach(std::mem::take(&mut earlier.waiting));
        }
        confirmed
    }

    /// A link ended: nobody waits for it any more. What a router had not forwarded is lost.
    pub fn unsubscribe(&mut self, link: LinkId) -> Confirmed<F> {
        let mut confirmed = Confirmed::default();
        if let Some(at) = self.links.iter().position(|known| known.link == link) {
            let gone = self.links.remove(at);
            confirmed.reach(gone.waiting);
            confirmed.recheck = gone.channels.contains(Channel::Send);
        }
        confirmed
    }

    /// A subscriber has applied everything up to a number.
    pub fn confirm(&mut self, link: LinkId, confirm: Confirm) -> Confirmed<F> {
        let mut confirmed = Confirmed::default();
        if let Some(subscription) = self.links.iter_mut().find(|known| known.link == link) {
            let upto = confirm.number.min(subscription.number);
            subscription.confirmed = subscription.confirmed.max(upto);
            let reached =
                subscription.waiting.partition_point(|(number, _)| *number <= subscription.confirmed);
            confirmed.reach(subscription.waiting.drain(..reached));
        }
        confirmed
    }

    /// A session begins, under a number that no other has; or more is known of one that has begun.
    pub fn session_begins(&mut self, session: u64, row: SessionRow, tell: &mut impl FnMut(LinkId, Bytes)) {
        self.publish(row.row(), Direction::Begin, tell);
        // In this order: the user is online all the time.
        if let Some(before) = self.sessions.insert(session, row) {
            self.publish(before.row(), Direction::End, tell);
        }
    }

    /// A session ends.
    pub fn session_ends(&mut self, session: u64, tell: &mut impl FnMut(LinkId, Bytes)) {
        if let Some(row) = self.sessions.remove(&session) {
            self.publish(row.row(), Direction::End, tell);
        }
    }

    /// A log is followed from now on, an inbox after its session began: returns how many confirmations `follower` has to wait
    /// for, and hands them over with [`Roster::confirm`] and [`Roster::unsubscribe`].
    pub fn follow(&mut self, log: &LogName, follower: &F, tell: &mut impl FnMut(LinkId, Bytes)) -> usize {
        if log.topic_name().is_some() {
            self.publish(topic_row(log), Direction::Begin, tell);
            self.topics.insert(log.clone());
        }
        let mut unconfirmed = 0;
        for at in 0..self.links.len() {
            if self.links[at].confirmed < self.links[at].number && self.is_router(at) {
                let router = &mut self.links[at];
                router.waiting.push_back((router.number, Awaited::Followed(follower.clone())));
                unconfirmed += 1;
            }
        }
        unconfirmed
    }

    /// A log is followed no longer.
    pub fn unfollow(&mut self, log: &LogName, tell: &mut impl FnMut(LinkId, Bytes)) {
        if self.topics.remove(log) {
            self.publish(topic_row(log), Direction::End, tell);
        }
    }

    /// Whether messages are sent over it: not if the same process has linked anew.
    fn is_router(&self, at: usize) -> bool {
        let sends = |link: &Subscription<F>| link.channels.contains(Channel::Send);
        let anew = |later: &Subscription<F>| sends(later) && later.uuid == self.links[at].uuid;
        sends(&self.links[at]) && !self.links[at + 1..].iter().any(anew)
    }

    fn publish(&mut self, row: Row<'_>, direction: Direction, tell: &mut impl FnMut(LinkId, Bytes)) {
        for subscription in self.links.iter_mut().filter(|link| link.channels.contains(row.channel)) {
            subscription.number += 1;
            tell(subscription.link, row.change(subscription.number, direction));
        }
    }
}

impl<F> Subscription<F> {
    /// What a channel's state is, and the number at which it is that.
    fn snapshot<'a>(&mut self, rows: impl Iterator<Item = Row<'a>>, tell: &mut impl FnMut(LinkId, Bytes)) {
        rows.for_each(|row| tell(self.link, row.change(0, Direction::Begin)));
        self.number += 1;
        self.waiting.push_back((self.number, Awaited::Recheck));
        tell(self.link, Frame::Confirm(Confirm { number: self.number }).to_bytes());
    }
}

impl<F> Confirmed<F> {
    fn reach(&mut self, waiting: impl IntoIterator<Item = (u64, Awaited<F>)>) {
        for (_, awaited) in waiting {
            match awaited {
                Awaited::Followed(follower) => self.followed.push(follower),
                Awaited::Recheck => self.recheck = true,
            }
        }
    }
}

impl SessionRow {
    fn row(&self) -> Row<'_> {
        let (device, stamp) = (self.device.as_deref(), self.stamp);
        Row { channel: Channel::ClientStatus, log: &self.inbox, device, stamp }
    }
}

fn topic_row(log: &LogName) -> Row<'_> {
    Row { channel: Channel::TopicSync, log, device: None, stamp: 0 }
}

impl Row<'_> {
    fn change(&self, number: u64, direction: Direction) -> Bytes {
        let channel = self.channel as u8;
        let change = Change {
            number,
            channel,
            direction,
            log: self.log.as_str(),
            device: self.device,
            stamp: self.stamp,
        };
        Frame::Change(change).to_bytes()
    }
}

#[cfg(test)]
mod tests;
