//! What [`Model`] promises of accounts.

use protocol::code::ErrorCode;
use protocol::ids::{DeviceId, LogName, Time, UserId, Version};
use protocol::lookalike::skeleton;

use super::model::{Model, after_name, in_the_way};
use crate::{Account, AccountError, AccountState, AppendError, LoggedIn, StoreError};

impl Model {
    pub fn account(&self, user: &UserId) -> Option<Account> {
        let stored = self.accounts.get(user).cloned();
        stored.or_else(|| self.left_something(user).then(|| Account::unclaimed(user.clone(), Time(0))))
    }

    fn left_something(&self, user: &UserId) -> bool {
        self.bounds(&LogName::inbox(user)).head > Version(0)
            || self.relations.keys().any(|(_, of)| of == user)
            || self.cursors.keys().any(|(of, ..)| of == user)
    }

    pub fn accounts(&self, after: Option<&UserId>, limit: usize) -> Vec<Account> {
        let names = after_name(self.accounts.keys(), after, limit);
        names.iter().filter_map(|name| self.accounts.get(name).cloned()).collect()
    }

    pub fn log_in(&mut self, user: &UserId, device: Option<&DeviceId>) -> Result<LoggedIn, AccountError> {
        let stored = self.accounts.get(user).cloned();
        let new = stored.is_none();
        let mut account = stored.clone().unwrap_or_else(|| Account::unclaimed(user.clone(), self.now));
        if account.state != AccountState::Active {
            return Err(AccountError::Ended(account.state));
        }
        if let Some(device) = device {
            account.see(device, self.now);
        }
        if stored.is_none_or(|stored| stored != account) {
            let gone = self.loses_devices(&account);
            self.put_record(&account);
            if gone {
                self.drop_cursors_of_gone_devices(user);
            }
        }
        Ok(self.logged_in(user, device, new))
    }

    /// Makes the account if there is none.
    pub fn make_account(&mut self, user: &UserId) {
        if !self.accounts.contains_key(user) {
            self.put_record(&Account::unclaimed(user.clone(), self.now));
        }
    }

    /// Whether the record may be put; before anything of it is.
    pub fn check_put(&self, account: &Account, expected: Option<u64>) -> Result<(), AccountError> {
        let stored = self.account(&account.user);
        if stored.as_ref().map(|stored| stored.revision) != expected {
            return Err(AccountError::Changed);
        }
        match self.skeletons.get(&skeleton(&account.user)) {
            Some(other) if stored.is_none() => Err(AccountError::Lookalike(other.clone())),
            _ => Ok(()),
        }
    }

    /// Puts the record in the place of whatever is there; its revision.
    pub fn put_record(&mut self, account: &Account) -> u64 {
        let user = &account.user;
        let nobodys = Account { life: 0, revision: 0, ..account.clone() };
        let before = self.account(user).unwrap_or(nobodys);
        if account.ends_access_of(&before) {
            self.revise(user);
        }
        let account = account.after(&before);
        let revision = account.revision;
        let owner = self.skeletons.entry(skeleton(user)).or_insert_with(|| user.clone());
        if user < owner {
            user.clone_into(owner);
        }
        self.accounts.insert(user.clone(), account);
        revision
    }

    pub fn revise(&mut self, user: &UserId) {
        *self.revisions.entry(user.clone()).or_default() += 1;
    }

    /// Whether the record that is there has devices that this one has not.
    pub fn loses_devices(&self, account: &Account) -> bool {
        let before = self.accounts.get(&account.user);
        before.is_some_and(|before| before.devices.iter().any(|device| account.device(&device.id).is_none()))
    }

    pub fn drop_cursors_of_gone_devices(&mut self, user: &UserId) {
        let Some(account) = self.accounts.get(user) else { return };
        self.cursors.retain(|(of, device, ..), _| {
            of != user || device.as_ref().is_none_or(|device| account.device(device).is_some())
        });
    }

    pub fn drop_cursors(&mut self, user: &UserId) {
        self.cursors.retain(|(of, ..), _| of != user);
    }

    pub fn restore_account(&mut self, account: &Account) -> Result<(), StoreError> {
        match self.accounts.get(&account.user) {
            Some(there) if there == account => Ok(()),
            Some(_) => Err(in_the_way()),
            None => {
                self.put_record(account);
                self.accounts.insert(account.user.clone(), account.clone());
                Ok(())
            }
        }
    }

    /// Why an inbox does not take half of a pair.
    pub fn check_half(&self, owner: &UserId) -> Result<(), AppendError> {
        if self.is_gone(owner) { Err(AppendError::Refused(ErrorCode::NameGone)) } else { Ok(()) }
    }

    /// Why the accounts refuse a message between two people, or to oneself.
    pub fn check_pair(&self, sender: &UserId, recipient: &UserId) -> Result<(), AppendError> {
        if self.has_ended(sender) {
            return Err(AppendError::Refused(ErrorCode::NotAllowed));
        }
        if sender != recipient && !self.accounts.contains_key(recipient) {
            return Err(AppendError::UnknownRecipient);
        }
        self.check_half(recipient)
    }

    /// How many had the name before.
    pub fn life(&self, user: &UserId) -> u64 {
        self.accounts.get(user).map_or(0, |account| account.life)
    }

    pub fn has_ended(&self, user: &UserId) -> bool {
        self.accounts.get(user).is_some_and(|account| account.state != AccountState::Active)
    }

    pub fn is_gone(&self, user: &UserId) -> bool {
        self.accounts.get(user).is_some_and(|account| account.state == AccountState::Deleted)
    }
}
