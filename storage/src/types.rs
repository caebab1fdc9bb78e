//! What goes into a store and what comes out.

use bytes::Bytes;
use protocol::account::Invite;
use protocol::code::ErrorCode;
use protocol::content::Entry;
use protocol::ids::{DeviceId, LogName, Time, TopicName, UserId, Version};
use protocol::link::request::{LogState, Mark};

use crate::Account;
use crate::topic::{Relation, Topic};

/// A message to be appended to one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// Where to. For a topic the sender must be a member.
    pub log: LogName,
    /// The encoded [`protocol::content::Content`], checked by whoever made it.
    pub content: Bytes,
    /// The first half of a pair whose second half is not there yet ([`crate::pair`]).
    pub open: bool,
}

/// Where a message was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Its version.
    pub version: Version,
    /// When it was stored first, by the store's clock.
    pub time: Time,
    /// Whether it was there before this call.
    pub duplicate: bool,
    /// Of a topic: how many memberships of it have ended by now; else 0.
    pub revision: u64,
}

/// Where a p2p message was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PairAppended {
    /// In the sender's inbox.
    pub sender: Appended,
    /// In the recipient's inbox; the same as `sender` for a message to oneself.
    pub recipient: Appended,
}

/// Whether something that failed may have happened after all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// It did not happen and will not.
    Not,
    /// It may have happened, or may yet.
    Maybe,
}

/// Why a message was not appended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The sender may not do this.
    #[error("{}", .0.meaning())]
    Refused(ErrorCode),
    /// The recipient has no account.
    #[error("the recipient has never logged in")]
    UnknownRecipient,
    /// The sender used this id before, for other content or another recipient.
    #[error("the message id was used for another message")]
    IdReused,
    /// More bytes than one entry may have.
    #[error("the message has {bytes} bytes; an entry may have {limit}")]
    TooLarge {
        /// Bytes it has.
        bytes: usize,
        /// Bytes it may have.
        limit: usize,
    },
    /// The store failed.
    #[error("{error}")]
    Failed {
        /// Why.
        error: StoreError,
        /// Whether it may be stored all the same.
        certainty: Certainty,
    },
}

/// Why a store could not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It cannot write: the text names the cause and what to do.
    #[error("the store cannot write: {0}")]
    Unwritable(String),
    /// It cannot read: the text names the cause and what to do.
    #[error("the store cannot read: {0}")]
    Unreadable(String),
    /// It is closed.
    #[error("the store is closed")]
    Closed,
}

/// Which entries to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadRange {
    /// The log.
    pub log: LogName,
    /// Entries after this one.
    pub after: Version,
    /// At most so many entries, at least 1.
    pub max_entries: usize,
    /// At most so many bytes of content, but at least one entry.
    pub max_bytes: usize,
}

/// Entries of a log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The first version that retention has left; 1 where it took nothing.
    pub first: Version,
    /// The newest version at that moment; 0 in an empty log.
    pub head: Version,
    /// Oldest first, versions without a hole.
    pub entries: Vec<Entry>,
    /// Of a topic: how many memberships of it had ended before this was read; else 0.
    pub revision: u64,
    /// The topic was dissolved: there is nothing to be read any more.
    pub gone: bool,
}

/// The state that a login finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedIn {
    /// The inbox first, then the topics that the user is a member of.
    pub logs: Vec<LogState>,
    /// Counts the changes of the user's memberships.
    pub revision: u64,
    /// Topics that the user may join, as [`Store::topics_of`](crate::Store::topics_of) gives them.
    pub invites: Vec<Invite>,
    /// Whether the account was made by this login.
    pub new: bool,
}

/// What a store takes on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Space {
    /// Bytes that its log takes.
    pub bytes: u64,
    /// About how many of them nothing needs any more; `None` as long as that was not looked at.
    pub dead: Option<u64>,
}

/// A cursor to be moved, or where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CursorMove {
    /// Whose.
    pub user: UserId,
    /// Of which device; `None` for [`Mark::Read`] and for old clients.
    pub device: Option<DeviceId>,
    /// In which log.
    pub log: LogName,
    /// Which.
    pub mark: Mark,
    /// To where.
    pub version: Version,
}

/// The first half of a pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenPair {
    /// Its version in the sender's inbox.
    pub version: Version,
    /// The message.
    pub content: Bytes,
}

/// One thing of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Restored {
    /// An account.
    Account(Box<Account>),
    /// A topic.
    Topic(Topic),
    /// How somebody stands to a topic.
    Relation(TopicName, UserId, Relation),
    /// An entry with its version. Those of one log come in the order of their versions, without a hole.
    Entry(LogName, Entry),
    /// The first version of a log that retention has left.
    First(LogName, Version),
    /// A cursor.
    Cursor(CursorMove),
}
