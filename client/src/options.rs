//! What a client is told before it starts.

use std::fmt;
use std::time::Duration;

use protocol::ids::{DeviceId, LogName, TopicName, UserId};

use crate::Positions;

/// Whom a message is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// One person.
    User(UserId),
    /// All members of a topic.
    Topic(TopicName),
}

impl Target {
    /// The log in which the sender `me` finds what it sends there.
    pub fn log(&self, me: &UserId) -> LogName {
        match self {
            Self::User(_) => LogName::inbox(me),
            Self::Topic(topic) => LogName::topic(topic),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => user.fmt(f),
            Self::Topic(topic) => topic.fmt(f),
        }
    }
}

/// When the mesh is told that this device has a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Acks {
    /// When the program asks for the event after it: a program that dies before sees it again.
    #[default]
    Handled,
    /// When the program says so ([`crate::Client::ack`]), and only then.
    Manual,
}

/// Where a client starts in a log that [`Options::resume`] does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// After what this device has acknowledged.
    #[default]
    Cursor,
    /// After what this device has acknowledged, but with at most so many entries: older ones are passed over.
    Newest(u64),
    /// After what is there at login: only what is new.
    Head,
}

/// How long things may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timings {
    /// Between two pings. 20 s.
    pub heartbeat: Duration,
    /// An unanswered ping is a dead connection after this, if nothing else was heard either. 10 s.
    pub pong: Duration,
    /// While an answer is awaited, silence of this length is reason to ping at once. 5 s.
    pub suspicion: Duration,
    /// To connect, and for the gateway to answer. 5 s.
    pub connect: Duration,
    /// For the answers to login and resume. 15 s.
    pub login: Duration,
    /// For a request (not: a durable send), reconnects included. 15 s.
    pub request: Duration,
    /// How long acknowledgements gather before they are sent. 200 ms.
    pub ack: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(20),
            pong: Duration::from_secs(10),
            suspicion: Duration::from_secs(5),
            connect: Duration::from_secs(5),
            login: Duration::from_secs(15),
            request: Duration::from_secs(15),
            ack: Duration::from_millis(200),
        }
    }
}

/// What a client is told before it starts.
///
/// ```
/// # use client::{Acks, Options};
/// let mut options = Options::new("127.0.0.1:17000", "amy".parse()?);
/// options.device = "phone".parse()?;
/// options.acks = Acks::Manual;
/// # Ok::<_, client::NameError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Options {
    /// Host and port of the gateway.
    pub gateway: String,
    /// Who one is.
    pub user: UserId,
    /// Which of the user's devices this is; a later login of the same device ends the earlier. `default`.
    pub device: DeviceId,
    /// Versions to go on from; of logs that are not named, [`Options::start`] decides.
    pub resume: Positions,
    /// Where to start in logs that `resume` does not name.
    pub start: Start,
    /// When messages are acknowledged.
    pub acks: Acks,
    /// Bytes of durable sends that may wait for their answer; sending waits beyond that. 4 MiB.
    pub outbox_bytes: usize,
    /// Bytes of events that may wait for the program; the connection is not read beyond that. 4 MiB.
    pub event_bytes: usize,
    /// The longest packet that the mesh takes, in bytes (its `MaxFrameBytes`). 1 MiB.
    pub max_frame_bytes: usize,
    /// How long things may take.
    pub timings: Timings,
}

impl Options {
    /// The defaults, for this gateway (`host:port`) and user.
    ///
    /// # Panics
    /// Never: the name of the default device is valid.
    pub fn new(gateway: impl Into<String>, user: UserId) -> Self {
        let device = DeviceId::new("default").unwrap_or_else(|error| unreachable!("{error}"));
        Self {
            gateway: gateway.into(),
            user,
            device,
            resume: Positions::default(),
            start: Start::default(),
            acks: Acks::default(),
            outbox_bytes: 4 << 20,
            event_bytes: 4 << 20,
            max_frame_bytes: 1 << 20,
            timings: Timings::default(),
        }
    }
}
