//! Sending: p2p and to a topic, durable and volatile.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use mesh::outbox::Turn;
use protocol::code::ErrorCode;
use protocol::content::{Content, Kind};
use protocol::event::{Stored, uuid_version};
use protocol::ids::{LogName, MessageId, TopicName, UserId};
use uuid::Uuid;

use super::commands::Request;
use crate::append::Submission;

/// The longest content type, in bytes.
const MAX_TYPE: usize = 128;

impl Request<'_> {
    /// `SEND_MESSAGE_P2P [to, text, from]`. Whom a client claims to be is not believed: the session's id counts.
    pub(super) fn send_p2p(&self, turn: &mut Turn) {
        let claimed = self.packet.args.get(2).filter(|_| !self.session.is_newer());
        if claimed.is_some_and(|claimed| claimed != self.who.user.as_str()) {
            return tracing::debug!(user = %self.who.user, "a message under another name is dropped");
        }
        self.p2p(self.arg(0), self.arg(1), turn);
    }

    fn p2p(&self, to: &str, text: &str, turn: &mut Turn) {
        let Ok(to) = self.user(to) else { return self.not_sent(ErrorCode::UnknownUser, turn) };
        let inbox = LogName::inbox(&to);
        self.compose(Some(&to), text, turn, |content, turn| {
            if self.is_volatile() {
                return self.pass_on(&inbox, &content, turn);
            }
            let log = self.who.inbox.clone();
            let peer = (to != self.who.user).then(|| inbox.clone());
            self.store(Submission { log, peer, content, seq: self.packet.seq }, turn);
        });
    }

    /// `SEND_MESSAGE_TOPIC [topic, text]`.
    pub(super) fn send_topic(&self, turn: &mut Turn) {
        let Ok(topic) = TopicName::new(self.arg(0)) else {
            return self.not_sent(ErrorCode::UnknownTopic, turn);
        };
        let log = LogName::topic(&topic);
        let durability = self.volatile_topic(&log);
        if durability.is_some_and(|volatile| volatile != self.is_volatile() && self.session.is_newer()) {
            return self.not_sent(ErrorCode::WrongDurability, turn);
        }
        if durability.is_none() && self.is_volatile() {
            let told = self.session.state().known.is_some();
            return self.not_sent(if told { ErrorCode::NotAMember } else { ErrorCode::NoManager }, turn);
        }
        self.compose(None, self.arg(1), turn, |content, turn| {
            if durability == Some(true) {
                return self.pass_on(&log, &content, turn);
            }
            let submission = Submission { log: log.clone(), peer: None, content, seq: self.packet.seq };
            self.store(submission, turn);
        });
    }

    /// Has it stored, unless the session is being sent elsewhere: what it still sends is for the next msg_server.
    fn store(&self, submission: Submission<'_>, turn: &mut Turn) {
        if self.session.is_leaving() && self.session.is_newer() {
            return self.not_sent(ErrorCode::Draining, turn);
        }
        self.server.append(self.session, submission, turn);
    }

    fn is_volatile(&self) -> bool {
        self.packet.volatile == Some(true)
    }

    /// Whether the topic is volatile, as far as this session knows: it knows the topics that its user is a member of.
    fn volatile_topic(&self, log: &LogName) -> Option<bool> {
        let state = self.session.state();
        state.known.as_ref()?.iter().find(|known| known.log == *log).map(|known| known.volatile)
    }

    fn pass_on(&self, log: &LogName, content: &Content<'_>, turn: &mut Turn) {
        self.session.ok(self.packet.seq, |ok| ok.volatile = Some(true), turn);
        self.server.send_volatile(self.session, log, content, turn);
    }

    /// Makes the content of what the packet says, and hands it to `send`.
    fn compose(
        &self,
        to: Option<&UserId>,
        text: &str,
        turn: &mut Turn,
        send: impl FnOnce(Content<'_>, &mut Turn),
    ) {
        let id = match &self.packet.msg_id {
            Some(id) => match MessageId::new(id) {
                Ok(id) => id.to_string(),
                Err(error) => return self.bad_send(&error.to_string(), turn),
            },
            None if self.session.is_newer() && !self.is_volatile() => {
                return self.bad_send("MsgId is missing: it makes sending again harmless", turn);
            }
            None => Uuid::now_v7().to_string(),
        };
        let decoded = match self.packet.body64.as_deref().map(|body| BASE64.decode(body)) {
            Some(Ok(body)) => Some(body),
            Some(Err(error)) => return self.bad_send(&format!("Body64 is no base64: {error}"), turn),
            None => None,
        };
        let content_type = self.packet.content_type.as_deref();
        if content_type.is_some_and(|name| name.len() > MAX_TYPE || name.chars().any(char::is_control)) {
            return self.bad_send("Type has more than 128 bytes or control characters", turn);
        }
        let content = Content {
            kind: Kind::MESSAGE,
            sender: self.who.user.as_str(),
            id: &id,
            to: to.map(UserId::as_str),
            device: self.who.device.as_ref().map(|device| device.as_str()),
            content_type,
            body: decoded.as_deref().unwrap_or(text.as_bytes()),
        };
        send(content, turn);
    }

    fn bad_send(&self, why: &str, turn: &mut Turn) {
        self.session.refuse_saying(self.packet.seq, ErrorCode::BadRequest, why, self.stored(), turn);
    }

    fn not_sent(&self, code: ErrorCode, turn: &mut Turn) {
        self.session.refuse(self.packet.seq, code, self.stored(), turn);
    }

    fn stored(&self) -> Option<Stored> {
        (!self.is_volatile()).then_some(Stored::No)
    }

    /// `P2P_ACK [id, uuid]` of an old client. Where its writer raced its reader, the same packet holds a message as well:
    /// `[id, uuid, to, text, id]`.
    pub(super) fn p2p_ack(&self, turn: &mut Turn) {
        if let Some(version) = uuid_version(self.arg(1)) {
            let (server, who) = (Arc::clone(self.server), self.who.clone());
            let inbox = who.inbox.clone();
            self.later(server.received_upto(who, inbox, version));
        }
        if self.packet.args.as_slice().len() >= 5 && self.arg(4) == self.who.user.as_str() {
            self.p2p(self.arg(2), self.arg(3), turn);
        }
        self.session.ok(self.packet.seq, |_| {}, turn);
    }
}
