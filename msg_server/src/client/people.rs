//! Who is a member, and who is online.

use std::collections::BTreeMap;
use std::sync::Arc;

use mesh::outbox::Turn;
use protocol::code::ErrorCode;
use protocol::event;
use protocol::ids::{LogName, TopicName, UserId};
use protocol::link::request::Reply;
use protocol::link::request::Request as Ask;
use serde_json::value::to_raw_value;

use super::commands::Request;
use super::topics::{ANSWER_WITHIN, refusal};

/// The most members of one answer.
const MAX_MEMBERS: u32 = 1000;

impl Request<'_> {
    /// `MEMBERS [topic, after, limit]`.
    pub(super) fn members(&self, turn: &mut Turn) {
        let Ok(topic) = TopicName::new(self.arg(0)) else {
            return self.refuse(ErrorCode::UnknownTopic, turn);
        };
        let after = match self.arg(1) {
            "" => Ok(None),
            name => self.user(name).map(Some).map_err(|error| error.to_string()),
        };
        let (after, limit) = match (after, self.limit(2, u64::from(MAX_MEMBERS))) {
            (Ok(after), Ok(limit)) => (after, limit as u32),
            (Err(why), _) | (_, Err(why)) => return self.malformed(&why, turn),
        };
        let log = LogName::topic(&topic);
        let ask = Ask::Members { topic, user: self.who.user.clone(), after, limit };
        let (server, session, seq) = (Arc::clone(self.server), Arc::clone(self.session), self.packet.seq);
        self.later(async move {
            let reply = server.managers.ask_within(ANSWER_WITHIN, &log, &ask).await.ok();
            let mut turn = Turn::default();
            match (reply, seq) {
                (Some(Reply::Members { members, more }), Some(seq)) => {
                    let json = to_raw_value(&members).ok();
                    let mut ok = event::ok(seq);
                    ok.members = json.as_deref();
                    ok.complete = Some(!more);
                    session.push(ok.to_bytes(), &mut turn);
                }
                (other, seq) => session.refuse(seq, refusal(other), None, &mut turn),
            }
            turn.flush().await;
        });
    }

    /// `PRESENCE [user, …]`: whoever has a session here, or, as routers know, elsewhere.
    pub(super) fn presence(&self, turn: &mut Turn) {
        let Some(seq) = self.packet.seq else { return };
        let users: Result<Vec<UserId>, _> =
            self.packet.args.as_slice().iter().map(|arg| self.user(arg)).collect();
        let Ok(users) = users else { return self.malformed("PRESENCE takes user ids", turn) };
        let (server, session) = (Arc::clone(self.server), Arc::clone(self.session));
        self.later(async move {
            let is_here = |user: &UserId| !server.sessions.of(user.as_str()).is_empty();
            let mut online: BTreeMap<UserId, bool> =
                users.into_iter().map(|user| (user.clone(), is_here(&user))).collect();
            let away: Vec<UserId> =
                online.iter().filter(|(_, here)| !**here).map(|(user, _)| user.clone()).collect();
            let mut turn = Turn::default();
            let elsewhere =
                if away.is_empty() { Some(Vec::new()) } else { server.online_elsewhere(away).await };
            match elsewhere {
                Some(elsewhere) => {
                    online.extend(elsewhere.into_iter().map(|user| (user, true)));
                    let json = to_raw_value(&online).ok();
                    let mut ok = event::ok(seq);
                    ok.online = json.as_deref();
                    session.push(ok.to_bytes(), &mut turn);
                }
                None => session.refuse(Some(seq), ErrorCode::NoRouter, None, &mut turn),
            }
            turn.flush().await;
        });
    }
}
