//! What a program may ask beside sending durable messages, and the answers.

use std::collections::BTreeMap;

use protocol::ids::{LogName, TopicName, UserId, Version};

use crate::{Body, LogState, Page, Target, TopicState};

/// Something that is asked of the mesh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// `CREATE_TOPIC`.
    Create { topic: TopicName, volatile: bool },
    /// `JOIN_TOPIC`.
    Join { topic: TopicName },
    /// `LEAVE_TOPIC`.
    Leave { topic: TopicName },
    /// `TOPICS`.
    Topics,
    /// `MEMBERS`.
    Members { topic: TopicName, after: Option<UserId>, limit: usize },
    /// `PRESENCE`.
    Presence { users: Vec<UserId> },
    /// `SYNC`.
    Sync { log: LogName, after: Version, limit: usize },
    /// `READ`.
    Read { log: LogName, version: Version },
    /// A send with `Volatile`.
    Volatile { target: Target, body: Body },
}

impl Request {
    /// Whether it does no harm to ask again after a broken connection. A volatile message goes at most once.
    pub fn may_repeat(&self) -> bool {
        !matches!(self, Self::Volatile { .. })
    }
}

/// What the mesh answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Done, and nothing to say about it.
    Done,
    /// A topic was created or joined.
    Topic(TopicState),
    /// The topics of the user.
    Topics(Vec<LogState>),
    /// Members of a topic.
    Members(MembersPage),
    /// Who is online.
    Presence(BTreeMap<UserId, bool>),
    /// A stretch of a log.
    Page(Page),
}

/// Some members of a topic, in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MembersPage {
    /// Their names.
    pub members: Vec<UserId>,
    /// Whether there are no more after these.
    pub complete: bool,
}
