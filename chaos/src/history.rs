//! What happened in a run: what each client sent, was answered and was pushed, in order; what the logs hold at the end; which
//! process was killed when. Whether that is as promised, [`crate::check`] says.

use std::fmt;
use std::time::Duration;

use crate::message::MessageId;

/// Which log of [`History::logs`].
pub type LogNo = u32;

/// A moment: microseconds since the run began (an hour at most).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct At(pub u32);

impl At {
    /// The time from `earlier` to here; zero where that is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::from(self.0.saturating_sub(earlier.0)))
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:9.4} s", f64::from(self.0) / 1e6)
    }
}

/// A whole run.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Every client.
    pub clients: Vec<Client>,
    /// Every log.
    pub logs: Vec<Log>,
    /// What was done to the mesh, in order.
    pub incidents: Vec<Incident>,
    /// When all sends were answered and everyone was connected: from here on nobody may be reconnected.
    pub settled: Option<At>,
}

/// One client.
#[derive(Debug, Clone, Default)]
pub struct Client {
    /// Its user id.
    pub user: String,
    /// Its inbox.
    pub inbox: LogNo,
    /// The logs that are pushed to it: its inbox and its topics.
    pub follows: Vec<LogNo>,
    /// Its messages, by their number.
    pub sends: Vec<Send>,
    /// Its sessions, one after another.
    pub sessions: Vec<Session>,
    /// What it was told, in the order in which it came.
    pub seen: Vec<Seen>,
    /// Answers and packets that should not be.
    pub oddities: Vec<Oddity>,
}

/// One message, as its sender knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Send {
    /// The log that it goes to; of a p2p message the sender's inbox.
    pub log: LogNo,
    /// The recipient's inbox, for a p2p message.
    pub peer: Option<LogNo>,
    /// When it was sent first.
    pub at: At,
    /// In which session it was sent first.
    pub session: u16,
    /// When it was sent again, and in which session.
    pub again: Vec<(At, u16)>,
    /// The first `OK`: when, and the version in it.
    pub acked: Option<(At, u64)>,
    /// It was refused with `Stored: "no"` after the only time that it was sent, and given up.
    pub refused: bool,
    /// It was answered with an `ERROR` and sent again later: what was sent after it may stand before it.
    pub out_of_turn: bool,
}

/// One session of a client: from its login to the end of its connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Session {
    /// The msg_server's address.
    pub server: String,
    /// When the login was answered.
    pub began: At,
    /// When the connection ended, and why.
    pub ended: Option<(At, String)>,
    /// What `RESUME` named: per log the version after which the client wants to be pushed.
    pub resumed: Vec<(LogNo, u64)>,
    /// The session is one of a client library: what it tells of pushes and of answers has no order among the two, and it may
    /// have many connections.
    pub merged: bool,
}

/// What a client was told of one version of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// When.
    pub at: At,
    /// In which of the client's sessions.
    pub session: u16,
    /// Whether it was pushed, or is the `OK` to an own send.
    pub how: How,
    /// The log.
    pub log: LogNo,
    /// The version.
    pub version: u64,
    /// The message; `None`: it is none of ours, or its text, sender or recipient was changed.
    pub message: Option<MessageId>,
}

/// How a client heard of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It was pushed.
    Pushed,
    /// It is the answer to an own send.
    Acked,
}

/// Something that should not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oddity {
    /// When.
    pub at: At,
    /// What.
    pub what: String,
}

/// A log, read back over the wire at the end.
#[derive(Debug, Clone, Default)]
pub struct Log {
    /// Its name on the wire.
    pub name: String,
    /// Its entries, as they were read.
    pub stored: Vec<Stored>,
    /// Where it ends, by the last answer.
    pub head: u64,
    /// Why it could not be read to its end.
    pub unread: Option<String>,
}

/// An entry of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Its version.
    pub version: u64,
    /// The message; `None` as in [`Seen::message`].
    pub message: Option<MessageId>,
}

/// Something that was done to the mesh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// When.
    pub at: At,
    /// What, as `manager-0 is killed`.
    pub what: String,
}

impl History {
    /// The name of a log.
    pub fn log_name(&self, log: LogNo) -> &str {
        self.logs.get(log as usize).map_or("an unknown log", |log| &log.name)
    }

    /// What is known of a message that somebody really sent.
    pub fn send(&self, message: MessageId) -> Option<&Send> {
        self.clients.get(usize::from(message.client))?.sends.get(message.number as usize)
    }

    /// Every message with its id.
    pub fn sends(&self) -> impl Iterator<Item = (MessageId, &Send)> {
        self.clients.iter().enumerate().flat_map(|(client, one)| {
            let id = move |number| MessageId { client: client as u16, number: number as u32 };
            one.sends.iter().enumerate().map(move |(number, send)| (id(number), send))
        })
    }
}

impl Send {
    /// The logs that it has to stand in.
    pub fn logs(&self) -> impl Iterator<Item = LogNo> {
        [Some(self.log), self.peer].into_iter().flatten()
    }
}
