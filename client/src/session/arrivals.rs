//! What the other side sends.

use std::time::Duration;

use protocol::command::{Packet, name};
use protocol::ids::{LogName, MessageId, UserId, Version};

use super::{Action, Now, Session, Waiting};
use crate::outbox::Ticket;
use crate::request::{Answer, Request};
use crate::wire::{self, Malformed};
use crate::{Event, Mark, Message, PageItem, Reason, RequestError, SendError};

/// How long to wait where a "not now" does not say.
const RETRY: Duration = Duration::from_secs(1);

/// A refusal, as an `ERROR` says it.
struct Refusal {
    code: u16,
    message: String,
    /// `None`: the same will be refused again.
    retry: Option<Duration>,
}

impl Refusal {
    fn of(packet: &Packet<'_>) -> Self {
        let code = packet.code.or_else(|| packet.args.get(1)?.parse().ok()).unwrap_or(5000);
        let maybe_stored = packet.stored.as_deref() == Some("maybe");
        let later = packet.retry.is_some() || code >= 5000 || maybe_stored;
        let retry = later.then(|| packet.retry.map_or(RETRY, Duration::from_millis));
        Self { code, message: packet.args.get(0).unwrap_or_default().to_owned(), retry }
    }

    fn reason(self) -> Reason {
        let Self { code, message, retry } = self;
        match retry {
            Some(retry) => Reason::NotNow { code, message, retry },
            None => Reason::Refused { code, message },
        }
    }

    fn error(self) -> RequestError {
        let Self { code, message, retry } = self;
        match retry {
            Some(_) => RequestError::NotNow { code, message },
            None => RequestError::Refused { code, message },
        }
    }
}

impl Session {
    /// A packet's body was read.
    pub fn received(&mut self, now: Now, body: &[u8]) {
        if self.ended().is_some() {
            return;
        }
        let read = Packet::parse(body).map_err(|error| Malformed(error.to_string()));
        if let Err(error) = read.and_then(|packet| self.packet(now, &packet)) {
            self.lost(now, Reason::BadPacket(error.to_string()));
        }
        let expecting = self.outbox.is_in_flight() || !self.requests.is_empty();
        self.keepalive.heard(now, expecting);
        self.flush(now);
        self.finish_closing(now);
    }

    fn packet(&mut self, now: Now, packet: &Packet<'_>) -> Result<(), Malformed> {
        match &*packet.cmd_name {
            name::OK => self.ok(now, packet),
            name::ERROR => self.error(now, packet),
            name::RESP_MESSAGE_P2P | name::RESP_MESSAGE_TOPIC => self.message(now, packet),
            name::ENTRY => self.entry(now, packet),
            name::GAP => self.gap(now, packet),
            name::RECEIPT => self.receipt(packet),
            name::DISCONNECT => {
                let code = packet.code.or_else(|| packet.args.get(1)?.parse().ok()).unwrap_or(1000);
                let message = packet.args.get(0).unwrap_or_default().to_owned();
                self.lost(now, Reason::Told { code, message });
                Ok(())
            }
            other => {
                tracing::debug!(command = other, "a packet of a kind that this client does not know");
                Ok(())
            }
        }
    }

    fn answered(&mut self, packet: &Packet<'_>) -> Option<Waiting> {
        let waiting = packet.seq.and_then(|seq| self.waiting.remove(&seq));
        if waiting.is_none() {
            tracing::debug!(seq = packet.seq, "an answer to what nobody waits for");
        }
        waiting
    }

    fn ok(&mut self, now: Now, packet: &Packet<'_>) -> Result<(), Malformed> {
        match self.answered(packet) {
            Some(Waiting::Gateway) => self.gateway_named(now, packet),
            Some(Waiting::Login) => self.logged_in(now, packet),
            Some(Waiting::Resume) => self.resumed(now),
            Some(Waiting::Ping) => self.keepalive.answered(),
            Some(Waiting::Ack(log, version)) => self.progress.confirm(&log, version),
            Some(Waiting::Send(ticket)) => self.sent(now, ticket, packet)?,
            Some(Waiting::Request(ticket)) => self.request_answered(ticket, packet),
            None => {}
        }
        Ok(())
    }

    fn sent(&mut self, now: Now, ticket: Ticket, packet: &Packet<'_>) -> Result<(), Malformed> {
        let sent = wire::sent(packet)?;
        if let Some(progress) = self.progress.get(&sent.log) {
            progress.tracker.insert(sent.version.0, sent.version.0);
            self.ack_soon(now);
        }
        self.outbox.resolve(ticket);
        self.actions.push_back(Action::Sent(ticket, Ok(sent)));
        Ok(())
    }

    fn request_answered(&mut self, ticket: Ticket, packet: &Packet<'_>) {
        let Some((request, collected)) = self.requests.resolve(ticket) else { return };
        let answer = wire::answer(&request, packet, collected);
        match (&request, &answer) {
            (_, Ok(Answer::Topic(topic))) if !topic.volatile => {
                self.progress.entry(&topic.log, topic.head.0);
            }
            (Request::Leave { topic }, Ok(_)) => self.progress.forget(&LogName::topic(topic)),
            _ => {}
        }
        let answer = answer.map_err(|error| RequestError::BadAnswer(error.to_string()));
        self.actions.push_back(Action::Answered(ticket, answer));
    }

    fn error(&mut self, now: Now, packet: &Packet<'_>) -> Result<(), Malformed> {
        let refusal = Refusal::of(packet);
        match self.answered(packet) {
            Some(Waiting::Gateway) => self.lost(now, refusal.reason()),
            Some(Waiting::Login) => self.lost(now, refusal.reason()),
            Some(Waiting::Resume) => {
                let reason = match refusal.retry {
                    Some(_) => refusal.reason(),
                    None => Reason::Broken(format!("RESUME was refused: {}", refusal.message)),
                };
                self.resume_refused(now, reason);
            }
            Some(Waiting::Ping) => self.keepalive.answered(),
            Some(Waiting::Ack(log, version)) => match refusal.retry {
                Some(retry) => {
                    self.progress.unsend_acks();
                    self.ack_at = Some(now + self.backoff.stretched(retry));
                }
                None => self.progress.confirm(&log, version),
            },
            Some(Waiting::Send(ticket)) => self.send_refused(now, ticket, refusal),
            Some(Waiting::Request(ticket)) => self.request_refused(now, ticket, refusal),
            None => {}
        }
        Ok(())
    }

    fn send_refused(&mut self, now: Now, ticket: Ticket, refusal: Refusal) {
        let Refusal { code, message, retry } = refusal;
        if let Some(retry) = retry {
            let until = now + self.backoff.stretched(retry);
            if let Some(id) = self.outbox.hold(ticket, until) {
                self.actions.push_back(Action::Tell(Event::Delayed { id, code, message }));
            }
        } else if self.outbox.resolve(ticket).is_some() {
            let error = SendError::Refused { code, message };
            self.actions.push_back(Action::Sent(ticket, Err(error)));
        }
    }

    fn request_refused(&mut self, now: Now, ticket: Ticket, refusal: Refusal) {
        let may_repeat = self.requests.get(ticket).is_some_and(Request::may_repeat);
        match refusal.retry.filter(|_| may_repeat) {
            Some(retry) => {
                let at = now + self.backoff.stretched(retry);
                self.requests.retry(ticket, at, refusal.error());
            }
            None if self.requests.resolve(ticket).is_some() => {
                self.actions.push_back(Action::Answered(ticket, Err(refusal.error())));
            }
            None => {}
        }
    }

    fn message(&mut self, now: Now, packet: &Packet<'_>) -> Result<(), Malformed> {
        let message = wire::pushed_message(packet)?;
        if let Some(seq) = packet.seq {
            self.collect(seq, PageItem::Message(message));
        } else if let Some(Version(version)) = message.version {
            if self.arrived(now, &message.log, version, version) && !self.awaits_answer_for(&message) {
                self.progress.tell(&message.log, version);
                self.actions.push_back(Action::Tell(Event::Message(message)));
            }
        } else {
            self.actions.push_back(Action::Tell(Event::Message(message)));
        }
        Ok(())
    }

    /// Whether it is a send of this very client that has not been answered: the answer will be its delivery.
    fn awaits_answer_for(&self, message: &Message) -> bool {
        message.from == self.options.user
            && message.id.as_ref().is_some_and(|id| self.outbox.has(id.as_str()))
    }

    fn entry(&mut self, now: Now, packet: &Packet<'_>) -> Result<(), Malformed> {
        if packet.seq.is_none() {
            let (log, version) = (wire::log_of(packet)?, wire::version_of(packet)?);
            self.arrived(now, &log, version, version);
        }
        Ok(())
    }

    fn gap(&mut self, now: Now, packet: &Packet<'_>) -> Result<(), Malformed> {
        let (log, first, last) = wire::gap(packet)?;
        if let Some(seq) = packet.seq {
            self.collect(seq, PageItem::Gap { first: Version(first), last: Version(last) });
            return Ok(());
        }
        let first = self.progress.entry(&log, first - 1).tracker.first_missing().max(first);
        if self.arrived(now, &log, first, last) {
            self.tell_gap(log, first, last);
        }
        Ok(())
    }

    fn tell_gap(&mut self, log: LogName, first: u64, last: u64) {
        self.progress.tell(&log, last);
        let gap = Event::Gap { log, first: Version(first), last: Version(last) };
        self.actions.push_back(Action::Tell(gap));
    }

    fn collect(&mut self, seq: u64, item: PageItem) {
        if let Some(Waiting::Request(ticket)) = self.waiting.get(&seq) {
            self.requests.collect(*ticket, item);
        }
    }

    /// Versions of a log were pushed: whether they are new. A hole before them ends the connection, to read it again.
    fn arrived(&mut self, now: Now, log: &LogName, first: u64, last: u64) -> bool {
        self.resumed(now);
        let progress = self.progress.entry(log, first - 1);
        if progress.tracker.has(last) {
            return false;
        }
        // What is missing may be sends of our own whose answers are on their way; more than these it cannot be.
        let (missing, from) = (progress.tracker.missing_below(first), progress.tracker.first_missing());
        if missing > self.outbox.tried_in(log) {
            let hole = (log.clone(), first);
            if self.hole.as_ref() != Some(&hole) {
                self.hole = Some(hole);
                self.lost(now, Reason::Hole { log: log.clone(), version: Version(first) });
                return false;
            }
            // The same hole after resuming: the mesh has nothing there.
            self.progress.entry(log, first - 1).tracker.insert(from, first - 1);
            self.tell_gap(log.clone(), from, first - 1);
        }
        self.progress.entry(log, first - 1).tracker.insert(first, last);
        self.ack_soon(now);
        true
    }

    fn receipt(&mut self, packet: &Packet<'_>) -> Result<(), Malformed> {
        let arg = |at| packet.args.get(at).unwrap_or_default();
        let mark = match arg(2) {
            "read" => Mark::Read,
            "delivered" => Mark::Delivered,
            _ => return Ok(()),
        };
        let name = |error: protocol::ids::NameError| Malformed(error.to_string());
        let (peer, id) = (UserId::new(arg(0)).map_err(name)?, MessageId::new(arg(1)).map_err(name)?);
        self.actions.push_back(Action::Tell(Event::Receipt { peer, id, mark }));
        Ok(())
    }
}
