//! Accounts: who is let in, what a change of a record brings with it, and how a name is emptied.

use protocol::code::ErrorCode;
use protocol::ids::{DeviceId, LogName, UserId};
use protocol::lookalike::skeleton;

use super::topics::end_all;
use crate::codec::Malformed;
use crate::embedded::state::admission::has_ended;
use crate::embedded::state::change::{Change, Place};
use crate::embedded::state::draft::Draft;
use crate::embedded::state::keys;
use crate::embedded::state::view::{View, damaged, left_something};
use crate::{Account, AccountError, AccountState, AppendError, StoreError};

/// Makes the account if there is none, and notes the device; whether the account is new.
pub(crate) fn log_in<V: View>(
    draft: &mut Draft<'_, V>,
    user: &UserId,
    device: Option<&DeviceId>,
) -> Result<Result<bool, AccountError>, StoreError> {
    let stored = draft.record(user.as_str())?;
    let new = stored.is_none();
    let before = stored.unwrap_or_else(|| Account::unclaimed(user.clone(), draft.time));
    if before.state != AccountState::Active {
        return Ok(Err(AccountError::Ended(before.state)));
    }
    let mut account = before.clone();
    if let Some(device) = device {
        account.see(device, draft.time);
    }
    if new || account != before {
        write(draft, &before, account)?;
    }
    Ok(Ok(new))
}

/// Makes the account if there is none.
pub(super) fn make_account<V: View>(draft: &mut Draft<'_, V>, user: &str) -> Result<(), StoreError> {
    if draft.has(&keys::account(user))? {
        return Ok(());
    }
    let user = UserId::new(user).map_err(|_| damaged(Malformed("a user")))?;
    let account = Account::unclaimed(user, draft.time);
    write(draft, &account.clone(), account).map(drop)
}

/// Why somebody whose account is needed cannot be counted on, if so.
pub(super) fn is_not_there<V: View>(
    draft: &Draft<'_, V>,
    user: &str,
) -> Result<Option<ErrorCode>, StoreError> {
    Ok(match draft.account_meta(user)?.map(|account| account.state) {
        None => Some(ErrorCode::UnknownUser),
        Some(AccountState::Deleted) => Some(ErrorCode::NameGone),
        Some(_) => None,
    })
}

/// Why an account that a message comes from or goes to refuses it, if one does.
pub(super) fn refuses<V: View>(
    draft: &Draft<'_, V>,
    sender: &str,
    recipient: Option<&str>,
) -> Result<Option<AppendError>, StoreError> {
    if has_ended(draft, sender)? {
        return Ok(Some(AppendError::Refused(ErrorCode::NotAllowed)));
    }
    Ok(match recipient.map(|user| is_not_there(draft, user)).transpose()?.flatten() {
        Some(ErrorCode::UnknownUser) => Some(AppendError::UnknownRecipient),
        refused => refused.map(AppendError::Refused),
    })
}

/// Keeps a record if the one that is there is the expected one; its revision.
pub(crate) fn put_account<V: View>(
    draft: &mut Draft<'_, V>,
    account: &Account,
    expected: Option<u64>,
) -> Result<Result<u64, AccountError>, StoreError> {
    let stored = found(draft, &account.user)?;
    if stored.as_ref().map(|stored| stored.revision) != expected {
        return Ok(Err(AccountError::Changed));
    }
    let Some(before) = stored else {
        if let Some(other) = looks_like(draft, &account.user)? {
            return Ok(Err(AccountError::Lookalike(other)));
        }
        let nobodys = Account { life: 0, revision: 0, ..account.clone() };
        return write(draft, &nobodys, account.clone()).map(Ok);
    };
    if [&before, account].iter().any(|account| account.state == AccountState::Deleted) {
        empty(draft, &account.user)?;
    }
    write(draft, &before, account.clone()).map(Ok)
}

/// The account as [`crate::Store::account`] tells it.
fn found<V: View>(draft: &Draft<'_, V>, user: &UserId) -> Result<Option<Account>, StoreError> {
    let record = draft.record(user.as_str())?;
    if record.is_some() {
        return Ok(record);
    }
    let log = draft.log_meta(LogName::inbox(user).as_str())?;
    left_something(draft, user, log)
}

/// Whose name the new one looks like.
fn looks_like<V: View>(draft: &Draft<'_, V>, user: &UserId) -> Result<Option<UserId>, StoreError> {
    let Some(other) = draft.get(&keys::skeleton(&skeleton(user)))? else { return Ok(None) };
    let other = std::str::from_utf8(&other).ok().and_then(|other| UserId::new(other).ok());
    other.map(Some).ok_or_else(|| damaged(Malformed("a user")))
}

/// Writes the record, and what follows from it; its revision.
fn write<V: View>(
    draft: &mut Draft<'_, V>,
    before: &Account,
    mut account: Account,
) -> Result<u64, StoreError> {
    let user = account.user.clone();
    account = account.after(before);
    if before.devices.iter().any(|device| account.device(&device.id).is_none()) {
        drop_cursors(draft, &user, |device| device.is_some_and(|id| !has_device(&account, id)))?;
    }
    if account.ends_access_of(before) {
        draft.write(Change::Revised { user: user.as_str() })?;
    }
    draft.write(Change::Record { user: user.as_str(), record: &account.encode() })?;
    Ok(account.revision)
}

fn has_device(account: &Account, id: &str) -> bool {
    account.devices.iter().any(|device| device.id.as_str() == id)
}

/// Takes away all that the name stands for: memberships, cursors, and what is in the inbox.
fn empty<V: View>(draft: &mut Draft<'_, V>, user: &UserId) -> Result<(), StoreError> {
    end_all(draft, user)?;
    drop_cursors(draft, user, |_| true)?;
    let inbox = LogName::inbox(user);
    let Some(log) = draft.log_meta(inbox.as_str())? else { return Ok(()) };
    if log.first > log.head {
        return Ok(());
    }
    let (slot, log) = draft.slot(inbox.as_str())?;
    draft.write(Change::First { place: Place { slot, version: log.head + 1 } })
}

/// Drops the user's cursors on the devices that `which` names; `None` is the user's own, and that of old clients.
fn drop_cursors<V: View>(
    draft: &mut Draft<'_, V>,
    user: &UserId,
    which: impl Fn(Option<&str>) -> bool,
) -> Result<(), StoreError> {
    let prefix = keys::cursors(user.as_str());
    for (key, _) in draft.all(&prefix)? {
        let rest = keys::read_cursor(&key[prefix.len()..]);
        let (log, mark, device) = rest.ok_or_else(|| damaged(Malformed("a cursor")))?;
        if which(device) {
            draft.write(Change::Cursor { user: user.as_str(), device, log, mark, version: 0 })?;
        }
    }
    Ok(())
}

/// Why an inbox does not take half of a pair: its sender may have ended since it began, and only a name that is gone
/// must stay empty.
pub(super) fn refuses_half<V: View>(
    draft: &Draft<'_, V>,
    owner: &str,
) -> Result<Option<AppendError>, StoreError> {
    let refused = is_not_there(draft, owner)?.filter(|code| *code == ErrorCode::NameGone);
    Ok(refused.map(AppendError::Refused))
}
