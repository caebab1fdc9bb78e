//! Topics: creating, joining, leaving; and keeping the sessions of one user alike.

use std::collections::HashSet;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use mesh::outbox::Turn;
use protocol::access::Join;
use protocol::channel::Channel;
use protocol::code::{DisconnectCode, ErrorCode};
use protocol::command::{Packet, name};
use protocol::ids::{LogName, TopicName, UserId, Version};
use protocol::link::Frame;
use protocol::link::request::Request as Ask;
use protocol::link::request::{LogState, Notice, Reply};
use serde_json::value::to_raw_value;

use super::alignment::Alignment;
use super::commands::Request;
use super::session::{HoldsNext, Session, Who};
use crate::follow::feed::From;
use crate::server::Server;

/// How long a manager may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// How often a topic that an old client waits for is looked for again.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// After memberships could not be read.
const REFRESH_AGAIN: Duration = Duration::from_secs(1);

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
        let joining = Joining {
            session: Arc::clone(self.session),
            who: self.who.clone(),
            seq: self.packet.seq,
            create: &*self.packet.cmd_name == name::CREATE_TOPIC,
            volatile: self.packet.volatile == Some(true),
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
    topic: TopicName,
}

impl Joining {
    fn log(&self) -> LogName {
        LogName::topic(&self.topic)
    }

    async fn ask(&self, server: &Server) -> Option<Reply> {
        let (topic, user) = (self.topic.clone(), self.who.user.clone());
        let ask = if self.create {
            let (volatile, otherwise) = (self.volatile, Join::Open);
            Ask::CreateTopic { topic, user, volatile, join: None, history: None, otherwise }
        } else {
            Ask::JoinTopic { topic, user, device: self.who.device.clone() }
        };
        server.managers.ask_within(ANSWER_WITHIN, &self.log(), &ask).await.ok()
    }

    async fn run(self, server: &Arc<Server>) {
        let reply = self.ask(server).await;
        let mut turn = Turn::default();
        match reply {
            Some(Reply::Joined { log, already }) => {
                self.answer(server, &log, &mut turn);
                server.adopt(&self.session, &[&log], &mut turn);
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
            match self.ask(server).await {
                Some(Reply::Joined { already, .. }) if self.create => {
                    return self.tell_others(server, already).await;
                }
                Some(Reply::Joined { log, already }) => {
                    self.locate(server, &log).await;
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
        let from = if log.volatile { From::Later } else { From::After(log.cursor.max(newest)) };
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

/// How reading a user's memberships went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refreshed {
    /// All sessions follow what they are to, or there are none.
    Done,
    /// A session joined or left a topic meanwhile.
    Outdated,
    /// No manager told them.
    Unread,
}

impl Server {
    fn know(&self, session: &Session, logs: &[&LogState]) {
        let names: HashSet<&LogName> = logs.iter().map(|log| &log.log).collect();
        let mut state = session.state();
        state.memberships += 1;
        // Where no manager has told the logs yet, the late login does.
        if let Some(known) = &mut state.known {
            known.retain(|other| !names.contains(&other.log));
            known.extend(logs.iter().copied().cloned());
        }
    }

    /// A newer session's user is a member of more topics: each is read from its head on, once the session has resumed.
    fn adopt(self: &Arc<Self>, session: &Arc<Session>, logs: &[&LogState], turn: &mut Turn) {
        self.know(session, logs);
        for log in logs {
            if log.volatile {
                self.follow(session, &log.log, From::Later, turn);
            } else if session.state().resumed.is_some() {
                self.follow(session, &log.log, From::After(log.head), turn);
            }
        }
    }

    fn forget(self: &Arc<Self>, session: &Arc<Session>, logs: &[&LogName], turn: &mut Turn) {
        let names: HashSet<&LogName> = logs.iter().copied().collect();
        {
            let mut state = session.state();
            state.memberships += 1;
            if let Some(known) = &mut state.known {
                known.retain(|other| !names.contains(&other.log));
            }
        }
        for log in logs {
            self.unfollow(session, log.as_str(), turn);
        }
    }

    /// A topic is no more: nobody here follows it any longer.
    pub(crate) fn topic_dissolved(self: &Arc<Self>, topic: &TopicName, turn: &mut Turn) {
        let log = LogName::topic(topic);
        let readers = self.followed.get(log.as_str()).map(|followed| followed.readers());
        for session in readers.unwrap_or_default() {
            self.forget(&session, &[&log], turn);
        }
    }

    /// A membership changed through a session here: the user's other sessions, here and elsewhere, look again.
    fn membership_changed(self: &Arc<Self>, user: &UserId, turn: &mut Turn) {
        self.refresh_memberships(user.clone());
        let notice = Notice::MembershipChanged { user: user.clone() };
        let json = serde_json::to_vec(&notice).unwrap_or_default();
        self.channels.publish(Channel::TopicStatus, &Frame::Notice(&json).to_bytes(), turn);
    }

    /// Reads the user's memberships and has the user's sessions here follow just those: one reading at a time for each user,
    /// and one more after it for whatever happened meanwhile.
    pub(crate) fn refresh_memberships(self: &Arc<Self>, user: UserId) {
        match self.refreshing.lock().entry(user.clone()) {
            Entry::Occupied(mut again) => return *again.get_mut() = true,
            Entry::Vacant(place) => *place.insert(false),
        };
        let server = Arc::clone(self);
        self.shutdown.spawn(async move {
            loop {
                let refreshed = server.refreshed(&user).await;
                {
                    let mut refreshing = server.refreshing.lock();
                    let again = refreshing.insert(user.clone(), false) == Some(true);
                    if !again && refreshed == Refreshed::Done {
                        refreshing.remove(&user);
                        return;
                    }
                }
                if refreshed == Refreshed::Unread {
                    tokio::time::sleep(REFRESH_AGAIN).await;
                }
            }
        });
    }

    async fn refreshed(self: &Arc<Self>, user: &UserId) -> Refreshed {
        let sessions = self.sessions.of(user.as_str());
        if sessions.is_empty() || self.shutdown.is_draining() {
            return Refreshed::Done;
        }
        if !self.end_outlived(user, &sessions).await {
            return Refreshed::Unread;
        }
        let seen: Vec<u64> = sessions.iter().map(|session| session.state().memberships).collect();
        let ask = Ask::Topics { user: user.clone() };
        let asked = self.managers.ask_within(ANSWER_WITHIN, &LogName::inbox(user), &ask).await;
        let Ok(Reply::Topics { topics, .. }) = asked else { return Refreshed::Unread };
        let (mut refreshed, mut turn) = (Refreshed::Done, Turn::default());
        for (session, seen) in sessions.iter().zip(seen) {
            if !self.align(session, seen, &topics, &mut turn) {
                refreshed = Refreshed::Outdated;
            }
        }
        turn.flush().await;
        refreshed
    }

    /// False if the session joined or left a topic after the memberships were asked for: they may be older than that.
    fn align(
        self: &Arc<Self>,
        session: &Arc<Session>,
        seen: u64,
        topics: &[LogState],
        turn: &mut Turn,
    ) -> bool {
        let known = {
            let state = session.state();
            if state.memberships != seen {
                return state.ended;
            }
            match state.known.clone() {
                Some(known) => known,
                // Its late login is to come, and reads them anew.
                None => return true,
            }
        };
        let Alignment { gone, new } = Alignment::between(&known, topics);
        if !gone.is_empty() {
            self.forget(session, &gone, turn);
        }
        if session.is_newer() && !new.is_empty() {
            self.adopt(session, &new, turn);
        }
        true
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
                Some(Reply::Topics { topics, .. }) => {
                    let json = to_raw_value(&topics).ok();
                    if let Some(seq) = seq {
                        let mut ok = protocol::event::ok(seq);
                        ok.topics = json.as_deref();
                        session.push(ok.to_bytes(), &mut turn);
                    }
                }
                other => session.refuse(seq, refusal(other), None, &mut turn),
            }
            turn.flush().await;
        });
    }
}
