//! Accounts: one record for each user, with the devices that they use.
//!
//! A store keeps records, and changes one only if it is still as whoever changes it has read it
//! ([`Store::put_account`](crate::Store::put_account)). What passwords and tokens mean is decided elsewhere; here they are
//! hashes, which nothing that prints a record shows.

mod bytes;
mod devices;

use protocol::ids::{Time, UserId};
use protocol::link::accounts::PasswordHash;

use crate::StoreError;

pub use devices::{DEVICES, Device, FORGET_AFTER, SEEN_EVERY, Token};

/// A user's account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Whose.
    pub user: UserId,
    /// When it was made, or made anew; 0 for one that is known by what it left behind only.
    pub made: Time,
    /// Whether somebody has proved that it is theirs. Where a name was used in mode `open` nobody has.
    pub claimed: bool,
    /// Whether it may be used.
    pub state: AccountState,
    /// The hash of its password; `None`: no password opens it.
    pub password: Option<PasswordHash>,
    /// What to show as the name; empty: the name itself.
    pub display: String,
    /// What they say about themselves.
    pub about: String,
    /// Moves whenever all of its tokens end.
    pub generation: u64,
    /// Tokens from elsewhere that were issued up to then are of no use.
    pub ended: Time,
    /// The devices, at most [`DEVICES`].
    pub devices: Vec<Device>,
    /// How many had the name before, and are gone. The store counts: what is put is not looked at.
    pub life: u64,
    /// Counts the changes of the record; 0 for one that is not stored.
    pub revision: u64,
}

/// Whether an account may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AccountState {
    /// It may.
    Active,
    /// An operator has locked it.
    Disabled,
    /// It is gone. The record stays for ever, so that the name is not given again by itself.
    Deleted,
}

/// Why an account was not changed, or not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// The record is not the expected one: read it again.
    #[error("the account has changed meanwhile")]
    Changed,
    /// The name is new and looks like that of this account.
    #[error("the name looks like that of {0}")]
    Lookalike(UserId),
    /// The account is disabled or deleted.
    #[error("the account may not be used: it is {0:?}")]
    Ended(AccountState),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Account {
    /// As the first use of a name makes it in mode `open`: nobody's yet.
    pub fn unclaimed(user: UserId, made: Time) -> Self {
        Self {
            user,
            made,
            claimed: false,
            state: AccountState::Active,
            password: None,
            display: String::new(),
            about: String::new(),
            generation: 0,
            ended: Time(0),
            devices: Vec::new(),
            life: 0,
            revision: 0,
        }
    }

    /// What the store keeps of it in the place of `before`: with the numbers that the store counts.
    pub(crate) fn after(&self, before: &Self) -> Self {
        let ends = self.state == AccountState::Deleted && before.state != AccountState::Deleted;
        Self { life: before.life + u64::from(ends), revision: before.revision + 1, ..self.clone() }
    }

    /// Whether somebody who could be in by the record `before` may not be by this one.
    pub fn ends_access_of(&self, before: &Self) -> bool {
        let may_be_in = |account: &Self| account.state == AccountState::Active;
        let is_out = |device: &&Device| !self.device(&device.id).is_some_and(|now| now.admitted);
        may_be_in(before)
            && (!may_be_in(self)
                || self.generation != before.generation
                || before.devices.iter().filter(|device| device.admitted).any(|device| is_out(&device)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::ids::DeviceId;

    fn account() -> Account {
        let mut account = Account::unclaimed(UserId::new("amy").unwrap(), Time(1));
        for (name, admitted) in [("phone", true), ("desk", false)] {
            account.see(&DeviceId::new(name).unwrap(), Time(2)).admitted = admitted;
        }
        account
    }

    #[test]
    fn access_ends_with_the_state_the_generation_or_a_device_that_was_in() {
        let before = account();
        let ends = |change: fn(&mut Account)| {
            let mut after = account();
            change(&mut after);
            after.ends_access_of(&before)
        };
        assert!(ends(|after| after.state = AccountState::Disabled));
        assert!(ends(|after| after.generation += 1));
        assert!(ends(|after| after.devices[0].admitted = false));
        assert!(ends(|after| drop(after.devices.remove(0))));
        assert!(!ends(|after| drop(after.devices.remove(1))), "it was not in");
        assert!(!ends(|after| after.display = "Amy".into()));
        assert!(!ends(|after| after.devices[1].admitted = true));
    }

    #[test]
    fn nobody_is_in_who_could_not_come_in_before() {
        let mut before = account();
        before.state = AccountState::Disabled;
        assert!(!account().ends_access_of(&before));
    }
}
