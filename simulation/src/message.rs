//! What travels over the wires: the mesh's own frames as their bytes, and what clients and msg_servers say, in short.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use protocol::channel::Channel;
use protocol::code::DisconnectCode;
use protocol::content::{Content, Entry};
use protocol::event::Stored;
use protocol::ids::{DeviceId, LogName, UserId, Version};
use protocol::link::request::LogState;
use protocol::link::{Direction, Frame, Outcome};

/// One message on a wire.
#[derive(Debug, Clone)]
pub enum Message {
    /// A process says who it is: stands for the whole handshake.
    Hello {
        /// Its `UUID`.
        uuid: String,
    },
    /// A process subscribes to a channel.
    Subscribe(Channel),
    /// A frame between processes, with its length.
    Frame(Bytes),
    /// A client asks.
    Request(Request),
    /// A msg_server tells a client.
    Event(Event),
}

/// What a client may ask.
#[derive(Debug, Clone)]
pub enum Request {
    /// `SEND_CLIENT_ID`.
    Login {
        /// Who.
        user: UserId,
        /// On which device.
        device: DeviceId,
    },
    /// `RESUME`.
    Resume(BTreeMap<LogName, Version>),
    /// A durable message.
    Send {
        /// The request's number on its connection.
        seq: u64,
        /// The message's id.
        id: String,
        /// Where to.
        to: Target,
        /// Bytes that it has besides its text.
        ballast: usize,
    },
}

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// To a user.
    User(UserId),
    /// To a topic's log.
    Topic(LogName),
}

/// What a client is told.
#[derive(Debug, Clone)]
pub enum Event {
    /// The login's `OK`; `None`: there was no manager.
    LoggedIn(Option<Vec<LogState>>),
    /// The resume's answer.
    Resumed {
        /// It was an `ERROR`.
        refused: bool,
    },
    /// A send's `OK`.
    Acked {
        /// The request's number.
        seq: u64,
        /// Where it was stored.
        log: LogName,
        /// Its place there.
        version: Version,
    },
    /// A send's `ERROR`.
    Refused {
        /// The request's number.
        seq: u64,
        /// Whether it may be stored.
        stored: Stored,
    },
    /// An entry is pushed.
    Push(LogName, Entry),
    /// The session is ended: a `DISCONNECT`.
    Ended(DisconnectCode),
    /// Retention took what is after the first and not after the second.
    Gap(LogName, Version, Version),
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hello { uuid } => write!(f, "I am {uuid}"),
            Self::Subscribe(channel) => write!(f, "SUBSCRIBE {channel}"),
            Self::Frame(frame) => match Frame::parse(frame.get(4..).unwrap_or_default()) {
                Ok(frame) => describe(&frame, f),
                Err(error) => write!(f, "unreadable: {error}"),
            },
            Self::Request(request) => write!(f, "{request}"),
            Self::Event(event) => write!(f, "{event}"),
        }
    }
}

fn describe(frame: &Frame<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match frame {
        Frame::Append(append) => {
            write!(f, "append #{} to {}: {}", append.ask, append.log, id_of(append.content))
        }
        Frame::Appended(appended) => match &appended.outcome {
            Outcome::Stored(at) => {
                write!(f, "append #{} is stored as {}/{}", appended.ask, at.version, at.peer_version)
            }
            Outcome::Refused { code, stored, .. } => {
                write!(f, "append #{} is refused: {code}, stored: {stored:?}", appended.ask)
            }
        },
        Frame::Send(send) => write!(f, "{} version {}: {}", send.log, send.version, id_of(send.content)),
        Frame::Read(read) => write!(f, "read #{} of {} after {}", read.ask, read.log, read.after),
        Frame::Page(page) => {
            let versions: Vec<u64> = page.entries.iter().map(|entry| entry.version).collect();
            write!(f, "page #{}: {versions:?}, head {}", page.ask, page.head)
        }
        Frame::Change(change) => {
            let what = if change.direction == Direction::Begin { "follows" } else { "stops to follow" };
            write!(f, "change {}: {what} {}", change.number, change.log)
        }
        Frame::Confirm(confirm) => write!(f, "up to {}", confirm.number),
        Frame::Ask(ask, json) => write!(f, "ask #{ask}: {}", String::from_utf8_lossy(json)),
        Frame::Answer(ask, json) => write!(f, "answer #{ask}: {}", String::from_utf8_lossy(json)),
        Frame::Notice(json) => write!(f, "notice: {}", String::from_utf8_lossy(json)),
        other => write!(f, "{other:?}"),
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Login { user, device } => write!(f, "log in as {user} on {device}"),
            Self::Resume(positions) => {
                write!(f, "resume")?;
                positions.iter().try_for_each(|(log, version)| write!(f, " {log} after {version}"))
            }
            Self::Send { seq, id, to: Target::User(user), .. } => write!(f, "send #{seq} to {user}: {id}"),
            Self::Send { seq, id, to: Target::Topic(log), .. } => write!(f, "send #{seq} to {log}: {id}"),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LoggedIn(None) => write!(f, "logged in, without a manager"),
            Self::LoggedIn(Some(logs)) => {
                write!(f, "logged in;")?;
                logs.iter().try_for_each(|log| write!(f, " {} ends at {}", log.log, log.head))
            }
            Self::Resumed { refused } => write!(f, "{}", if *refused { "resume refused" } else { "resumed" }),
            Self::Acked { seq, log, version } => write!(f, "#{seq} is {log} version {version}"),
            Self::Refused { seq, stored } => write!(f, "#{seq} is refused, stored: {stored:?}"),
            Self::Push(log, entry) => write!(f, "{log} version {}: {}", entry.version, id_of(&entry.content)),
            Self::Ended(code) => write!(f, "the session is ended: {}", code.meaning()),
            Self::Gap(log, after, upto) => write!(f, "{log}: gone after {after}, up to {upto}"),
        }
    }
}

/// The id under which the ledger knows a message: its body, which nothing on its way may change.
pub fn id_of(content: &[u8]) -> String {
    let body = Content::parse(content).map(|content| content.body.to_vec());
    String::from_utf8_lossy(&body.unwrap_or_default()).into_owned()
}
