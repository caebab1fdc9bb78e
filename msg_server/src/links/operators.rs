//! Operators: what the program `shoal user` asks over a link of its own, passed on to a manager.

use std::sync::Arc;
use std::time::Duration;

use mesh::outbox::{Outbox, Turn};
use protocol::code::{DisconnectCode, ErrorCode};
use protocol::ids::{LogName, UserId};
use protocol::link::Frame;
use protocol::link::accounts::{Answer, Question};
use protocol::link::request::{Reply, Request};

use crate::client::access::EndedAccess;
use crate::server::Server;

/// How long a manager may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

impl Server {
    /// Answers an operator's question, as soon as a manager has.
    pub(crate) fn operator_asks(self: &Arc<Self>, outbox: &Arc<Outbox>, ask: u64, json: &[u8]) {
        let request = serde_json::from_slice(json);
        let (server, outbox) = (Arc::clone(self), Arc::clone(outbox));
        self.shutdown.spawn(async move {
            let mut turn = Turn::default();
            let reply = match request {
                Ok(Request::Account { question }) if question.is_for_operators() => {
                    server.operate(question, &mut turn).await
                }
                _ => Reply::refused(ErrorCode::UnknownCommand),
            };
            let json = serde_json::to_vec(&reply).unwrap_or_default();
            if outbox.push(Frame::Answer(ask, &json).to_bytes(), &mut turn).is_err() {
                outbox.cut(None);
            }
            turn.flush().await;
        });
    }

    async fn operate(&self, question: Question, turn: &mut Turn) -> Reply {
        let ends = ends(&question);
        let Some(log) = owner_of(&question) else { return Reply::refused(ErrorCode::Internal) };
        let asked = self.managers.ask_within(ANSWER_WITHIN, &log, &Request::Account { question }).await;
        let reply = asked.unwrap_or_else(|_| Reply::refused(ErrorCode::NoManager));
        if let (Reply::Account { answer: Answer::Ended { stamp } }, Some((user, code))) = (&reply, ends) {
            let ended = EndedAccess { user, device: None, kept: None, before: *stamp, code };
            self.end_access(&ended, turn);
        }
        reply
    }
}

/// Whose manager is asked: a list is any manager's to give.
fn owner_of(question: &Question) -> Option<LogName> {
    match question.user() {
        Some(user) => Some(LogName::inbox(user)),
        None => UserId::new("operator").ok().map(|anybody| LogName::inbox(&anybody)),
    }
}

/// Whose sessions end by it, and under which code.
fn ends(question: &Question) -> Option<(UserId, DisconnectCode)> {
    match question {
        Question::ResetPassword { user, .. } => Some((user.clone(), DisconnectCode::LoggedOut)),
        Question::Disable { user, disabled: true } | Question::Delete { user, .. } => {
            Some((user.clone(), DisconnectCode::AccountEnded))
        }
        _ => None,
    }
}
