//! What may happen in a history: the script that is replayed, and shortened when it fails.

use std::fmt;

use crate::node::Node;

/// One thing that happens. What makes no sense at its moment changes nothing, so that any part of a script is a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Up to `count` messages arrive that are on their way from one node to another; what follows from them is one turn.
    Deliver {
        /// Sender.
        from: Node,
        /// Receiver.
        to: Node,
        /// How many.
        count: u8,
    },
    /// A client connects.
    Connect {
        /// Which.
        client: u8,
        /// To which msg_server.
        server: u8,
    },
    /// A client ends its connection, and stays away.
    Leave {
        /// Which.
        client: u8,
    },
    /// A client sends.
    Send {
        /// Which.
        client: u8,
        /// Where to, among all users and topics.
        to: u8,
    },
    /// A client sends again what was not answered.
    Resend {
        /// Which.
        client: u8,
    },
    /// The store of a manager commits what was gathered.
    Commit {
        /// Which.
        manager: u8,
    },
    /// The same, but the manager dies after so many writes.
    TornCommit {
        /// Which.
        manager: u8,
        /// Writes before its end.
        writes: u8,
    },
    /// A manager sends an answer.
    Answer {
        /// Which manager.
        manager: u8,
        /// Which answer.
        which: u8,
    },
    /// A manager begins to refuse everything as too much, or ends it.
    Busy {
        /// Which.
        manager: u8,
        /// Begins.
        busy: bool,
    },
    /// A manager begins to drain: it answers what it has taken, and takes nothing more.
    Drain {
        /// Which.
        manager: u8,
    },
    /// A process is killed.
    Kill {
        /// Which.
        node: Node,
        /// How much of what it had sent still arrives, in 16ths.
        keep: u8,
    },
    /// A process is started again.
    Start {
        /// Which.
        node: Node,
    },
    /// What is between two nodes breaks.
    Break {
        /// Who dialled.
        dialer: Node,
        /// The msg_server.
        server: u8,
        /// How many messages still arrive at the dialer.
        keep: u8,
    },
    /// A node notices that a link of it is dead.
    Notice {
        /// Which.
        at: Node,
        /// Who was at the other end.
        of: Node,
    },
    /// A router or a manager dials a msg_server.
    Dial {
        /// Who.
        dialer: Node,
        /// The msg_server.
        server: u8,
    },
    /// Time passes.
    Pass {
        /// Milliseconds.
        ms: u32,
    },
    /// Retention takes all of a log but so many of its newest entries.
    Trim {
        /// Among all logs.
        log: u8,
        /// How many stay.
        keep: u8,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deliver { from, to, count } => {
                write!(f, "{from} → {to}: {count} message(s) at most arrive")
            }
            Self::Connect { client, server } => write!(f, "C{client} connects to S{server}"),
            Self::Leave { client } => write!(f, "C{client} leaves"),
            Self::Send { client, to } => write!(f, "C{client} sends to #{to}"),
            Self::Resend { client } => write!(f, "C{client} sends again what was not answered"),
            Self::Commit { manager } => write!(f, "M{manager} commits"),
            Self::TornCommit { manager, writes } => {
                write!(f, "M{manager} commits, and dies after {writes} write(s)")
            }
            Self::Answer { manager, which } => write!(f, "M{manager} answers #{which}"),
            Self::Busy { manager, busy } => {
                write!(f, "M{manager} is {}", if *busy { "too busy" } else { "free again" })
            }
            Self::Drain { manager } => write!(f, "M{manager} drains"),
            Self::Kill { node, keep } => write!(f, "{node} is killed ({keep}/16 of what it sent arrives)"),
            Self::Start { node } => write!(f, "{node} starts"),
            Self::Break { dialer, server, keep } => {
                write!(f, "the link {dialer}–S{server} breaks ({keep} message(s) still arrive at {dialer})")
            }
            Self::Notice { at, of } => write!(f, "{at} notices that its link to {of} is dead"),
            Self::Dial { dialer, server } => write!(f, "{dialer} dials S{server}"),
            Self::Pass { ms } => write!(f, "{ms} ms pass"),
            Self::Trim { log, keep } => write!(f, "retention leaves {keep} entries of log #{log}"),
        }
    }
}
