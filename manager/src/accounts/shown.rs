//! What is shown of an account: to its owner, to others, to operators. Never a hash.

use protocol::account::{Device, Profile};
use protocol::code::ErrorCode;
use protocol::link::accounts::{Answer, Listed, State};
use storage::{Account, AccountState};

use crate::answers::Refusal;

/// The devices that may be in, the latest first.
pub fn devices(account: &Account) -> Answer {
    let mut devices: Vec<_> = account.devices.iter().filter(|device| device.admitted).collect();
    devices.sort_by(|one, other| (other.seen, &one.id).cmp(&(one.seen, &other.id)));
    let shown = devices.into_iter();
    let shown = shown.map(|device| Device { device: device.id.clone(), seen: device.seen.0, this: false });
    Answer::Devices { devices: shown.collect() }
}

/// What others see.
///
/// # Errors
/// [`ErrorCode::NameGone`] if there is nothing left to see.
pub fn profile(account: &Account) -> Result<Answer, Refusal> {
    if account.state == AccountState::Deleted {
        return Err(ErrorCode::NameGone.into());
    }
    let (user, display, about) = (account.user.clone(), account.display.clone(), account.about.clone());
    Ok(Answer::Profile { profile: Profile { user, display, about } })
}

/// Changes what others see; what is `None` stays.
///
/// # Errors
/// As [`profile`].
pub fn set(account: &mut Account, display: Option<&str>, about: Option<&str>) -> Result<Answer, Refusal> {
    for (kept, text) in [(&mut account.display, display), (&mut account.about, about)] {
        if let Some(text) = text {
            text.clone_into(kept);
        }
    }
    profile(account)
}

/// What operators see.
pub fn listed(account: &Account) -> Listed {
    Listed {
        user: account.user.clone(),
        display: account.display.clone(),
        made: account.made,
        seen: account.devices.iter().map(|device| device.seen).max().unwrap_or_default(),
        devices: u32::try_from(account.devices.len()).unwrap_or(u32::MAX),
        state: state(account),
    }
}

fn state(account: &Account) -> State {
    match account.state {
        AccountState::Deleted => State::Deleted,
        AccountState::Disabled => State::Disabled,
        AccountState::Active if account.claimed => State::Active,
        AccountState::Active => State::Unclaimed,
    }
}

#[cfg(test)]
mod tests {
    use protocol::ids::Time;

    use super::super::tests::{account, device};
    use super::*;

    #[test]
    fn the_latest_device_that_may_be_in_comes_first() {
        let mut account = account();
        for (name, seen, admitted) in
            [("desk", 5, true), ("phone", 9, true), ("out", 99, false), ("a", 5, true)]
        {
            let device = account.see(&device(name), Time(seen));
            (device.admitted, device.seen) = (admitted, Time(seen));
        }
        let Answer::Devices { devices } = devices(&account) else { panic!("no devices") };
        let shown: Vec<_> = devices.iter().map(|device| (device.device.as_str(), device.seen)).collect();
        assert_eq!(shown, [("phone", 9), ("a", 5), ("desk", 5)]);
        let listed = listed(&account);
        assert_eq!((listed.devices, listed.seen, listed.state), (4, Time(99), State::Active));
    }

    #[test]
    fn a_profile_changes_where_it_is_told_to() {
        let mut account = account();
        set(&mut account, Some("Amy"), Some("gardens")).unwrap();
        set(&mut account, None, Some("")).unwrap();
        assert_eq!((&*account.display, &*account.about), ("Amy", ""));
        account.state = AccountState::Deleted;
        assert_eq!(set(&mut account, Some("Amy"), None).unwrap_err().code(), ErrorCode::NameGone);
    }
}
