//! Topics: their rules, and how users stand to them.

use protocol::access::{History, Join, Standing};
use protocol::account::Invite;
use protocol::code::ErrorCode;
use protocol::ids::{Time, TopicName, UserId, Version};
use protocol::link::request::LogState;

use crate::StoreError;

/// At most so many invitations are listed of one user, in the order of the topics' names.
pub const MOST_INVITES: usize = 100;

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: TopicName,
    /// Who made it.
    pub creator: UserId,
    /// When.
    pub created: Time,
    /// What it is from then on.
    pub rules: Rules,
    /// It is no more, and its name is not given again.
    pub dissolved: bool,
    /// Which owner of the creator's name made it ([`crate::Account::life`]): whoever is given the name later has not.
    pub creator_life: u64,
}

/// What a topic is from its creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rules {
    /// Whether its messages are volatile.
    pub volatile: bool,
    /// Whom it takes.
    pub join: Join,
    /// How much of it its members read.
    pub history: History,
}

impl Rules {
    const VOLATILE: u64 = 1;
    const INVITE: u64 = 2;
    const FROM_JOIN: u64 = 4;

    /// As a number, for files.
    pub(crate) fn bits(self) -> u64 {
        let bit = |set, bit| if set { bit } else { 0 };
        bit(self.volatile, Self::VOLATILE)
            | bit(self.join == Join::Invite, Self::INVITE)
            | bit(self.history == History::FromJoin, Self::FROM_JOIN)
    }

    /// What [`Rules::bits`] made a number of; further bits are the caller's.
    pub(crate) fn from_bits(bits: u64) -> Self {
        Self {
            volatile: bits & Self::VOLATILE != 0,
            join: if bits & Self::INVITE == 0 { Join::Open } else { Join::Invite },
            history: if bits & Self::FROM_JOIN == 0 { History::All } else { History::FromJoin },
        }
    }
}

/// What of a topic goes into one number, for files: beside its rules, whether it was dissolved, and the life of its
/// creator's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Traits {
    pub rules: Rules,
    pub dissolved: bool,
    pub creator_life: u64,
}

impl Traits {
    const DISSOLVED: u64 = 1 << 16;
    const LIFE: u32 = 20;

    pub fn bits(self) -> u64 {
        let dissolved = if self.dissolved { Self::DISSOLVED } else { 0 };
        self.rules.bits() | dissolved | self.creator_life << Self::LIFE
    }

    pub fn from_bits(bits: u64) -> Self {
        let (rules, dissolved) = (Rules::from_bits(bits), bits & Self::DISSOLVED != 0);
        Self { rules, dissolved, creator_life: bits >> Self::LIFE }
    }
}

/// A topic that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: TopicName,
    /// Who makes it.
    pub creator: UserId,
    /// Whether its messages are to be volatile.
    pub volatile: bool,
    /// Whom it is to take, where that was said.
    pub join: Option<Join>,
    /// How much of it its members are to read, where that was said; else everything.
    pub history: Option<History>,
    /// Whom it takes where that was not said.
    pub otherwise: Join,
}

impl NewTopic {
    /// A durable one, which where nothing else is said is open to everybody and read from its beginning.
    pub fn new(name: TopicName, creator: UserId) -> Self {
        Self { name, creator, volatile: false, join: None, history: None, otherwise: Join::Open }
    }

    /// What it is to be.
    pub fn rules(&self) -> Rules {
        let (join, history) = (self.join.unwrap_or(self.otherwise), self.history.unwrap_or_default());
        Rules { volatile: self.volatile, join, history }
    }

    /// Whether a topic with these rules is what is wanted: where nothing was said, anything is.
    pub fn is_met_by(&self, rules: Rules) -> bool {
        rules.volatile == self.volatile
            && self.join.is_none_or(|join| join == rules.join)
            && self.history.is_none_or(|history| history == rules.history)
    }
}

/// How somebody stands to a topic, as it is kept; whoever has nothing to do with it has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Relation {
    /// A member, who reads what comes after this version.
    Member {
        /// Zero where they read everything.
        since: Version,
    },
    /// Somebody who was invited.
    Invited {
        /// By whom.
        by: UserId,
    },
    /// Somebody who was put out.
    Removed,
}

impl Relation {
    /// The standing that [`protocol::access`] decides by.
    pub fn standing(relation: Option<&Self>, is_creator: bool) -> Standing {
        match (relation, is_creator) {
            (Some(Self::Member { .. }), true) => Standing::Creator,
            (Some(Self::Member { .. }), false) => Standing::Member,
            (Some(Self::Removed), _) => Standing::Removed,
            (Some(Self::Invited { .. }), _) | (None, true) => Standing::Invited,
            (None, false) => Standing::Stranger,
        }
    }

    /// Whether it is a membership.
    pub fn is_member(&self) -> bool {
        matches!(self, Self::Member { .. })
    }

    /// After which version they read; zero for whoever is no member.
    pub fn since(&self) -> Version {
        match self {
            Self::Member { since } => *since,
            _ => Version::ZERO,
        }
    }
}

/// The topics of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicsOf {
    /// Those that the user is a member of, as the user finds them, without cursors.
    pub topics: Vec<LogState>,
    /// Those that the user was invited to.
    pub invites: Vec<Invite>,
}

/// A membership after it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The topic's log as this user finds it.
    pub log: LogState,
    /// Whether the user was a member before.
    pub already: bool,
}

/// Why something was not done to a topic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// Whoever wants it may not do it, or it cannot be done.
    #[error("{}", .0.meaning())]
    Refused(ErrorCode),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ErrorCode> for TopicError {
    fn from(code: ErrorCode) -> Self {
        Self::Refused(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_a_number_and_back() {
        for bits in 0..8 {
            assert_eq!(Rules::from_bits(bits).bits(), bits);
        }
        assert_eq!(Rules::from_bits(0), Rules::default());
        assert_eq!(Rules::from_bits(1), Rules { volatile: true, ..Rules::default() });
    }

    #[test]
    fn a_wish_that_names_no_rule_is_met_by_any() {
        let (name, creator) = (TopicName::new("garden").unwrap(), UserId::new("amy").unwrap());
        let any = NewTopic { otherwise: Join::Invite, ..NewTopic::new(name, creator) };
        let open = Rules::default();
        assert_eq!(any.rules(), Rules { join: Join::Invite, ..open });
        assert!(any.is_met_by(open));
        assert!(!any.is_met_by(Rules { volatile: true, ..open }));
        assert!(!NewTopic { join: Some(Join::Invite), ..any.clone() }.is_met_by(open));
        assert!(!NewTopic { history: Some(History::FromJoin), ..any }.is_met_by(open));
    }

    #[test]
    fn who_made_a_topic_may_come_back_and_who_was_put_out_may_not() {
        let member = Relation::Member { since: Version(3) };
        assert_eq!(Relation::standing(Some(&member), false), Standing::Member);
        assert_eq!(Relation::standing(Some(&member), true), Standing::Creator);
        assert_eq!(Relation::standing(None, true), Standing::Invited);
        assert_eq!(Relation::standing(None, false), Standing::Stranger);
        assert_eq!(Relation::standing(Some(&Relation::Removed), false), Standing::Removed);
    }
}
