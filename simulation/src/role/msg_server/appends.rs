//! From a session's send to its answer.

use std::time::Duration;

use bytes::Bytes;
use mesh::link::LinkId;
use msg_server::append::pending::{GivenUp, Outgoing, Settled, Unanswered};
use protocol::code::ErrorCode;
use protocol::content::{Content, Entry};
use protocol::event::Stored as Certain;
use protocol::ids::{LogName, Time, Version};
use protocol::link::{Append, Appended, Confirm, Frame, Outcome, Send, Stored};

use super::{Alarm, MsgServer};
use crate::message::{Event, Target};
use crate::net::Net;
use crate::planted::Planted;

/// How long an append may wait.
const APPEND_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes that a manager is sent before it answers: few, so that appends wait for their turn in many histories.
pub(super) const APPEND_WINDOW: usize = 256;

/// Whom an append's answer is for.
#[derive(Debug, Clone)]
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
            Outcome::Refused { code, .. } if code == ErrorCode::Busy.number() => {
                self.confirm_refusal(link, net);
                self.refused(link, appended, net);
            }
            Outcome::Refused { .. } => self.refused(link, appended, net),
        }
    }

    fn refused(&mut self, link: LinkId, appended: &Appended<'_>, net: &mut Net) {
        let Outcome::Refused { stored, .. } = appended.outcome else { return };
        let believed = net.has(Planted::RefusalsBelieved);
        let settled = match believed {
            true => self.pending.answered(appended.ask),
            false => self.pending.refused(appended.ask, link),
        };
        if let Some(append) = self.released(settled, net) {
            let stored = if believed { stored } else { append.certainty(stored) };
            self.give_up(&append.origin, stored, net);
        }
    }

    /// Sends what has its turn now; returns what was settled.
    fn released<T>(&self, (settled, released): Settled<T>, net: &mut Net) -> T {
        released.into_iter().for_each(|outgoing| self.send_to_manager(outgoing, net));
        settled
    }

    fn confirm_refusal(&mut self, link: LinkId, net: &mut Net) {
        if let Some(refused) = self.links.get_mut(&link) {
            refused.refusals += 1;
            let confirm = Confirm { number: refused.refusals };
            net.frame(self.node, link, Frame::Confirm(confirm).to_bytes());
        }
    }

    fn stored(&mut self, append: Unanswered<Origin>, stored: Stored, net: &mut Net) {
        let was_sent_again = append.certainty(Certain::No) == Certain::Maybe;
        let Unanswered { log, origin, given_up, .. } = append;
        let Origin { session, seq, peer, content } = origin;
        let version = Version(stored.version);
        if given_up && net.has(Planted::LateAnswersIgnored) {
            return;
        }
        if !given_up {
            self.tell(session, Event::Acked { seq, log: log.clone(), version }, net);
        }
        if was_sent_again && net.has(Planted::DuplicatesUnpublished) {
            return;
        }
        // Whoever was told that it may not be stored is pushed it like everybody else.
        let origin = Some(session).filter(|_| !given_up);
        self.spread(&log, stored.version, stored.time, &content, origin, net);
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
        let awaited = self.pending.late();
        let settled = self.pending.expire(net.instant());
        let given_up = self.released(settled, net);
        let maybe = given_up.iter().filter(|given_up| given_up.stored == Certain::Maybe).count();
        self.orphans += (awaited + maybe - self.pending.late()) as u64;
        for GivenUp { origin, stored } in given_up {
            self.tell(origin.session, Event::Refused { seq: origin.seq, stored }, net);
        }
    }

    fn give_up(&mut self, origin: &Origin, stored: Certain, net: &mut Net) {
        self.orphans += u64::from(stored == Certain::Maybe);
        self.tell(origin.session, Event::Refused { seq: origin.seq, stored }, net);
    }
}
