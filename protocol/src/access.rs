//! Who may do what, on what: the one table that the checks, the documentation and their test are made from.
//!
//! A command's row ([`of`]) says when it is taken, which scope a token must have for it, and what it is done to. The
//! msg_server asks the row before it does anything. What is done to a topic is an [`Act`], and the store asks
//! [`may`] at the moment of the act, with the standing that it finds there and then: so nothing that was known
//! earlier, elsewhere or by a client is believed.

use serde::{Deserialize, Serialize};

use crate::code::ErrorCode;
use crate::command::name;

/// When a command is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// From anybody who is connected.
    Before,
    /// From a session that is logged in.
    In,
}

/// A part of what an account may do, which a token may be limited to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Scope {
    /// Read messages, and say how far.
    Read = 1,
    /// Send messages.
    Send = 2,
    /// Make, join, leave and manage topics.
    Topics = 4,
    /// Change the account: password, profile, devices.
    Account = 8,
}

/// A set of scopes: what a session may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scopes(u8);

/// What a command is done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Object {
    /// To nothing that belongs to anybody.
    Nothing,
    /// To the session itself.
    Session,
    /// To another user's inbox: whoever has an account may be written to.
    Person,
    /// To logs: the own inbox, and topics by [`Act::Read`].
    Logs,
    /// To the own account and its devices.
    Account,
    /// To a topic.
    Topic(Act),
}

/// What can be done to a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Act {
    /// Make it. The name decides, not a standing: there must be none of that name yet.
    Create,
    /// Become a member.
    Join,
    /// Be a member no longer.
    Leave,
    /// Append to its log, or send a volatile message to its members.
    Send,
    /// Read its log, and move marks in it.
    Read,
    /// Learn who its members are.
    Members,
    /// Let somebody in.
    Invite,
    /// Put somebody out.
    Remove,
    /// End it for ever.
    Dissolve,
}

/// How a user stands to a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// They have nothing to do with each other.
    Stranger,
    /// May become a member: was invited, or made the topic and left it.
    Invited,
    /// Is a member.
    Member,
    /// Is a member, and made the topic.
    Creator,
    /// Was put out, and not invited again.
    Removed,
}

/// Whom a topic takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Join {
    /// Whoever comes.
    #[default]
    Open,
    /// Whom its creator has invited.
    Invite,
}

/// How much of a topic a member reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum History {
    /// Everything.
    #[default]
    All,
    /// What comes after they joined.
    FromJoin,
}

/// A command's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The command.
    pub command: &'static str,
    /// When it is taken.
    pub login: Login,
    /// Which scope it needs; `None`: none.
    pub scope: Option<Scope>,
    /// What it is done to.
    pub object: Object,
}

/// Every command that a client may send to a msg_server.
pub const TABLE: &[Row] = &[
    before(name::SEND_PING, Object::Nothing),
    before(name::SEND_CLIENT_ID, Object::Session),
    before(name::SEND_CLIENT_ID_FOR_TOPIC, Object::Session),
    before(name::REGISTER, Object::Session),
    row(name::RESUME, Scope::Read, Object::Logs),
    row(name::SYNC, Scope::Read, Object::Logs),
    row(name::ACK, Scope::Read, Object::Logs),
    row(name::READ, Scope::Read, Object::Logs),
    row(name::P2P_ACK, Scope::Read, Object::Logs),
    row(name::SEND_MESSAGE_P2P, Scope::Send, Object::Person),
    row(name::SEND_MESSAGE_TOPIC, Scope::Send, Object::Topic(Act::Send)),
    row(name::PRESENCE, Scope::Read, Object::Nothing),
    row(name::TOPICS, Scope::Read, Object::Account),
    row(name::MEMBERS, Scope::Read, Object::Topic(Act::Members)),
    row(name::CREATE_TOPIC, Scope::Topics, Object::Topic(Act::Create)),
    row(name::JOIN_TOPIC, Scope::Topics, Object::Topic(Act::Join)),
    row(name::LEAVE_TOPIC, Scope::Topics, Object::Topic(Act::Leave)),
    row(name::INVITE_TOPIC, Scope::Topics, Object::Topic(Act::Invite)),
    row(name::REMOVE_FROM_TOPIC, Scope::Topics, Object::Topic(Act::Remove)),
    row(name::DISSOLVE_TOPIC, Scope::Topics, Object::Topic(Act::Dissolve)),
    row(name::PROFILE, Scope::Read, Object::Nothing),
    row(name::SET_PROFILE, Scope::Account, Object::Account),
    row(name::DEVICES, Scope::Account, Object::Account),
    row(name::END_DEVICE, Scope::Account, Object::Account),
    row(name::PASSWD, Scope::Account, Object::Account),
    row(name::DELETE_ACCOUNT, Scope::Account, Object::Account),
    Row { scope: None, ..row(name::LOGOUT, Scope::Account, Object::Session) },
];

const fn before(command: &'static str, object: Object) -> Row {
    Row { command, login: Login::Before, scope: None, object }
}

const fn row(command: &'static str, scope: Scope, object: Object) -> Row {
    Row { command, login: Login::In, scope: Some(scope), object }
}

/// The command's row; `None` if a client may not send it at all.
pub fn of(command: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.command == command)
}

impl Row {
    /// Whether a session may ask for it: `scopes` of one that is logged in, `None` of one that is not.
    ///
    /// # Errors
    /// The code under which it is refused.
    pub fn admits(&self, scopes: Option<Scopes>) -> Result<(), ErrorCode> {
        match (self.login, scopes) {
            (Login::Before, _) => Ok(()),
            (Login::In, None) => Err(ErrorCode::NotLoggedIn),
            (Login::In, Some(scopes)) if self.scope.is_none_or(|scope| scopes.has(scope)) => Ok(()),
            (Login::In, Some(_)) => Err(ErrorCode::OutOfScope),
        }
    }
}

impl Act {
    /// Every act, in the order of the table in the documentation.
    pub const ALL: [Self; 9] = [
        Self::Create,
        Self::Join,
        Self::Leave,
        Self::Send,
        Self::Read,
        Self::Members,
        Self::Invite,
        Self::Remove,
        Self::Dissolve,
    ];

    /// Which standings are enough, in a topic that takes whom `join` says.
    pub const fn enough(self, join: Join) -> &'static [Standing] {
        use Standing::{Creator, Invited, Member, Removed, Stranger};
        match (self, join) {
            (Self::Create | Self::Leave, _) => &[Stranger, Invited, Member, Creator, Removed],
            (Self::Join, Join::Open) => &[Stranger, Invited, Member, Creator],
            (Self::Join, Join::Invite) => &[Invited, Member, Creator],
            (Self::Send | Self::Read | Self::Members, _) => &[Member, Creator],
            (Self::Invite | Self::Remove | Self::Dissolve, _) => &[Creator],
        }
    }

    /// Whom it cannot be done to, whoever does it.
    pub const fn spares(self) -> &'static [Standing] {
        match self {
            Self::Remove => &[Standing::Creator],
            _ => &[],
        }
    }

    /// The code under which a standing that is not enough is refused.
    const fn refusal(self, standing: Standing) -> ErrorCode {
        match (self, standing) {
            (Self::Join, _) => ErrorCode::NotInvited,
            (Self::Invite | Self::Remove | Self::Dissolve, Standing::Member) => ErrorCode::NotAllowed,
            _ => ErrorCode::NotAMember,
        }
    }
}

/// Whether somebody of this standing may do that to a topic.
///
/// # Errors
/// The code under which it is refused.
pub fn may(act: Act, standing: Standing, join: Join) -> Result<(), ErrorCode> {
    if act.enough(join).contains(&standing) { Ok(()) } else { Err(act.refusal(standing)) }
}

/// Whether it may be done to somebody of this standing, by somebody who may do it.
///
/// # Errors
/// The code under which it is refused.
pub fn may_befall(act: Act, whom: Standing) -> Result<(), ErrorCode> {
    if act.spares().contains(&whom) { Err(ErrorCode::NotAllowed) } else { Ok(()) }
}

impl Scopes {
    /// What a password gives, and mode `open`.
    pub const ALL: Self = Self(15);
    /// What a token from elsewhere gives that names no scopes: all but changing the account, which is kept elsewhere.
    pub const FOREIGN: Self = Self(7);

    /// Whether `scope` is one of them.
    pub fn has(self, scope: Scope) -> bool {
        self.0 & scope as u8 != 0
    }

    /// Reads names of scopes, with spaces between them, as in a token's claim `scope` (RFC 8693, section 4.2). A name
    /// that is not ours gives nothing.
    pub fn parse(names: &str) -> Self {
        let known = |name: &str| Scope::ALL.into_iter().find(|scope| scope.name() == name);
        Self(names.split(' ').filter_map(known).fold(0, |bits, scope| bits | scope as u8))
    }
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::Read, Self::Send, Self::Topics, Self::Account];

    /// Its name in a token.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Send => "send",
            Self::Topics => "topics",
            Self::Account => "account",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_has_one_row() {
        for (at, row) in TABLE.iter().enumerate() {
            assert_eq!(of(row.command), Some(row));
            assert!(TABLE[..at].iter().all(|other| other.command != row.command), "{}", row.command);
        }
        assert_eq!(of(name::LINK_HELLO), None);
    }

    #[test]
    fn a_stranger_to_the_mesh_may_only_come_in() {
        let admitted: Vec<_> =
            TABLE.iter().filter(|row| row.admits(None).is_ok()).map(|row| row.command).collect();
        assert_eq!(
            admitted,
            [name::SEND_PING, name::SEND_CLIENT_ID, name::SEND_CLIENT_ID_FOR_TOPIC, name::REGISTER]
        );
    }

    #[test]
    fn a_token_does_what_its_scopes_say_and_no_more() {
        let readers = Some(Scopes::parse("read nonsense"));
        let admits = |command, scopes| of(command).unwrap().admits(scopes);
        assert_eq!(admits(name::SYNC, readers), Ok(()));
        assert_eq!(admits(name::SEND_MESSAGE_P2P, readers), Err(ErrorCode::OutOfScope));
        assert_eq!(admits(name::PASSWD, Some(Scopes::FOREIGN)), Err(ErrorCode::OutOfScope));
        assert_eq!(admits(name::LOGOUT, Some(Scopes::parse(""))), Ok(()));
        assert!(TABLE.iter().all(|row| row.admits(Some(Scopes::ALL)).is_ok()));
    }

    #[test]
    fn a_topic_by_invitation_lets_no_stranger_in_and_keeps_out_who_was_removed() {
        use Standing::{Creator, Invited, Member, Removed, Stranger};
        assert_eq!(may(Act::Join, Stranger, Join::Open), Ok(()));
        assert_eq!(may(Act::Join, Stranger, Join::Invite), Err(ErrorCode::NotInvited));
        assert_eq!(may(Act::Join, Invited, Join::Invite), Ok(()));
        for join in [Join::Open, Join::Invite] {
            assert_eq!(may(Act::Join, Removed, join), Err(ErrorCode::NotInvited));
            for act in [Act::Send, Act::Read, Act::Members] {
                for (standing, enough) in
                    [(Stranger, false), (Invited, false), (Removed, false), (Member, true), (Creator, true)]
                {
                    assert_eq!(may(act, standing, join).is_ok(), enough, "{act:?} {standing:?}");
                }
            }
            for act in [Act::Invite, Act::Remove, Act::Dissolve] {
                assert_eq!(may(act, Member, join), Err(ErrorCode::NotAllowed));
                assert_eq!(may(act, Stranger, join), Err(ErrorCode::NotAMember));
                assert_eq!(may(act, Creator, join), Ok(()));
            }
        }
    }

    #[test]
    fn nobody_puts_out_the_creator() {
        assert_eq!(may_befall(Act::Remove, Standing::Creator), Err(ErrorCode::NotAllowed));
        assert_eq!(may_befall(Act::Remove, Standing::Member), Ok(()));
        assert_eq!(may_befall(Act::Invite, Standing::Creator), Ok(()));
    }
}
