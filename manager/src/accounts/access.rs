//! What ends access: another password, a device that is logged out; and who may be in.

use mesh::config::AuthMode;
use protocol::code::ErrorCode;
use protocol::ids::{DeviceId, Time};
use protocol::link::accounts::{Answer, NewToken, PasswordHash};
use storage::account::Device;
use storage::{Account, AccountState};

use super::login::{self, Admitted};
use crate::answers::Refusal;

/// What a password is checked against. An account that may not be used says as much as one that there is not.
pub fn credentials(account: Option<&Account>) -> Answer {
    let usable = account.filter(|account| account.claimed && account.state == AccountState::Active);
    Answer::Credentials {
        password: usable.and_then(|account| account.password.clone()),
        generation: usable.map_or(0, |account| account.generation),
    }
}

/// Takes another password, whose old one was checked under `generation`: only the device that asks may be in then, by
/// its new token.
///
/// # Errors
/// [`ErrorCode::LoginRefused`] if all tokens ended meanwhile, or the account may not be used.
pub fn set_password(
    account: &mut Account,
    password: &PasswordHash,
    generation: u64,
    (device, token): (&DeviceId, &NewToken),
    now: Time,
) -> Result<Admitted, Refusal> {
    let usable = account.claimed && account.state == AccountState::Active;
    if !usable || account.generation != generation || account.password.is_none() {
        return Err(ErrorCode::LoginRefused.into());
    }
    end_all(account, now);
    account.password = Some(password.clone());
    Ok(login::give(account.see(device, now), token, None, now))
}

/// Sets a password for an operator; nobody may be in then.
///
/// # Errors
/// The account is gone, or nobody's.
pub fn reset_password(account: &mut Account, password: &PasswordHash, now: Time) -> Result<(), Refusal> {
    if account.state == AccountState::Deleted {
        return Err(Refusal::because(ErrorCode::NameGone, "this account was deleted"));
    }
    if !account.claimed {
        let text =
            "nobody has claimed this name, which was used in mode open: add it with --adopt or --fresh";
        return Err(Refusal::because(ErrorCode::NotAllowed, text));
    }
    end_all(account, now);
    account.password = Some(password.clone());
    Ok(())
}

/// Logs one device out, or all of them. A device that is not known has nothing to lose.
pub fn end_device(account: &mut Account, device: Option<&DeviceId>, now: Time) {
    match device {
        None => end_all(account, now),
        Some(id) => {
            let known = account.devices.iter_mut().find(|device| device.id == *id);
            if let Some(device) = known {
                device.ended = now;
                put_out(device);
            }
        }
    }
}

/// Ends all tokens, those from elsewhere too. The devices stay known, with how far they have read.
pub fn end_all(account: &mut Account, now: Time) {
    account.generation += 1;
    account.ended = account.ended.max(now);
    account.devices.iter_mut().for_each(put_out);
}

fn put_out(device: &mut Device) {
    (device.admitted, device.token, device.previous) = (false, None, None);
}

/// Which devices may be in. In mode `open` whoever names them is.
pub fn who_may_be_in(account: Option<&Account>, mode: AuthMode) -> Answer {
    let may = |account: &&Account| {
        account.state == AccountState::Active && (account.claimed || mode == AuthMode::Open)
    };
    let devices = account.filter(may).map(|account| &account.devices[..]).unwrap_or_default();
    let admitted = devices.iter().filter(|device| device.admitted || mode == AuthMode::Open);
    Answer::Access {
        active: account.is_some_and(|account| may(&account)),
        devices: admitted.map(|device| device.id.clone()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use protocol::link::accounts::Proof;

    use super::super::tests::{DAY, account, device, hash, new_token};
    use super::*;

    fn stronger() -> PasswordHash {
        PasswordHash("$argon2id$another".into())
    }

    fn by_token(account: &mut Account, name: &str, token: &str) -> bool {
        let proof = Proof::Token { hash: hash(token), next: new_token("next") };
        login::log_in(account, &device(name), &proof, Time(101 * DAY)).is_ok()
    }

    /// On day 100 amy is in on her phone and her desk, by tokens of these names.
    fn two_devices() -> Account {
        let mut account = account();
        for name in ["phone", "desk"] {
            login::give(account.see(&device(name), Time(100 * DAY)), &new_token(name), None, Time(100 * DAY));
        }
        account
    }

    fn in_now(account: &Account) -> Vec<String> {
        match who_may_be_in(Some(account), AuthMode::Accounts) {
            Answer::Access { devices, .. } => devices.into_iter().map(String::from).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_token_of_a_device_that_was_ended_is_refused() {
        let mut account = two_devices();
        end_device(&mut account, Some(&device("phone")), Time(100 * DAY));
        assert_eq!(in_now(&account), ["desk"]);
        assert!(!by_token(&mut account, "phone", "phone"));
        assert!(by_token(&mut account, "desk", "desk"));
        assert_eq!(account.generation, 0, "nothing else ended");
        assert!(account.device(&device("phone")).is_some(), "it stays known, with its cursors");
    }

    #[test]
    fn a_device_that_is_not_known_ends_nothing() {
        let mut account = two_devices();
        end_device(&mut account, Some(&device("shed")), Time(100 * DAY));
        assert_eq!(account, two_devices());
    }

    #[test]
    fn everywhere_is_everywhere() {
        let mut account = two_devices();
        end_device(&mut account, None, Time(100 * DAY));
        assert!(in_now(&account).is_empty());
        for name in ["phone", "desk"] {
            assert!(!by_token(&mut account, name, name));
        }
        assert_eq!((account.generation, account.ended), (1, Time(100 * DAY)));
    }

    #[test]
    fn another_password_leaves_in_who_asked_for_it_and_nobody_else() {
        let mut account = two_devices();
        let asks = (&device("phone"), &new_token("new"));
        let admitted = set_password(&mut account, &stronger(), 0, asks, Time(100 * DAY)).unwrap();
        assert_eq!(admitted, Admitted { renewed: true, expires: Time(130 * DAY) });
        assert_eq!((in_now(&account), account.generation), (vec!["phone".to_owned()], 1));
        assert!(by_token(&mut account, "phone", "new"));
        assert!(!by_token(&mut account, "phone", "phone") && !by_token(&mut account, "desk", "desk"));
        let late = set_password(&mut account, &stronger(), 0, asks, Time(100 * DAY)).unwrap_err();
        assert_eq!(late.code(), ErrorCode::LoginRefused, "the old password was checked before it changed");
    }

    #[test]
    fn an_operator_s_password_puts_everybody_out() {
        let mut account = two_devices();
        reset_password(&mut account, &stronger(), Time(100 * DAY)).unwrap();
        assert!(in_now(&account).is_empty());
        assert_eq!((account.password.clone(), account.generation), (Some(stronger()), 1));
        account.claimed = false;
        let refused = reset_password(&mut account, &stronger(), Time(1)).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::NotAllowed);
        (account.claimed, account.state) = (true, AccountState::Deleted);
        let refused = reset_password(&mut account, &stronger(), Time(1)).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::NameGone);
    }

    #[test]
    fn what_may_not_be_used_has_no_credentials() {
        let none = Answer::Credentials { password: None, generation: 0 };
        assert_eq!(credentials(None), none);
        let mut account = Account { generation: 5, ..account() };
        let kept = Answer::Credentials { password: account.password.clone(), generation: 5 };
        assert_eq!(credentials(Some(&account)), kept);
        account.state = AccountState::Disabled;
        assert_eq!(credentials(Some(&account)), none);
        (account.state, account.claimed) = (AccountState::Active, false);
        assert_eq!(credentials(Some(&account)), none);
    }

    #[test]
    fn of_an_account_that_is_locked_or_nobody_s_none_may_be_in() {
        let out = Answer::Access { active: false, devices: Vec::new() };
        assert_eq!(who_may_be_in(None, AuthMode::Accounts), out);
        let mut account = Account { state: AccountState::Disabled, ..two_devices() };
        assert_eq!(who_may_be_in(Some(&account), AuthMode::Accounts), out);
        (account.state, account.claimed) = (AccountState::Active, false);
        assert_eq!(who_may_be_in(Some(&account), AuthMode::Accounts), out);
        let open = who_may_be_in(Some(&account), AuthMode::Open);
        assert!(matches!(open, Answer::Access { active: true, .. }), "{open:?}");
    }
}
