//! What clients said and were told: the truth that a history is checked against.

use std::collections::BTreeMap;
use std::time::Duration;

use mesh::link::LinkId;
use protocol::event::Stored;
use protocol::ids::{DeviceId, LogName, UserId, Version};

/// Everything that was said, and every promise that was seen broken on the way.
#[derive(Debug, Default)]
pub struct Ledger {
    messages: BTreeMap<String, Sent>,
    attempts: u64,
    /// When which device's login came to a msg_server, by connection.
    logins: BTreeMap<LinkId, (Duration, UserId, DeviceId)>,
    broken: Vec<String>,
}

/// One message, by its id, which is also its text.
#[derive(Debug)]
pub struct Sent {
    /// The log that acknowledgements name.
    pub log: LogName,
    /// The other inbox of a p2p message.
    pub peer: Option<LogName>,
    /// Each time that it was sent.
    pub attempts: Vec<Attempt>,
}

/// One sending of a message.
#[derive(Debug)]
pub struct Attempt {
    /// Over which connection.
    pub connection: LinkId,
    /// Its place among all sendings.
    pub order: u64,
    /// When.
    pub sent_at: Duration,
    /// What was answered on that connection.
    pub outcome: Option<Outcome>,
    /// When that came.
    pub answered_at: Duration,
}

/// An answer to a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is in its log, there.
    Acked(Version),
    /// It was refused.
    Refused(Stored),
}

impl Ledger {
    /// A new message has its id.
    pub fn invent(&mut self, author: impl std::fmt::Display, log: LogName, peer: Option<LogName>) -> String {
        let id = format!("{author}-{}", self.messages.len() + 1);
        self.messages.insert(id.clone(), Sent { log, peer, attempts: Vec::new() });
        id
    }

    /// A message is sent, for the first time or again.
    pub fn sent(&mut self, id: &str, connection: LinkId, now: Duration) {
        self.attempts += 1;
        if let Some(message) = self.messages.get_mut(id) {
            let (order, answered_at) = (self.attempts, Duration::ZERO);
            message.attempts.push(Attempt { connection, order, sent_at: now, outcome: None, answered_at });
        }
    }

    /// The newest sending of a message over that connection was answered.
    pub fn answered(&mut self, id: &str, connection: LinkId, outcome: Outcome, now: Duration) {
        let attempts = self.messages.get_mut(id).map(|message| &mut message.attempts);
        let open = attempts
            .into_iter()
            .flatten()
            .find(|attempt| attempt.connection == connection && attempt.outcome.is_none());
        match open {
            Some(attempt) => (attempt.outcome, attempt.answered_at) = (Some(outcome), now),
            None => self.broken(|| format!("{id} was answered more often than it was sent")),
        }
    }

    /// A login has come to a msg_server.
    pub fn login_came(&mut self, connection: LinkId, user: &UserId, device: &DeviceId, now: Duration) {
        self.logins.insert(connection, (now, user.clone(), device.clone()));
    }

    /// A client is told that its connection was replaced by a later login of its device: that there has to be.
    pub fn replaced(&mut self, client: impl std::fmt::Display, connection: LinkId) {
        let Some((came, user, device)) = self.logins.get(&connection) else { return };
        let later =
            |login: &(Duration, UserId, DeviceId)| login.0 > *came && login.1 == *user && login.2 == *device;
        if !self.logins.values().any(later) {
            self.broken(|| format!("{client} is replaced by a login that came earlier"));
        }
    }

    /// A promise was seen broken.
    pub fn broken(&mut self, what: impl FnOnce() -> String) {
        self.broken.push(what());
    }

    /// The promises that were seen broken so far.
    pub fn all_broken(&self) -> &[String] {
        &self.broken
    }

    /// Every message, by id.
    pub fn messages(&self) -> &BTreeMap<String, Sent> {
        &self.messages
    }
}

impl Sent {
    /// Where it was acknowledged.
    pub fn acked(&self) -> impl Iterator<Item = Version> {
        self.attempts.iter().filter_map(|attempt| match attempt.outcome {
            Some(Outcome::Acked(version)) => Some(version),
            _ => None,
        })
    }

    /// Whether every sending of it was answered with "not stored".
    pub fn surely_not_stored(&self) -> bool {
        let never = |attempt: &Attempt| attempt.outcome == Some(Outcome::Refused(Stored::No));
        !self.attempts.is_empty() && self.attempts.iter().all(never)
    }
}
