//! Who is let in, and with which token next.

use protocol::code::ErrorCode;
use protocol::ids::{DeviceId, Time, UserId};
use protocol::link::accounts::{NewToken, PasswordHash, Proof, TokenHash};
use storage::account::{Device, Token};
use storage::{Account, AccountState};

use super::names;

/// A token is replaced once it has served for so great a part of the time that a new one is good for.
const SERVES: u64 = 4;

/// Somebody who was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admitted {
    /// Whether the device has the new token now.
    pub renewed: bool,
    /// Until when what it has is good.
    pub expires: Time,
}

/// The account that a login is for. A token from elsewhere makes one, where the name has none and no past.
///
/// # Errors
/// [`ErrorCode::LoginRefused`] if there is none.
pub fn account_for(
    stored: Option<Account>,
    user: &UserId,
    proof: &Proof,
    now: Time,
) -> Result<Account, ErrorCode> {
    match (stored, proof) {
        (Some(account), _) => Ok(account),
        (None, Proof::Foreign { .. }) => Ok(names::new(user, &names::Wanted::default(), now)),
        (None, _) => Err(ErrorCode::LoginRefused),
    }
}

/// Lets a device in on what it has shown. Why it is not let in is nobody's business: every refusal is the same.
///
/// # Errors
/// [`ErrorCode::LoginRefused`].
pub fn log_in(
    account: &mut Account,
    device: &DeviceId,
    proof: &Proof,
    now: Time,
) -> Result<Admitted, ErrorCode> {
    account.forget_unseen(now);
    let usable = account.claimed && account.state == AccountState::Active;
    let admitted = match proof {
        _ if !usable => None,
        Proof::Password { generation, token, renewed } => {
            by_password(account, device, *generation, (token, renewed.as_ref()), now)
        }
        Proof::Token { hash, next } => by_token(account, device, hash, next, now),
        Proof::Foreign { issued, expires } => by_foreign(account, device, *issued, *expires, now),
    };
    admitted.ok_or(ErrorCode::LoginRefused)
}

fn by_password(
    account: &mut Account,
    device: &DeviceId,
    generation: u64,
    (token, renewed): (&NewToken, Option<&PasswordHash>),
    now: Time,
) -> Option<Admitted> {
    // The hash that it was checked against is not that of the account any more.
    if account.generation != generation || account.password.is_none() {
        return None;
    }
    if let Some(renewed) = renewed {
        account.password = Some(renewed.clone());
    }
    Some(give(account.see(device, now), token, None, now))
}

fn by_token(
    account: &mut Account,
    device: &DeviceId,
    hash: &TokenHash,
    next: &NewToken,
    now: Time,
) -> Option<Admitted> {
    let known = account.device(device)?;
    let is_it = |token: &&Token| token.hash == *hash && token.expires > now;
    let current = known.token.as_ref().filter(is_it).cloned();
    // The newest never arrived, or its login did not: the one before is good until one that is newer has been used.
    let used = current.clone().or_else(|| known.previous.as_ref().filter(is_it).cloned())?;
    let device = account.see(device, now);
    let served = now.0.saturating_sub(used.issued.0);
    if current.is_none() || served >= next.good_for / SERVES {
        return Some(give(device, next, Some(used), now));
    }
    device.previous = None;
    Some(Admitted { renewed: false, expires: used.expires })
}

fn by_foreign(
    account: &mut Account,
    device: &DeviceId,
    issued: Time,
    expires: Time,
    now: Time,
) -> Option<Admitted> {
    let ended = account.device(device).map_or(account.ended, |device| device.ended.max(account.ended));
    let was_ended = ended > Time(0) && issued <= ended;
    if was_ended || expires <= now {
        return None;
    }
    account.see(device, now).admitted = true;
    Some(Admitted { renewed: false, expires })
}

/// Gives the device a token, beside the one that it came with.
pub fn give(device: &mut Device, token: &NewToken, previous: Option<Token>, now: Time) -> Admitted {
    let expires = Time(now.0.saturating_add(token.good_for));
    device.admitted = true;
    device.token = Some(Token { hash: token.hash.clone(), issued: now, expires });
    device.previous = previous;
    Admitted { renewed: true, expires }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{DAY, account, device, hash, new_token};
    use super::*;
    use storage::account::DEVICES;

    fn password(generation: u64, token: &str) -> Proof {
        Proof::Password { generation, token: new_token(token), renewed: None }
    }

    fn token(hash_of: &str, next: &str) -> Proof {
        Proof::Token { hash: hash(hash_of), next: new_token(next) }
    }

    fn foreign(issued: u64, expires: u64) -> Proof {
        Proof::Foreign { issued: Time(issued), expires: Time(expires) }
    }

    const REFUSED: Result<Admitted, ErrorCode> = Err(ErrorCode::LoginRefused);

    /// A day's login of a device.
    #[track_caller]
    fn on(account: &mut Account, name: &str, proof: Proof, day: u64) -> Result<Admitted, ErrorCode> {
        log_in(account, &device(name), &proof, Time(day * DAY))
    }

    fn kept(day: u64) -> Result<Admitted, ErrorCode> {
        Ok(Admitted { renewed: false, expires: Time(day * DAY) })
    }

    fn new(day: u64) -> Result<Admitted, ErrorCode> {
        Ok(Admitted { renewed: true, expires: Time(day * DAY) })
    }

    #[test]
    fn a_password_gives_a_device_a_token_that_lets_it_in_again() {
        let mut account = account();
        assert_eq!(on(&mut account, "phone", password(0, "a"), 100), new(130));
        assert_eq!(on(&mut account, "phone", token("a", "b"), 101), kept(130));
        assert_eq!(on(&mut account, "phone", token("b", "c"), 101), REFUSED, "it was never taken");
        assert_eq!(on(&mut account, "desk", token("a", "b"), 101), REFUSED, "it is another device's");
    }

    #[test]
    fn a_password_whose_hash_was_read_before_it_changed_is_refused() {
        let mut account = account();
        account.generation = 3;
        for stale in [2, 4] {
            assert_eq!(on(&mut account, "phone", password(stale, "a"), 1), REFUSED);
        }
        account.password = None;
        assert_eq!(on(&mut account, "phone", password(3, "a"), 1), REFUSED, "none opens it");
    }

    #[test]
    fn a_stronger_hash_of_the_same_password_is_kept_and_ends_nothing() {
        let mut account = account();
        let renewed = Some(PasswordHash("$argon2id$stronger".into()));
        let proof = Proof::Password { generation: 0, token: new_token("a"), renewed: renewed.clone() };
        assert_eq!(on(&mut account, "phone", proof, 1), new(31));
        assert_eq!((account.password, account.generation), (renewed, 0));
    }

    #[test]
    fn an_expired_token_is_refused() {
        let mut account = account();
        on(&mut account, "phone", password(0, "a"), 100).unwrap();
        let last = Time(130 * DAY - 1);
        assert!(log_in(&mut account.clone(), &device("phone"), &token("a", "b"), last).is_ok());
        assert_eq!(on(&mut account, "phone", token("a", "b"), 130), REFUSED);
    }

    #[test]
    fn a_token_that_has_served_for_a_quarter_of_its_time_is_replaced() {
        let mut account = account();
        on(&mut account, "phone", password(0, "a"), 100).unwrap();
        assert_eq!(on(&mut account, "phone", token("a", "b"), 107), kept(130));
        assert_eq!(on(&mut account, "phone", token("a", "b"), 108), new(138));
        assert_eq!(on(&mut account, "phone", token("b", "c"), 109), kept(138));
        assert_eq!(on(&mut account, "phone", token("a", "d"), 109), REFUSED, "the new one was used since");
    }

    #[test]
    fn whoever_never_received_the_new_token_comes_in_by_the_old_one_again_and_again() {
        let mut account = account();
        on(&mut account, "phone", password(0, "a"), 100).unwrap();
        assert_eq!(on(&mut account, "phone", token("a", "b"), 110), new(140));
        assert_eq!(on(&mut account, "phone", token("a", "c"), 111), new(141));
        assert_eq!(on(&mut account, "phone", token("b", "d"), 111), REFUSED, "nobody has it");
        assert_eq!(on(&mut account, "phone", token("a", "d"), 112), new(142));
        assert_eq!(on(&mut account, "phone", token("d", "e"), 113), kept(142));
        assert_eq!(on(&mut account, "phone", token("a", "e"), 113), REFUSED);
    }

    #[test]
    fn the_old_token_is_good_for_no_longer_than_it_was() {
        let mut account = account();
        on(&mut account, "phone", password(0, "a"), 100).unwrap();
        on(&mut account, "phone", token("a", "b"), 129).unwrap();
        assert_eq!(on(&mut account, "phone", token("a", "c"), 130), REFUSED);
        assert_eq!(on(&mut account, "phone", token("b", "c"), 130), kept(159));
    }

    #[test]
    fn a_password_ends_the_tokens_that_the_device_had() {
        let mut account = account();
        on(&mut account, "phone", password(0, "a"), 100).unwrap();
        on(&mut account, "phone", token("a", "b"), 110).unwrap();
        on(&mut account, "phone", password(0, "c"), 110).unwrap();
        for old in ["a", "b"] {
            assert_eq!(on(&mut account, "phone", token(old, "d"), 110), REFUSED);
        }
    }

    #[test]
    fn the_seventeenth_device_takes_the_place_of_the_longest_unseen_which_is_out() {
        let mut account = account();
        for n in 0..=DEVICES as u64 {
            on(&mut account, &n.to_string(), password(0, &n.to_string()), n + 1).unwrap();
        }
        assert_eq!(account.devices.len(), DEVICES);
        assert_eq!(on(&mut account, "0", token("0", "x"), 20), REFUSED);
        assert!(on(&mut account, "1", token("1", "y"), 20).is_ok());
    }

    #[test]
    fn a_device_unseen_for_ninety_days_is_forgotten_whatever_its_token_says() {
        let mut account = account();
        let long = NewToken { good_for: 365 * DAY, ..new_token("a") };
        let proof = Proof::Password { generation: 0, token: long, renewed: None };
        on(&mut account, "phone", proof, 100).unwrap();
        assert!(on(&mut account.clone(), "phone", token("a", "b"), 189).is_ok());
        assert_eq!(on(&mut account, "phone", token("a", "b"), 190), REFUSED);
        assert!(account.devices.is_empty());
    }

    #[test]
    fn nobody_logs_in_where_nobody_may() {
        for (claimed, state) in
            [(false, AccountState::Active), (true, AccountState::Disabled), (true, AccountState::Deleted)]
        {
            let mut account = account();
            on(&mut account, "phone", password(0, "a"), 100).unwrap();
            (account.claimed, account.state) = (claimed, state);
            let untouched = account.clone();
            for proof in [password(0, "b"), token("a", "b"), foreign(0, 1_000 * DAY)] {
                assert_eq!(on(&mut account, "phone", proof, 100), REFUSED, "{claimed} {state:?}");
            }
            assert_eq!(account, untouched);
        }
    }

    #[test]
    fn a_token_from_elsewhere_is_good_unless_access_ended_after_it_was_issued() {
        let mut account = account();
        assert_eq!(on(&mut account, "phone", foreign(99 * DAY, 101 * DAY), 100), kept(101));
        assert!(account.device(&device("phone")).unwrap().admitted);
        assert_eq!(on(&mut account, "phone", foreign(99 * DAY, 100 * DAY), 100), REFUSED, "expired");
        assert!(on(&mut account, "desk", foreign(0, 200 * DAY), 100).is_ok(), "it says nothing of when");
        account.ended = Time(100 * DAY);
        for issued in [0, 99 * DAY, 100 * DAY] {
            assert_eq!(on(&mut account, "phone", foreign(issued, 200 * DAY), 101), REFUSED);
        }
        assert_eq!(on(&mut account, "phone", foreign(100 * DAY + 1, 200 * DAY), 101), kept(200));
    }

    #[test]
    fn a_token_from_elsewhere_is_no_good_on_a_device_that_was_ended_since() {
        let mut account = account();
        for name in ["phone", "desk"] {
            on(&mut account, name, foreign(99 * DAY, 200 * DAY), 100).unwrap();
        }
        super::super::access::end_device(&mut account, Some(&device("phone")), Time(101 * DAY));
        assert_eq!(on(&mut account, "phone", foreign(99 * DAY, 200 * DAY), 102), REFUSED);
        assert!(on(&mut account, "desk", foreign(99 * DAY, 200 * DAY), 102).is_ok());
        assert!(on(&mut account, "phone", foreign(102 * DAY, 200 * DAY), 103).is_ok());
        for n in 0..DEVICES {
            on(&mut account, &n.to_string(), password(0, "a"), 120).unwrap();
        }
        assert_eq!(account.device(&device("phone")), None);
        assert_eq!(on(&mut account, "phone", foreign(99 * DAY, 200 * DAY), 120), REFUSED, "it is remembered");
    }

    #[test]
    fn a_token_from_elsewhere_makes_the_account_and_a_password_does_not() {
        let user = UserId::new("new").unwrap();
        let made = account_for(None, &user, &foreign(0, 1), Time(7)).unwrap();
        assert_eq!((made.claimed, made.password, made.made), (true, None, Time(7)));
        for proof in [password(0, "a"), token("a", "b")] {
            assert_eq!(account_for(None, &user, &proof, Time(7)), Err(ErrorCode::LoginRefused));
        }
        let nobodys = Account::unclaimed(user.clone(), Time(1));
        let mut found = account_for(Some(nobodys), &user, &foreign(0, 9 * DAY), Time(7)).unwrap();
        assert_eq!(
            on(&mut found, "phone", foreign(0, 9 * DAY), 1),
            REFUSED,
            "a name with a past is not given"
        );
    }
}
