//! What a msg_server asks a manager for, and news between processes: JSON, because it is rare and is to be
//! readable in a capture. Unknown keys are ignored by every reader.

use serde::{Deserialize, Serialize};

use super::accounts;
use crate::access::{History, Join};
use crate::account::Invite;
use crate::code::ErrorCode;
use crate::ids::{DeviceId, LogName, MessageId, TopicName, UserId, Version};

/// A question to a manager.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "Do", rename_all_fields = "PascalCase")]
pub enum Request {
    /// A session begins: the account is made if there is none (mode `open`).
    Login {
        /// Who.
        user: UserId,
        /// On which device; `None` stands for all old clients together.
        device: Option<DeviceId>,
    },
    /// "Anything after v?": the bounds of these logs.
    Bounds {
        /// The logs, at most 1,000.
        logs: Vec<LogName>,
    },
    /// Make a topic; the user becomes its first member.
    CreateTopic {
        /// The topic.
        topic: TopicName,
        /// Its creator.
        user: UserId,
        /// Whether its messages are volatile.
        volatile: bool,
        /// Whom it is to take, where that was said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        join: Option<Join>,
        /// How much of it its members are to read, where that was said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        history: Option<History>,
        /// Whom a new topic takes where it was not said.
        #[serde(default)]
        otherwise: Join,
    },
    /// Make the user a member.
    JoinTopic {
        /// The topic.
        topic: TopicName,
        /// Who.
        user: UserId,
        /// The device whose cursors the answer is to name.
        device: Option<DeviceId>,
    },
    /// End the user's membership.
    LeaveTopic {
        /// The topic.
        topic: TopicName,
        /// Who.
        user: UserId,
    },
    /// Let somebody into a topic.
    InviteTopic {
        /// The topic.
        topic: TopicName,
        /// Whom.
        user: UserId,
        /// Who invites.
        by: UserId,
    },
    /// Put somebody out of a topic. Answered by [`Reply::Done`].
    RemoveFromTopic {
        /// The topic.
        topic: TopicName,
        /// Whom.
        user: UserId,
        /// Who does it.
        by: UserId,
    },
    /// End a topic for ever. Answered by [`Reply::Done`].
    DissolveTopic {
        /// The topic.
        topic: TopicName,
        /// Who does it.
        by: UserId,
    },
    /// The topics that a user is a member of.
    Topics {
        /// Who.
        user: UserId,
    },
    /// Which of these are members of a topic?
    MembersAmong {
        /// The topic.
        topic: TopicName,
        /// At most 1,000 users.
        users: Vec<UserId>,
    },
    /// The members of a topic, in the order of their names.
    Members {
        /// The topic.
        topic: TopicName,
        /// Who asks: only members may.
        user: UserId,
        /// Names after this one.
        after: Option<UserId>,
        /// At most so many, 1 to 1,000.
        limit: u32,
    },
    /// Move a cursor forward; never back.
    MoveCursor {
        /// Whose.
        user: UserId,
        /// Of which device; `None` for `Read`, and for old clients.
        device: Option<DeviceId>,
        /// In which log.
        log: LogName,
        /// Which cursor.
        mark: Mark,
        /// To where.
        version: Version,
    },
    /// About an account.
    Account {
        /// What.
        question: accounts::Question,
    },
}

/// What a cursor says of the entries up to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Mark {
    /// The device has them.
    Received,
    /// The user has read them, on whichever device.
    Read,
}

impl Mark {
    /// The word in a `RECEIPT`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Received => "delivered",
            Self::Read => "read",
        }
    }
}

/// A manager's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "Is", rename_all_fields = "PascalCase")]
pub enum Reply {
    /// To `Login`.
    LoggedIn {
        /// The manager's clock, in microseconds since 1970; greater than in any answer before.
        stamp: u64,
        /// The user's inbox first, then the logs of the topics.
        logs: Vec<LogState>,
        /// Counts the changes of the user's memberships.
        revision: u64,
        /// Topics that the user may join.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        invites: Vec<Invite>,
        /// In mode `accounts`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        welcome: Option<accounts::Welcome>,
    },
    /// To `Bounds`, in the order asked.
    Bounds {
        /// One for each log.
        bounds: Vec<LogBounds>,
    },
    /// To `CreateTopic` and `JoinTopic`.
    Joined {
        /// The topic's log.
        log: LogState,
        /// Whether the user was a member before.
        already: bool,
    },
    /// To `LeaveTopic`.
    Left,
    /// To `InviteTopic`.
    Invited {
        /// Whether the user was neither a member nor invited before.
        news: bool,
    },
    /// To `Topics`.
    Topics {
        /// Each with its state, without cursors.
        topics: Vec<LogState>,
        /// Topics that the user may join.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        invites: Vec<Invite>,
    },
    /// To `MembersAmong`.
    Among {
        /// Those who are.
        members: Vec<UserId>,
        /// The topic's count of ended memberships, read before the members were.
        revision: u64,
    },
    /// To `Members`.
    Members {
        /// In the order of their names.
        members: Vec<UserId>,
        /// Whether there are more.
        more: bool,
    },
    /// To `MoveCursor`.
    Moved {
        /// For each sender of a message that the cursor passed, the newest such message.
        receipts: Vec<Receipt>,
    },
    /// To `Account`.
    Account {
        /// What is so.
        answer: accounts::Answer,
    },
    /// It was done.
    Done,
    /// It was refused.
    Refused {
        /// The number of the [`ErrorCode`].
        code: u16,
        /// For people.
        message: String,
    },
}

impl Reply {
    /// A refusal with the code's own meaning as its text.
    pub fn refused(code: ErrorCode) -> Self {
        Self::Refused { code: code.number(), message: code.meaning().to_owned() }
    }
}

/// "The messages up to this one": to its sender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Receipt {
    /// The messages' sender.
    pub sender: UserId,
    /// The newest of them.
    pub id: MessageId,
}

/// A log as its reader finds it. This is also what login's `OK` lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct LogState {
    /// The log.
    pub log: LogName,
    /// The first version that retention has left.
    pub first: Version,
    /// The newest version.
    pub head: Version,
    /// How far this device has received.
    pub cursor: Version,
    /// How far the user has read.
    #[serde(default)]
    pub read: Version,
    /// Whether it is a volatile topic, which has no log.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub volatile: bool,
    /// The reader sees nothing up to here: they joined after it, a topic that shows its members what comes after that.
    #[serde(default, skip_serializing_if = "Version::is_zero")]
    pub since: Version,
}

/// Where a log begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct LogBounds {
    /// The first version that retention has left; 1 where it took nothing.
    pub first: Version,
    /// The newest version; 0 in an empty log.
    pub head: Version,
    /// For an inbox: counts the changes of the user's memberships. For a topic: counts the memberships that ended.
    #[serde(default)]
    pub revision: u64,
    /// The topic was dissolved: nobody reads it any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
}

/// News between processes that is nobody's state: losing it costs time, never a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "News", rename_all_fields = "PascalCase")]
pub enum Notice {
    /// router to msg_servers: one of its other links came or went, so something may have been lost on it.
    PeerChanged {
        /// The msg_server's address.
        addr: String,
        /// Came, or went.
        up: bool,
    },
    /// router to msg_servers that follow the user's inbox: a session began elsewhere.
    SessionBegan {
        /// Whose.
        user: UserId,
        /// On which device; `None`: an old client.
        device: Option<DeviceId>,
        /// When it logged in: an earlier login of the same device ends.
        stamp: u64,
        /// The address of the msg_server where it is: of two logins with one stamp, that of the greater address stays.
        #[serde(default)]
        at: String,
    },
    /// msg_server to router to msg_servers that follow the user's inbox: read the memberships again.
    MembershipChanged {
        /// Whose.
        user: UserId,
    },
    /// manager to msg_servers: the user is a member no longer.
    MembershipEnded {
        /// Of which topic.
        topic: TopicName,
        /// Who.
        user: UserId,
        /// The topic's count of ended memberships, with this one.
        revision: u64,
    },
    /// manager to msg_servers: the topic is no more.
    TopicDissolved {
        /// Which.
        topic: TopicName,
    },
    /// msg_server to router to every other msg_server: sessions that are no longer allowed end, and tokens that were
    /// known are known no longer.
    AccessEnded {
        /// Whose.
        user: UserId,
        /// On which device; `None`: on all.
        device: Option<DeviceId>,
        /// But not on this one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kept: Option<DeviceId>,
        /// Those whose login has a smaller number: whoever logged in anew since then is let be.
        before: u64,
        /// The number of the [`DisconnectCode`](crate::code::DisconnectCode) under which they end.
        code: u16,
    },
    /// msg_server to router to msg_servers that follow the user's inbox: the user was let into a topic.
    Invited {
        /// Who was.
        user: UserId,
        /// Into which.
        topic: TopicName,
        /// By whom.
        by: UserId,
    },
    /// msg_server to router to msg_servers that follow the sender's inbox: a message was received or read.
    Receipt {
        /// Who is to hear of it: the message's sender.
        user: UserId,
        /// Who received or read.
        peer: UserId,
        /// The newest of the messages.
        id: MessageId,
        /// Received or read.
        mark: Mark,
    },
    /// msg_server to a manager that links, before any question: the managers' clock, by which the later of two logins is told,
    /// goes on from here, though the manager's own be behind.
    Clock {
        /// What it shows at least, in microseconds since 1970.
        shows: u64,
    },
    /// msg_server to router: which of these are online anywhere?
    WhoIsOnline {
        /// The question's number on the msg_server.
        ask: u64,
        /// At most 1,000 users.
        users: Vec<UserId>,
    },
    /// router to msg_server: these are.
    Online {
        /// The question's number.
        ask: u64,
        /// Those of the users asked for that are online.
        users: Vec<UserId>,
    },
}

/// Which of the other msg_servers a router passes news on to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience<'a> {
    /// Those that follow this user's inbox.
    FollowersOf(&'a UserId),
    /// Every one.
    Everybody,
    /// None: it is for the router itself, or from it.
    Nobody,
}

impl Notice {
    /// Whom the router passes it on to.
    pub fn audience(&self) -> Audience<'_> {
        match self {
            Self::SessionBegan { user, .. }
            | Self::MembershipChanged { user }
            | Self::Invited { user, .. }
            | Self::Receipt { user, .. } => Audience::FollowersOf(user),
            // A msg_server without a session of the user may still know one of their tokens.
            Self::AccessEnded { .. } => Audience::Everybody,
            Self::PeerChanged { .. }
            | Self::MembershipEnded { .. }
            | Self::TopicDissolved { .. }
            | Self::Clock { .. }
            | Self::WhoIsOnline { .. }
            | Self::Online { .. } => Audience::Nobody,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_reads_back_and_ignores_what_it_does_not_know() {
        let json = r#"{"Do":"Login","User":"amy","Device":null,"Later":[1]}"#;
        let login = Request::Login { user: UserId::new("amy").unwrap(), device: None };
        assert_eq!(serde_json::from_str::<Request>(json).unwrap(), login);
        assert_eq!(serde_json::to_string(&login).unwrap(), r#"{"Do":"Login","User":"amy","Device":null}"#);
    }

    #[test]
    fn a_name_that_breaks_the_rules_does_not_get_past_the_edge() {
        assert!(serde_json::from_str::<Request>(r#"{"Do":"Topics","User":"a b"}"#).is_err());
    }
}
