//! From a session's send to its answer.

use std::time::Duration;

use bytes::Bytes;
use mesh::link::LinkId;
use msg_server::append::pending::{Outgoing, Settled, Unanswered};
use protocol::code::ErrorCode;
use protocol::content::{Content, Entry};
use protocol::event::Stored as Certain;
use protocol::ids::{LogName, Time, Version};
use protocol::link::{Append, Appended, Frame, Outcome, Send, Stored};

use super::{Alarm, MsgServer};
use crate::message::{Event, Target};
use crate::net::Net;
use crate::planted::Planted;

/// How long an append may wait.
const APPEND_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes that a manager is sent before it answers: few, so that appends wait for their turn in many histories.
pub(super) const APPEND_WINDOW: usize = 256;

/// Whom an append's answer is for.
#[derive(Debug)]
pub struct Origin {
    session: LinkId,
    seq: u64,
    peer: Option<LogName>,
    content: Bytes,
}

/// What a client wants stored.
pub struct Said {
    pub(super) seq: u64,
    pub(super) id: String,
    pub(super) to: Target,
    pub(super) ballast: usize,
}

impl MsgServer {
    pub(super) fn send(&mut self, session: LinkId, said: Said, net: &mut Net) {
        let Said { seq, id, to, ballast } = said;
        let Some(sender) = self.sessions.get(&session) else { return };
        let (log, peer, recipient) = match &to {
            Target::Topic(log) => (log.clone(), None, None),
            Target::User(user) => {
                let peer = (*user != sender.user).then(|| LogName::inbox(user));
                (sender.inbox.clone(), peer, Some(user.as_str()))
            }
        };
        let text = Content::text(sender.user.as_str(), &id, recipient, &id);
        let ballast = (ballast > 0).then(|| "x".repeat(ballast));
        let content = Content { content_type: ballast.as_deref(), ..text }.to_bytes();
        self.submitted += 1;
        let ask = self.submitted;
        let append = Append { ask, log: log.as_str(), pair: recipient.is_some(), content: &content };
        let frame = Frame::Append(append).to_bytes();
        if net.has(Planted::AckedBeforeStored) {
            let version = Version(u64::from(u32::MAX) + seq);
            self.tell(session, Event::Acked { seq, log: log.clone(), version }, net);
        }
        let deadline = net.instant() + APPEND_TIMEOUT;
        self.alarms.set(net.time_of(deadline), Alarm::Expire);
        let origin = Origin { session, seq, peer, content };
        if let Some(outgoing) = self.pending.submit(ask, log, frame, origin, deadline) {
            self.send_to_manager(outgoing, net);
        }
    }

    pub(super) fn send_to_manager(&self, (link, frame): Outgoing, net: &mut Net) {
        if self.managers.iter().any(|manager| manager.link == link) {
            net.frame(self.node, link, frame);
        }
    }

    pub(super) fn appended(&mut self, link: LinkId, appended: &Appended<'_>, net: &mut Net) {
        if !self.links.get(&link).is_some_and(super::links::Link::is_manager) {
            return;
        }
        let believed = net.has(Planted::RefusalsBelieved);
        match appended.outcome {
            Outcome::Stored(stored) => {
                let settled = self.pending.answered(appended.ask);
                if let Some(append) = self.released(settled, net) {
                    self.stored(append, stored, net);
                }
            }
            Outcome::Refused { code, .. } if code == ErrorCode::Draining.number() => {
                self.manager_leaves(link, net)
            }
            Outcome::Refused { stored, .. } if believed => {
                let settled = self.pending.answered(appended.ask);
                if let Some(append) = self.released(settled, net) {
                    self.give_up(&append, stored, net);
                }
            }
            Outcome::Refused { stored, .. } => {
                let settled = self.pending.refused(appended.ask, link);
                if let Some(append) = self.released(settled, net) {
                    self.give_up(&append, append.certainty(stored), net);
                }
            }
        }
    }

    /// Sends what has its turn now; returns what was settled.
    fn released<T>(&self, (settled, released): Settled<T>, net: &mut Net) -> T {
        released.into_iter().for_each(|outgoing| self.send_to_manager(outgoing, net));
        settled
    }

    fn stored(&mut self, append: Unanswered<Origin>, stored: Stored, net: &mut Net) {
        let was_sent_again = append.certainty(Certain::No) == Certain::Maybe;
        let Unanswered { log, origin, .. } = append;
        let Origin { session, seq, peer, content } = origin;
        let version = Version(stored.version);
        self.tell(session, Event::Acked { seq, log: log.clone(), version }, net);
        if was_sent_again && net.has(Planted::DuplicatesUnpublished) {
            return;
        }
        self.spread(&log, stored.version, stored.time, &content, Some(session), net);
        if let Some(peer) = peer.filter(|_| stored.peer_version > 0) {
            self.spread(&peer, stored.peer_version, stored.time, &content, None, net);
        }
    }

    /// Publishes a stored entry for all others and pushes it to sessions here.
    fn spread(
        &mut self,
        log: &LogName,
        version: u64,
        time: u64,
        content: &Bytes,
        origin: Option<LinkId>,
        net: &mut Net,
    ) {
        self.publish(log, &Send { log: log.as_str(), version, time, content }, net);
        let entry = Entry { version: Version(version), time: Time(time), content: content.clone() };
        self.deliver(log, entry, origin, net);
    }

    pub(super) fn give_up_late_appends(&mut self, net: &mut Net) {
        let settled = self.pending.expire(net.instant());
        for append in self.released(settled, net) {
            let stored = append.stored();
            self.give_up(&append, stored, net);
        }
    }

    fn give_up(&mut self, append: &Unanswered<Origin>, stored: Certain, net: &mut Net) {
        self.orphans += u64::from(stored == Certain::Maybe);
        self.tell(append.origin.session, Event::Refused { seq: append.origin.seq, stored }, net);
    }
}
