//! Topics: creating, joining, leaving, listing.

use std::sync::Arc;
use std::time::Duration;

use mesh::outbox::Turn;
use protocol::access::{History, Join};
use protocol::account::Keys;
use protocol::code::{DisconnectCode, ErrorCode};
use protocol::command::{Packet, name};
use protocol::ids::{LogName, TopicName, Version};
use protocol::link::request::Request as Ask;
use protocol::link::request::{LogState, Reply};
use serde_json::value::to_raw_value;

use super::commands::Request;
use super::session::{HoldsNext, Session, Who};
use crate::follow::feed::From;
use crate::server::Server;

/// How long a manager may take.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// How often a topic that an old client waits for is looked for again.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Of what an old client missed in a topic, so many of the newest are sent.
const OLD_CATCH_UP: u64 = 100;

impl Request<'_> {
    /// `CREATE_TOPIC [topic]` and `JOIN_TOPIC [topic]`.
    pub(super) fn join_topic(&self, turn: &mut Turn) {
        if !self.session.is_newer() {
            self.serve_topics(turn);
        }
        let topic = match TopicName::new(self.arg(0)) {
            Ok(topic) => topic,
            // An old client takes whatever comes next for the answer to its join: none can come.
            Err(_) if !self.session.is_newer() && &*self.packet.cmd_name == name::JOIN_TOPIC => {
                return self.session.end(DisconnectCode::Unanswered);
            }
            Err(error) => return self.malformed(&error.to_string(), turn),
        };
        // A client of the field makes topics as it always did.
        let keys = if self.session.is_newer() { Keys::parse(self.body) } else { Ok(Keys::default()) };
        let (join, history) = match keys {
            Ok(keys) => (keys.join, keys.history),
            Err(error) => return self.malformed(&error.to_string(), turn),
        };
        let otherwise = if self.session.is_newer() { self.server.topics_take() } else { Join::Open };
        let joining = Joining {
            session: Arc::clone(self.session),
            who: self.who.clone(),
            seq: self.packet.seq,
            create: &*self.packet.cmd_name == name::CREATE_TOPIC,
            volatile: self.packet.volatile == Some(true),
            join,
            history,
            otherwise,
            topic,
        };
        let server = Arc::clone(self.server);
        if self.session.is_newer() {
            self.later(async move { joining.run(&server).await });
        } else {
            let held = self.session.holds_next();
            self.later(async move { joining.run_old(&server, held).await });
        }
    }

    /// From its first topic on an old session gets no p2p messages.
    fn serve_topics(&self, turn: &mut Turn) {
        self.session.state().serves_topics = true;
        self.server.unfollow(self.session, self.who.inbox.as_str(), turn);
    }

    /// `LEAVE_TOPIC [topic]`.
    pub(super) fn leave_topic(&self, turn: &mut Turn) {
        let Ok(topic) = TopicName::new(self.arg(0)) else {
            return self.refuse(ErrorCode::UnknownTopic, turn);
        };
        let (server, session, user) =
            (Arc::clone(self.server), Arc::clone(self.session), self.who.user.clone());
        let seq = self.packet.seq;
        self.later(async move {
            let log = LogName::topic(&topic);
            let ask = Ask::LeaveTopic { topic, user: user.clone() };
            let reply = server.managers.ask_within(ANSWER_WITHIN, &log, &ask).await;
            let mut turn = Turn::default();
            match reply {
                Ok(Reply::Left) => {
                    server.forget(&session, &[&log], &mut turn);
                    session.ok(seq, |_| {}, &mut turn);
                    server.membership_changed(&user, &mut turn);
                }
                other => session.refuse(seq, refusal(other.ok()), None, &mut turn),
            }
            turn.flush().await;
        });
    }
}

/// A topic that a session wants to be a member of.
struct Joining {
    session: Arc<Session>,
    who: Who,
    seq: Option<u64>,
    create: bool,
    volatile: bool,
    join: Option<Join>,
    history: Option<History>,
    /// Whom a new topic takes where that was not said.
    otherwise: Join,
    topic: TopicName,
}

impl Joining {
    fn log(&self) -> LogName {
        LogName::topic(&self.topic)
    }

    async fn ask(&self, server: &Server) -> Option<Reply> {
        let (topic, user) = (self.topic.clone(), self.who.user.clone());
        let ask = if self.create {
            let Self { volatile, join, history, otherwise, .. } = *self;
            Ask::CreateTopic { topic, user, volatile, join, history, otherwise }
        } else {
            Ask::JoinTopic { topic, user, device: self.who.device.clone() }
        };
        server.managers.ask_within(ANSWER_WITHIN, &self.log(), &ask).await.ok()
    }

    async fn run(self, server: &Arc<Server>) {
        let news = server.news.of(&self.who.user);
        let reply = self.ask(server).await;
        let mut turn = Turn::default();
        match reply {
            Some(Reply::Joined { log, already }) => {
                self.answer(server, &log, &mut turn);
                server.adopt(&self.session, &[&log], &mut turn);
                server.believed(&self.who.user, news);
                if !already {
                    server.membership_changed(&self.who.user, &mut turn);
                }
            }
            other => self.session.refuse(self.seq, refusal(other), None, &mut turn),
        }
        turn.flush().await;
    }

    fn answer(&self, server: &Server, log: &LogState, turn: &mut Turn) {
        let fill = |ok: &mut Packet<'_>| {
            ok.log = Some(log.log.to_string().into());
            ok.first = Some(log.first.0);
            ok.head = Some(log.head.0);
            ok.volatile = log.volatile.then_some(true);
            ok.addr = Some(server.address().to_owned().into());
        };
        self.session.ok(self.seq, fill, turn);
    }

    /// For an old session: a creation is never answered; a join is answered as soon as there is the topic, and the session
    /// closed if it does not come to be.
    async fn run_old(self, server: &Arc<Server>, held: HoldsNext) {
        let deadline = tokio::time::Instant::now() + server.config.old_client_hold;
        let mut held = Some(held);
        loop {
            let news = server.news.of(&self.who.user);
            match self.ask(server).await {
                Some(Reply::Joined { already, .. }) if self.create => {
                    return self.tell_others(server, already).await;
                }
                Some(Reply::Joined { log, already }) => {
                    self.locate(server, &log).await;
                    server.believed(&self.who.user, news);
                    return self.tell_others(server, already).await;
                }
                Some(Reply::Refused { code, .. }) if self.create && code < 5000 => return,
                _ if tokio::time::Instant::now() >= deadline => {
                    return self.session.end(DisconnectCode::Unanswered);
                }
                _ if self.session.state().ended => return,
                reply => {
                    // There is no such topic yet: its next packet may create it.
                    if reply.is_some() {
                        held.take();
                    }
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            }
        }
    }

    async fn tell_others(&self, server: &Arc<Server>, already: bool) {
        if !already {
            let mut turn = Turn::default();
            server.membership_changed(&self.who.user, &mut turn);
            turn.flush().await;
        }
    }

    /// Answers an old `JOIN_TOPIC`; what was missed follows.
    async fn locate(&self, server: &Arc<Server>, log: &LogState) {
        let mut turn = Turn::default();
        let located = Packet::new(name::LOCATE_TOPIC_MSG_ADDR, [server.address(), self.topic.as_str()]);
        self.session.push(located.to_bytes(), &mut turn);
        let newest = Version(log.head.0.saturating_sub(OLD_CATCH_UP));
        let from =
            if log.volatile { From::Later } else { From::After(log.cursor.max(newest).max(log.since)) };
        server.know(&self.session, &[log]);
        server.follow(&self.session, &log.log, from, &mut turn);
        turn.flush().await;
    }
}

/// The code under which something is refused that was not answered as hoped.
pub(super) fn refusal(reply: Option<Reply>) -> ErrorCode {
    match reply {
        Some(Reply::Refused { code, .. }) => ErrorCode::from_number(code).unwrap_or(ErrorCode::Internal),
        Some(_) => ErrorCode::Internal,
        None => ErrorCode::NoManager,
    }
}

impl Request<'_> {
    /// `TOPICS []`.
    pub(super) fn topics(&self, _turn: &mut Turn) {
        let (server, session, who) = (Arc::clone(self.server), Arc::clone(self.session), self.who.clone());
        let seq = self.packet.seq;
        self.later(async move {
            let ask = Ask::Topics { user: who.user.clone() };
            let reply = server.managers.ask_within(ANSWER_WITHIN, &who.inbox, &ask).await.ok();
            let mut turn = Turn::default();
            match reply {
                Some(Reply::Topics { topics, invites }) => {
                    let json = to_raw_value(&topics).ok();
                    if let Some(seq) = seq {
                        let mut ok = protocol::event::ok(seq);
                        ok.topics = json.as_deref();
                        let invites = Some(invites).filter(|invites| !invites.is_empty());
                        session.push(Keys { invites, ..Keys::default() }.with(&ok), &mut turn);
                    }
                }
                other => session.refuse(seq, refusal(other), None, &mut turn),
            }
            turn.flush().await;
        });
    }
}
