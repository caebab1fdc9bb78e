//! Followed logs: what their feeds want done, and what is delivered to them.

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;
use mesh::link::LinkId;
use msg_server::follow::feed::{Feed, From, Steps, Whom};
use protocol::content::Entry;
use protocol::ids::{LogName, Time, Version};
use protocol::link::Send;

use super::questions::Reading;
use super::{Alarm, Followed, Follower, HOLE_WAIT, MsgServer};
use crate::message::{Event, Message};
use crate::net::Net;
use crate::planted::Planted;

/// What a feed wants done.
enum Step {
    Push(LinkId, Entry),
    Gap(LinkId, Version, Version),
    Ask,
    Read(Whom<LinkId>, Version),
    Wake(Instant),
}

/// Collects what a feed wants done.
pub struct Collected {
    steps: Vec<Step>,
    /// How many more messages each session takes.
    room: BTreeMap<LinkId, usize>,
    /// A planted bug: what has no room counts as pushed.
    forgets: bool,
}

impl Steps<LinkId> for Collected {
    fn push(&mut self, reader: &LinkId, entry: &Entry) -> bool {
        let Some(room) = self.room.get_mut(reader) else { return true };
        if *room == 0 {
            return self.forgets;
        }
        *room -= 1;
        self.steps.push(Step::Push(*reader, entry.clone()));
        true
    }

    fn gap(&mut self, reader: &LinkId, after: Version, upto: Version) {
        self.steps.push(Step::Gap(*reader, after, upto));
    }

    fn ask(&mut self) {
        self.steps.push(Step::Ask);
    }

    fn read(&mut self, whom: Whom<LinkId>, after: Version) {
        self.steps.push(Step::Read(whom, after));
    }

    fn wake(&mut self, at: Instant) {
        self.steps.push(Step::Wake(at));
    }
}

impl MsgServer {
    /// Runs `act` on the feed, if this incarnation is still followed, and does what follows from it.
    pub(super) fn with(
        &mut self,
        follower: &Follower,
        net: &mut Net,
        act: impl FnOnce(&mut Feed<LinkId>, &mut Collected),
    ) -> bool {
        let mut steps = self.collect(net);
        let found = self.followed.get_mut(&follower.log);
        let Some(followed) = found.filter(|found| found.incarnation == follower.incarnation) else {
            return false;
        };
        act(&mut followed.feed, &mut steps);
        self.carry_out(follower, steps, net);
        true
    }

    fn carry_out(&mut self, follower: &Follower, steps: Collected, net: &mut Net) {
        let log = &follower.log;
        for step in steps.steps {
            match step {
                Step::Push(reader, entry) => self.tell(reader, Event::Push(log.clone(), entry), net),
                Step::Gap(reader, after, upto) => {
                    self.tell(reader, Event::Gap(log.clone(), after, upto), net)
                }
                Step::Ask => {
                    self.unasked.push(follower.clone());
                    self.ask_owners(net);
                }
                Step::Read(Whom::Feed, _) if net.has(Planted::HolesUnread) => {}
                Step::Read(whom, after) => self.read(Reading::new(follower.clone(), whom, after), net),
                Step::Wake(at) => self.alarms.set(net.time_of(at), Alarm::Hole(follower.clone())),
            }
        }
    }

    fn collect(&self, net: &Net) -> Collected {
        let room = |link: &LinkId| self.queue.saturating_sub(net.on_the_way(self.node, *link));
        let room = self.sessions.keys().map(|link| (*link, room(link))).collect();
        Collected { steps: Vec::new(), room, forgets: net.has(Planted::CrowdedForgotten) }
    }

    pub(super) fn tell(&self, session: LinkId, event: Event, net: &mut Net) {
        net.send(self.node, session, Message::Event(event));
    }

    /// The session reads the log from there on.
    pub(super) fn follow(&mut self, session: LinkId, log: &LogName, from: From, net: &mut Net) {
        let Some(state) = self.sessions.get_mut(&session) else { return };
        let follows_already = state.logs.contains(log);
        if !follows_already {
            state.logs.push(log.clone());
        }
        let follower = self.follower(log, net);
        self.with(&follower, net, |feed, steps| match follows_already {
            true => feed.resume(&session, from, steps),
            false => feed.join(session, from, steps),
        });
    }

    /// The log's incarnation, which is followed from now on.
    fn follower(&mut self, log: &LogName, net: &mut Net) -> Follower {
        if let Some(followed) = self.followed.get(log) {
            return Follower { log: log.clone(), incarnation: followed.incarnation };
        }
        self.incarnations += 1;
        let follower = Follower { log: log.clone(), incarnation: self.incarnations };
        let node = self.node;
        let mut unconfirmed =
            self.roster.follow(log, &follower, &mut |link, frame| net.frame(node, link, frame));
        if net.has(Planted::LiveUnconfirmed) {
            unconfirmed = 0;
        }
        let mut steps = self.collect(net);
        let feed = Feed::new(HOLE_WAIT, unconfirmed, &mut steps);
        self.followed.insert(log.clone(), Followed { incarnation: follower.incarnation, feed });
        self.carry_out(&follower, steps, net);
        follower
    }

    /// The session reads the log no longer; the last one ends the following.
    pub(super) fn leave(&mut self, session: LinkId, log: &LogName, net: &mut Net) {
        let Some(followed) = self.followed.get_mut(log) else { return };
        if followed.feed.leave(&session) {
            self.followed.remove(log);
            let node = self.node;
            self.roster.unfollow(log, &mut |link, frame| net.frame(node, link, frame));
        }
    }

    /// A durable entry is there: `origin` is the session whose answer is its delivery.
    pub(super) fn deliver(&mut self, log: &LogName, entry: Entry, origin: Option<LinkId>, net: &mut Net) {
        let Some(followed) = self.followed.get(log) else { return };
        let follower = Follower { log: log.clone(), incarnation: followed.incarnation };
        let origin = origin.filter(|_| !net.has(Planted::OwnPushed));
        let now = net.instant();
        self.with(&follower, net, |feed, steps| feed.arrived(entry, origin, now, steps));
    }

    /// A message that a router brought.
    pub(super) fn forwarded(&mut self, send: &Send<'_>, net: &mut Net) {
        let Ok(log) = LogName::new(send.log) else { return };
        let content = Bytes::copy_from_slice(send.content);
        let entry = Entry { version: Version(send.version), time: Time(send.time), content };
        self.deliver(&log, entry, None, net);
    }

    /// Something may have been missed in any log: asks for all.
    pub(super) fn recheck_all(&mut self, net: &mut Net) {
        let all: Vec<Follower> = self
            .followed
            .iter()
            .map(|(log, followed)| Follower { log: log.clone(), incarnation: followed.incarnation })
            .collect();
        for follower in all {
            self.with(&follower, net, |feed, steps| feed.recheck(steps));
        }
    }
}
