//! What one client did and was told, written down while it happens; and what follows from it for the client: what it has of
//! each log, and what it still has to be answered.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::history::{At, Client, How, LogNo, Oddity, Seen, Send, Session};
use crate::message::{self, MessageId};
use crate::workload::{Target, Workload};

/// One client's record.
#[derive(Debug, Default)]
pub struct Record {
    /// For the checks.
    pub history: Client,
    /// Whether it has a session at the moment.
    pub connected: bool,
    /// Messages that somebody else sent to its inbox, each counted once.
    pub received_p2p: u64,
    /// Its own p2p messages that were acknowledged.
    pub acked_p2p: u64,
    /// `ERROR`s with `Stored: "maybe"`.
    pub maybes: u64,
    /// Own sends that were pushed as well.
    pub echoes: u64,
    /// It talks through a library, which hides where one connection ends and the next begins.
    pub merged: bool,
    number: usize,
    logs: BTreeMap<LogNo, Progress>,
    unanswered: BTreeSet<u32>,
}

/// What a client has of a log.
#[derive(Debug, Default)]
struct Progress {
    /// Everything up to here.
    has: u64,
    /// And these.
    beyond: BTreeSet<u64>,
}

/// What to do with a message that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It is not stored, and not sent again.
    GiveUp,
    /// Send it again after this time.
    SendAgain(Duration),
}

/// What an `ERROR` to a send says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Its code.
    pub code: u16,
    /// How long to wait; `None`: for ever.
    pub retry: Option<Duration>,
    /// Whether it says that the message is not stored.
    pub surely_not_stored: bool,
}

impl Record {
    /// The record of a client that has not done anything.
    pub fn new(number: usize, workload: &Workload) -> Self {
        let inbox = number as LogNo;
        let topics = workload.topics_of(number).map(|topic| workload.topic_log(topic));
        let follows: Vec<_> = [inbox].into_iter().chain(topics).collect();
        let logs = follows.iter().map(|log| (*log, Progress::default())).collect();
        let history = Client { user: message::user(number), inbox, follows, ..Client::default() };
        Self { history, number, logs, ..Self::default() }
    }

    /// Up to which version it has all of each log.
    pub fn positions(&self) -> impl Iterator<Item = (LogNo, u64)> {
        self.logs.iter().map(|(log, progress)| (*log, progress.has))
    }

    /// Up to which version it has all of a log.
    pub fn has(&self, log: LogNo) -> u64 {
        self.logs.get(&log).map_or(0, |progress| progress.has)
    }

    /// Numbers of messages that wait for an answer, in the order in which they were sent first.
    pub fn unanswered(&self) -> &BTreeSet<u32> {
        &self.unanswered
    }

    /// Whether a message waits for an answer.
    pub fn awaits(&self, number: u32) -> bool {
        self.unanswered.contains(&number)
    }

    /// A session begins: what the client has is where it resumes from.
    pub fn session_begins(&mut self, server: &str, began: At) {
        let resumed = self.positions().collect();
        let session = Session { server: server.to_owned(), began, resumed, merged: self.merged, ended: None };
        self.history.sessions.push(session);
        self.connected = true;
    }

    /// The session ended, if there was one.
    pub fn session_ends(&mut self, at: At, why: &str) {
        if std::mem::take(&mut self.connected)
            && let Some(session) = self.history.sessions.last_mut()
        {
            session.ended = Some((at, why.to_owned()));
        }
    }

    fn session(&self) -> u16 {
        if self.merged {
            return 0;
        }
        self.history.sessions.len().saturating_sub(1) as u16
    }

    /// A new message is sent.
    pub fn sends(&mut self, target: Target, workload: &Workload, at: At) -> MessageId {
        let (log, peer) = match target {
            Target::Client(other) => (self.history.inbox, Some(other as LogNo)),
            Target::Topic(topic) => (workload.topic_log(topic), None),
        };
        let number = self.history.sends.len() as u32;
        self.history.sends.push(Send {
            log,
            peer,
            at,
            session: self.session(),
            again: Vec::new(),
            acked: None,
            refused: false,
            out_of_turn: false,
        });
        self.unanswered.insert(number);
        MessageId { client: self.number as u16, number }
    }

    /// A message that had no answer is sent again; gives whom it is for.
    pub fn sends_again(&mut self, number: u32, workload: &Workload, at: At) -> Option<(MessageId, Target)> {
        let session = self.session();
        let send = self.history.sends.get_mut(number as usize)?;
        send.again.push((at, session));
        let target = match send.peer {
            Some(peer) => Target::Client(peer as usize),
            None => Target::Topic((send.log as usize).checked_sub(workload.clients)?),
        };
        Some((MessageId { client: self.number as u16, number }, target))
    }

    /// A send is answered with `OK`.
    pub fn acked(&mut self, number: u32, log: Option<LogNo>, version: u64, at: At) {
        let session = self.session();
        let message = MessageId { client: self.number as u16, number };
        let Some(send) = self.history.sends.get_mut(number as usize) else {
            return self.odd(at, format!("an OK to {message}, which was never sent"));
        };
        if !self.unanswered.remove(&number) {
            let what = format!("an OK to {message}, which was answered already");
            return self.odd(at, what);
        }
        send.acked = Some((at, version));
        self.acked_p2p += u64::from(send.peer.is_some());
        let log = log.unwrap_or(LogNo::MAX);
        self.history.seen.push(Seen { at, session, how: How::Acked, log, version, message: Some(message) });
        self.gets(log, version);
    }

    /// A send is answered with `ERROR`.
    pub fn refused(&mut self, number: u32, refusal: Refusal, at: At) -> Then {
        let message = MessageId { client: self.number as u16, number };
        if !self.unanswered.contains(&number) {
            self.odd(at, format!("an ERROR to {message}, which does not wait"));
            return Then::GiveUp;
        }
        self.maybes += u64::from(!refusal.surely_not_stored);
        let send = &mut self.history.sends[number as usize];
        if refusal.surely_not_stored && send.again.is_empty() {
            send.refused = true;
            self.unanswered.remove(&number);
            if refusal.retry.is_none() {
                self.odd(at, format!("{message} is refused for ever with {}", refusal.code));
            }
            return Then::GiveUp;
        }
        send.out_of_turn = true;
        if refusal.retry.is_none() {
            self.odd(
                at,
                format!("{message}, which may be stored, is refused for ever with {}", refusal.code),
            );
            self.unanswered.remove(&number);
            return Then::GiveUp;
        }
        Then::SendAgain(refusal.retry.unwrap_or_default())
    }

    /// An entry is pushed.
    pub fn pushed(&mut self, log: LogNo, version: u64, message: Option<MessageId>, at: At) {
        let session = self.session();
        self.history.seen.push(Seen { at, session, how: How::Pushed, log, version, message });
        let own = message.is_some_and(|message| usize::from(message.client) == self.number);
        self.echoes += u64::from(own);
        if self.gets(log, version) && !own && log == self.history.inbox {
            self.received_p2p += 1;
        }
    }

    /// Something is not as it should be.
    pub fn odd(&mut self, at: At, what: String) {
        self.history.oddities.push(Oddity { at, what });
    }

    /// True if it had not got that version before.
    fn gets(&mut self, log: LogNo, version: u64) -> bool {
        let progress = self.logs.entry(log).or_default();
        let new = version > progress.has && progress.beyond.insert(version);
        while progress.beyond.remove(&(progress.has + 1)) {
            progress.has += 1;
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn workload() -> Workload {
        Workload::new(&Settings { clients: 4, ..Settings::default() })
    }

    #[test]
    fn what_it_has_ends_where_something_is_missing() {
        let mut record = Record::new(0, &workload());
        for (version, has) in [(1, 1), (3, 1), (4, 1), (2, 4), (2, 4), (5, 5)] {
            record.pushed(0, version, None, At(0));
            assert_eq!(record.has(0), has);
        }
        assert_eq!(record.received_p2p, 5);
    }

    #[test]
    fn an_answer_is_expected_once() {
        let (workload, mut record) = (workload(), Record::new(0, &workload()));
        let id = record.sends(Target::Client(1), &workload, At(1));
        record.acked(id.number, Some(0), 1, At(2));
        assert!(record.unanswered().is_empty() && record.history.oddities.is_empty());
        record.acked(id.number, Some(0), 1, At(3));
        record.acked(77, Some(0), 1, At(3));
        assert_eq!(record.history.oddities.len(), 2);
    }

    #[test]
    fn only_what_was_sent_once_is_given_up() {
        let (workload, mut record) = (workload(), Record::new(0, &workload()));
        let retry = Some(Duration::from_secs(1));
        let no = Refusal { code: 5001, retry, surely_not_stored: true };
        let first = record.sends(Target::Client(1), &workload, At(1)).number;
        assert_eq!(record.refused(first, no, At(2)), Then::GiveUp);
        assert!(record.history.sends[0].refused && !record.awaits(first));
        let second = record.sends(Target::Topic(1), &workload, At(1)).number;
        let maybe = Refusal { surely_not_stored: false, ..no };
        assert_eq!(record.refused(second, maybe, At(2)), Then::SendAgain(Duration::from_secs(1)));
        let again = record.sends_again(second, &workload, At(3));
        assert_eq!(again.map(|(_, target)| target), Some(Target::Topic(1)));
        assert_eq!(record.refused(second, no, At(2)), Then::SendAgain(Duration::from_secs(1)));
        assert!(record.awaits(second) && record.history.sends[1].out_of_turn);
    }
}
