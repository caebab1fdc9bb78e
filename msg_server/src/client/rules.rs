//! What a topic's creator decides: who is let in, who is put out, when it ends. Whether somebody may is the store's to say.

use std::sync::Arc;

use mesh::outbox::Turn;
use protocol::access::Join;
use protocol::code::ErrorCode;
use protocol::ids::{LogName, TopicName, UserId};
use protocol::link::request::Request as Ask;
use protocol::link::request::{Notice, Reply};

use super::commands::Request;
use super::topics::{ANSWER_WITHIN, refusal};
use crate::server::Server;

impl Server {
    /// Whom a new topic of a newer session takes that does not say whom.
    pub(super) fn topics_take(&self) -> Join {
        if self.accounts.is_some() { Join::Invite } else { Join::Open }
    }
}

impl Request<'_> {
    /// `INVITE_TOPIC [topic, user]`.
    pub(super) fn invite(&self, turn: &mut Turn) {
        let Some((topic, user)) = self.topic_and_user(turn) else { return };
        let by = self.who.user.clone();
        let ask = Ask::InviteTopic { topic: topic.clone(), user: user.clone(), by: by.clone() };
        self.decide(topic.clone(), ask, move |reply, server, turn| match reply {
            Reply::Invited { news } => {
                if *news {
                    server.tell_invited(&user, &topic, &by, turn);
                    let invited =
                        Notice::Invited { user: user.clone(), topic: topic.clone(), by: by.clone() };
                    server.notify(&invited, turn);
                }
                true
            }
            _ => false,
        });
    }

    /// `REMOVE_FROM_TOPIC [topic, user]`. A manager tells every msg_server of it before it answers.
    pub(super) fn remove_from_topic(&self, turn: &mut Turn) {
        let Some((topic, user)) = self.topic_and_user(turn) else { return };
        let ask =
            Ask::RemoveFromTopic { topic: topic.clone(), user: user.clone(), by: self.who.user.clone() };
        self.decide(topic, ask, move |reply, server, turn| {
            let done = *reply == Reply::Done;
            if done {
                // For a msg_server that this manager is not linked to.
                server.membership_changed(&user, turn);
            }
            done
        });
    }

    /// `DISSOLVE_TOPIC [topic]`. A manager tells every msg_server of it before it answers.
    pub(super) fn dissolve_topic(&self, turn: &mut Turn) {
        let Some(topic) = self.topic(turn) else { return };
        let ask = Ask::DissolveTopic { topic: topic.clone(), by: self.who.user.clone() };
        self.decide(topic, ask, |reply, _, _| *reply == Reply::Done);
    }

    fn topic(&self, turn: &mut Turn) -> Option<TopicName> {
        let topic = TopicName::new(self.arg(0)).ok();
        if topic.is_none() {
            self.refuse(ErrorCode::UnknownTopic, turn);
        }
        topic
    }

    fn topic_and_user(&self, turn: &mut Turn) -> Option<(TopicName, UserId)> {
        let topic = self.topic(turn)?;
        let user = self.user(self.arg(1)).ok();
        if user.is_none() {
            self.refuse(ErrorCode::UnknownUser, turn);
        }
        Some((topic, user?))
    }

    /// Asks the topic's owner. What it says is answered with `OK` if `done` takes it for that.
    fn decide(
        &self,
        topic: TopicName,
        ask: Ask,
        done: impl FnOnce(&Reply, &Arc<Server>, &mut Turn) -> bool + Send + 'static,
    ) {
        let (server, session, seq) = (Arc::clone(self.server), Arc::clone(self.session), self.packet.seq);
        self.later(async move {
            let log = LogName::topic(&topic);
            let reply = server.managers.ask_within(ANSWER_WITHIN, &log, &ask).await.ok();
            let mut turn = Turn::default();
            if reply.as_ref().is_some_and(|reply| done(reply, &server, &mut turn)) {
                session.ok(seq, |_| {}, &mut turn);
            } else {
                session.refuse(seq, refusal(reply), None, &mut turn);
            }
            turn.flush().await;
        });
    }
}
