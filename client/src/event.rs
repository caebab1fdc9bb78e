//! What a client tells its program.

use std::borrow::Cow;
use std::time::Duration;

use protocol::ids::{DeviceId, LogName, MessageId, Time, TopicName, UserId, Version};

use crate::{Body, Reason};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A session is up: logged in, and resumed from what the program has. Sends that wait follow now.
    Connected {
        /// The msg_server's address.
        server: String,
        /// What there is to read; `None` while no manager can be reached: then nothing durable comes before one can.
        logs: Option<Vec<LogState>>,
    },
    /// A session ended; the client comes back by itself.
    Disconnected {
        /// Why.
        reason: Reason,
        /// After this long.
        coming_back_in: Duration,
    },
    /// An attempt to connect failed; the client tries again by itself.
    Retrying {
        /// Why it failed.
        reason: Reason,
        /// After this long.
        coming_back_in: Duration,
    },
    /// The client has ended, and does not come back by itself. Nothing follows.
    Ended(Reason),
    /// A message came.
    Message(Message),
    /// Versions that retention took before this device had them.
    Gap {
        /// Of which log.
        log: LogName,
        /// The first that is gone.
        first: Version,
        /// The last that is gone.
        last: Version,
    },
    /// A log ends before what this device had of it: the mesh's store was set back. It goes on from its head.
    Rewound {
        /// Which log.
        log: LogName,
        /// What this device had.
        had: Version,
        /// Where the log ends.
        head: Version,
    },
    /// Somebody has received or read a message of this user, and all that were sent to them before it.
    Receipt {
        /// Who.
        peer: UserId,
        /// The newest message that it is about.
        id: MessageId,
        /// What they did.
        mark: Mark,
    },
    /// A durable message was answered with "not now". It is sent again by itself; this is told once per message.
    Delayed {
        /// Which message.
        id: MessageId,
        /// The number of the error.
        code: u16,
        /// What the mesh says.
        message: String,
    },
}

/// What somebody did with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// One of their devices has it.
    Delivered,
    /// They have read it.
    Read,
}

impl Mark {
    /// The word on the wire: `delivered` or `read`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Read => "read",
        }
    }
}

/// A message that somebody sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The log that it stands in: an inbox (`u/<me>`) or a topic (`t/<topic>`).
    pub log: LogName,
    /// Its place there; `None`: it is volatile, and stands nowhere.
    pub version: Option<Version>,
    /// The id that its sender gave it.
    pub id: Option<MessageId>,
    /// Who sent it; oneself, if it was another of one's devices, or an earlier run of this one.
    pub from: UserId,
    /// Whom it was for, on p2p messages that oneself sent.
    pub to: Option<UserId>,
    /// The sender's device, where it was said.
    pub device: Option<DeviceId>,
    /// When it was stored, by the clock of the log's owner: for display, not for order.
    pub time: Option<Time>,
    /// What it says.
    pub body: Body,
}

impl Message {
    /// The topic that it was sent to; `None`: it is a p2p message.
    pub fn topic(&self) -> Option<TopicName> {
        self.log.topic_name()
    }

    /// Whether it is volatile.
    pub fn is_volatile(&self) -> bool {
        self.version.is_none()
    }

    /// The body as text, with marks where it is none.
    pub fn text_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body.bytes)
    }
}

/// A durable message is on disk: its place, and the time that its owner gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The log: one's own inbox, or the topic's.
    pub log: LogName,
    /// The place in it.
    pub version: Version,
    /// When it was stored.
    pub time: Option<Time>,
}

/// A log that this user reads, as login tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogState {
    /// Its name.
    pub log: LogName,
    /// The oldest version that retention has left.
    pub first: Version,
    /// The newest version; 0: the log is empty.
    pub head: Version,
    /// Up to where this device has acknowledged.
    pub cursor: Version,
    /// Up to where the user has read, on whichever device.
    pub read: Version,
    /// Whether it is a volatile topic, which has no log.
    pub volatile: bool,
}

/// A topic, as its creation or a join tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicState {
    /// Its log.
    pub log: LogName,
    /// The oldest version that retention has left.
    pub first: Version,
    /// The newest version at that moment: what follows it is pushed.
    pub head: Version,
    /// Whether it is a volatile topic, which has no log.
    pub volatile: bool,
}

/// A stretch of a log that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// What there is, in order.
    pub items: Vec<PageItem>,
    /// The oldest version that retention has left.
    pub first: Version,
    /// Where the next page goes on: ask for what is after this.
    pub next: Version,
    /// The newest version.
    pub head: Version,
    /// Whether this page reaches to the head.
    pub complete: bool,
}

impl Page {
    /// The messages in it.
    pub fn messages(&self) -> impl Iterator<Item = &Message> {
        self.items.iter().filter_map(|item| match item {
            PageItem::Message(message) => Some(message),
            PageItem::Gap { .. } => None,
        })
    }
}

/// An item of a [`Page`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageItem {
    /// A message.
    Message(Message),
    /// Versions that retention took.
    Gap {
        /// The first that is gone.
        first: Version,
        /// The last that is gone.
        last: Version,
    },
}

impl Event {
    /// Bytes that it counts for in [`crate::Options::event_bytes`].
    pub(crate) fn weight(&self) -> usize {
        const OVERHEAD: usize = 256;
        match self {
            Self::Message(message) => OVERHEAD + message.body.bytes.len(),
            Self::Connected { logs: Some(logs), .. } => OVERHEAD * (1 + logs.len()),
            _ => OVERHEAD,
        }
    }
}
