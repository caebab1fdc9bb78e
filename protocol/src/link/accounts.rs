//! What a msg_server asks a manager about accounts. Passwords and tokens never come this far: of a password there is the
//! hash that is kept, of a token its SHA-256; and neither is ever shown.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::account::{Device, Profile};
use crate::ids::{DeviceId, Time, UserId};

/// The SHA-256 of a token's text, in 64 hexadecimal digits: all that is ever known of it behind the msg_server.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenHash(pub String);

/// The hash of a password that is kept, as a PHC string: parameters, salt and hash.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(pub String);

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// A token that was just made, to be kept if the manager takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct NewToken {
    /// Its hash.
    pub hash: TokenHash,
    /// For how long it is good, in milliseconds.
    pub good_for: u64,
}

/// What a login in mode `accounts` rests on. The msg_server has checked what only it can check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "By", rename_all_fields = "PascalCase")]
pub enum Proof {
    /// The password was right, by the hash that was read under this generation.
    Password {
        /// The account's, when its hash was read.
        generation: u64,
        /// For the device, from now on.
        token: NewToken,
        /// The same password's hash by today's parameters, to be kept instead of a weaker one. It ends nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        renewed: Option<PasswordHash>,
    },
    /// A token of this mesh.
    Token {
        /// Its hash.
        hash: TokenHash,
        /// For the device, should the old one have served long enough.
        next: NewToken,
    },
    /// A token from elsewhere, whose signature and times were checked.
    Foreign {
        /// When it was issued: what ended access after that, ended it too.
        issued: Time,
        /// Until when it is good.
        expires: Time,
    },
}

/// A question about an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "Asks", rename_all_fields = "PascalCase")]
pub enum Question {
    /// What a password is checked against. Answered alike for a name that nobody has.
    Credentials {
        /// Whose.
        user: UserId,
    },
    /// Begin a session. Answered by [`Reply::LoggedIn`](super::request::Reply::LoggedIn).
    Login {
        /// Who.
        user: UserId,
        /// On which device.
        device: DeviceId,
        /// On what grounds.
        proof: Proof,
    },
    /// Make an account, and begin its first session. Answered as `Login`.
    Register {
        /// Under which name.
        user: UserId,
        /// The hash to keep.
        password: PasswordHash,
        /// What to show as the name; may be empty.
        display: String,
        /// The first device.
        device: DeviceId,
        /// Its token.
        token: NewToken,
    },
    /// Take another password; all tokens end but that of `device`, which is new.
    SetPassword {
        /// Whose.
        user: UserId,
        /// The hash to keep.
        password: PasswordHash,
        /// The account's, when the hash of the old password was read.
        generation: u64,
        /// The device that asks.
        device: DeviceId,
        /// Its new token.
        token: NewToken,
    },
    /// End one device's access, or that of all.
    EndDevice {
        /// Whose.
        user: UserId,
        /// Which; `None`: every one.
        device: Option<DeviceId>,
    },
    /// The account's devices.
    Devices {
        /// Whose.
        user: UserId,
    },
    /// What others see of an account.
    Profile {
        /// Whose.
        user: UserId,
    },
    /// Change what others see; what is `None` stays.
    SetProfile {
        /// Whose.
        user: UserId,
        /// What to show as the name.
        display: Option<String>,
        /// What they say about themselves.
        about: Option<String>,
    },
    /// End the account for ever.
    Delete {
        /// Whose.
        user: UserId,
        /// The account's, when the hash of its password was read; `None`: an operator asks.
        generation: Option<u64>,
    },
    /// Which devices may still be in.
    Access {
        /// Whose.
        user: UserId,
    },
    /// An operator makes an account.
    Add {
        /// Under which name.
        user: UserId,
        /// The hash to keep; `None`: for tokens from elsewhere alone.
        password: Option<PasswordHash>,
        /// What to show as the name; may be empty.
        display: String,
        /// What to do where the name has a past.
        past: Past,
    },
    /// An operator sets a password; all tokens end.
    ResetPassword {
        /// Whose.
        user: UserId,
        /// The hash to keep.
        password: PasswordHash,
    },
    /// An operator locks an account, or lets it in again.
    Disable {
        /// Whose.
        user: UserId,
        /// Locked, or not.
        disabled: bool,
    },
    /// The accounts, in the order of their names.
    List {
        /// Names after this one.
        after: Option<UserId>,
        /// At most so many, 1 to 1,000.
        limit: u32,
    },
}

/// What becomes of a name that has a log already, or belonged to an account that was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Past {
    /// The account is not made.
    #[default]
    Refuse,
    /// The account takes over what there is. Never for a deleted one.
    Adopt,
    /// The account begins with an empty inbox, without topics: what was there is never shown.
    Fresh,
}

/// An answer about an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "Of", rename_all_fields = "PascalCase")]
pub enum Answer {
    /// To `Credentials`.
    Credentials {
        /// The hash that is kept; `None`: no password opens this account, or there is none.
        password: Option<PasswordHash>,
        /// Moves whenever all tokens end.
        generation: u64,
    },
    /// To `Devices`.
    Devices {
        /// The latest first. None is marked as `this`.
        devices: Vec<Device>,
    },
    /// To `Profile` and `SetProfile`.
    Profile {
        /// As it is now.
        profile: Profile,
    },
    /// To `Access`.
    Access {
        /// Whether the account is neither disabled nor deleted.
        active: bool,
        /// The devices that may be in.
        devices: Vec<DeviceId>,
    },
    /// To `List`.
    Accounts {
        /// In the order of their names.
        accounts: Vec<Listed>,
        /// Whether there are more.
        more: bool,
    },
    /// To what ends access: `SetPassword`, `EndDevice`, `Delete`, `ResetPassword`, and `Disable` that locks.
    Ended {
        /// Taken from the numbers of logins, after the change is kept: a session whose login has a smaller number rests
        /// on what has ended; one with a greater number began afterwards.
        stamp: u64,
    },
    /// To all others.
    Done,
}

/// An account as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Listed {
    /// Its name.
    pub user: UserId,
    /// What to show as the name.
    pub display: String,
    /// When it was made.
    pub made: Time,
    /// When any of its devices logged in last, to the hour; 0: never.
    pub seen: Time,
    /// How many devices it has.
    pub devices: u32,
    /// What it is.
    pub state: State,
}

/// What an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum State {
    /// Made in mode `open`: nobody has proved that it is theirs.
    Unclaimed,
    /// In use.
    Active,
    /// Locked by an operator.
    Disabled,
    /// Gone; the name is not given again.
    Deleted,
}

/// What a login in mode `accounts` brought, beside what every login does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Welcome {
    /// Whether the new token was taken: the client must keep it.
    pub renewed: bool,
    /// Until when the token is good that the device has now.
    pub expires: Time,
}

impl Question {
    /// Whether an operator may ask it, on a link of their own.
    pub fn is_for_operators(&self) -> bool {
        matches!(
            self,
            Self::Add { .. }
                | Self::ResetPassword { .. }
                | Self::Disable { .. }
                | Self::Delete { generation: None, .. }
                | Self::List { .. }
        )
    }

    /// Whose account it is about; `None`: everybody's.
    pub fn user(&self) -> Option<&UserId> {
        match self {
            Self::Credentials { user }
            | Self::Login { user, .. }
            | Self::Register { user, .. }
            | Self::SetPassword { user, .. }
            | Self::EndDevice { user, .. }
            | Self::Devices { user }
            | Self::Profile { user }
            | Self::SetProfile { user, .. }
            | Self::Delete { user, .. }
            | Self::Access { user }
            | Self::Add { user, .. }
            | Self::ResetPassword { user, .. }
            | Self::Disable { user, .. } => Some(user),
            Self::List { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_opens_an_account_is_never_shown() {
        let user = UserId::new("amy").unwrap();
        let hash = || PasswordHash("$argon2id$v=19$m=8$c2FsdA$aGFzaA".into());
        let token = || NewToken { hash: TokenHash("ab".repeat(32)), good_for: 1 };
        let device = DeviceId::new("phone").unwrap();
        let register = Question::Register {
            user: user.clone(),
            password: hash(),
            display: String::new(),
            device,
            token: token(),
        };
        let proof = Proof::Password { generation: 1, token: token(), renewed: Some(hash()) };
        let told = Answer::Credentials { password: Some(hash()), generation: 1 };
        let shown = format!("{register:?} {proof:?} {told:?}");
        assert!(!shown.contains("abab") && !shown.contains("argon2id"), "{shown}");
        assert!(serde_json::to_string(&told).unwrap().contains("$argon2id$"));
    }

    #[test]
    fn an_operator_asks_what_no_session_may() {
        let user = || UserId::new("amy").unwrap();
        assert!(Question::Delete { user: user(), generation: None }.is_for_operators());
        assert!(!Question::Delete { user: user(), generation: Some(1) }.is_for_operators());
        assert!(!Question::Credentials { user: user() }.is_for_operators());
        assert!(Question::List { after: None, limit: 1 }.is_for_operators());
    }
}
