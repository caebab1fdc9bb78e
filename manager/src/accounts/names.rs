//! Names: who is given one, what becomes of a name with a past, and how one ends.

use protocol::code::ErrorCode;
use protocol::ids::{Time, UserId};
use protocol::link::accounts::{PasswordHash, Past};
use storage::{Account, AccountState};

use super::access::end_all;
use crate::answers::Refusal;

/// What a new account is to have.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The hash of its password; `None`: it is for tokens from elsewhere.
    pub password: Option<PasswordHash>,
    /// What to show as the name; may be empty.
    pub display: String,
}

/// An account under a name without a past.
pub fn new(user: &UserId, wanted: &Wanted, now: Time) -> Account {
    let Wanted { password, display } = wanted.clone();
    Account { claimed: true, password, display, ..Account::unclaimed(user.clone(), now) }
}

/// Makes the account of whoever registers.
///
/// # Errors
/// [`ErrorCode::NameTaken`] for any name with a past: that it was used and by whom is nobody's business.
pub fn register(
    stored: Option<Account>,
    user: &UserId,
    wanted: &Wanted,
    now: Time,
) -> Result<Account, ErrorCode> {
    match stored {
        None => Ok(new(user, wanted, now)),
        Some(_) => Err(ErrorCode::NameTaken),
    }
}

/// Makes an account for an operator, who says what is to become of a name with a past. For [`Past::Fresh`] the name
/// has been [vacated](vacate) before.
///
/// # Errors
/// The name is in use, or has a past that the operator did not decide about; the text says what helps.
pub fn add(
    stored: Option<Account>,
    user: &UserId,
    wanted: &Wanted,
    past: Past,
    now: Time,
) -> Result<Account, Refusal> {
    let Some(there) = stored else { return Ok(new(user, wanted, now)) };
    match (there.state, past) {
        (AccountState::Deleted, Past::Fresh) => Ok(anew(&there, wanted, now)),
        (AccountState::Deleted, _) => Err(taken("this name was deleted: --fresh gives it to somebody else")),
        _ if there.claimed => Err(taken("there is an account of this name")),
        (_, Past::Adopt) => Ok(adopted(there, wanted)),
        (_, Past::Refuse) => Err(taken(
            "this name was used in mode open: --adopt takes over its messages and topics, --fresh begins without them",
        )),
        // Somebody used it since it was vacated, which nobody can.
        (_, Past::Fresh) => Err(ErrorCode::Busy.into()),
    }
}

fn taken(text: &str) -> Refusal {
    Refusal::because(ErrorCode::NameTaken, text)
}

/// Whoever gets it has nothing to do with whoever had it: neither have tokens that were issued for the name until now.
fn anew(there: &Account, wanted: &Wanted, now: Time) -> Account {
    Account {
        generation: there.generation + 1,
        ended: there.ended.max(now),
        revision: there.revision,
        ..new(&there.user, wanted, now)
    }
}

fn adopted(there: Account, wanted: &Wanted) -> Account {
    let Wanted { password, display } = wanted.clone();
    Account { claimed: true, password, display, ..there }
}

/// Ends what a name that is to begin anew stood for.
///
/// # Errors
/// Somebody's account is deleted first, or not at all.
pub fn vacate(account: &mut Account, now: Time) -> Result<(), Refusal> {
    if account.claimed && account.state != AccountState::Deleted {
        return Err(taken("there is an account of this name: delete it first, if it is to begin anew"));
    }
    delete(account, None, now)
}

/// Ends the account for ever: nothing is left of it but that its name was given.
///
/// # Errors
/// [`ErrorCode::LoginRefused`] if its password was checked under another generation than `generation`.
pub fn delete(account: &mut Account, generation: Option<u64>, now: Time) -> Result<(), Refusal> {
    let deleted = account.state == AccountState::Deleted;
    if generation.is_some_and(|generation| deleted || generation != account.generation) {
        return Err(ErrorCode::LoginRefused.into());
    }
    if deleted {
        return Ok(());
    }
    end_all(account, now);
    account.state = AccountState::Deleted;
    account.password = None;
    account.display.clear();
    account.about.clear();
    account.devices.clear();
    Ok(())
}

/// Locks the account, or lets it in again with the tokens that it had.
///
/// # Errors
/// [`ErrorCode::NameGone`] if it was deleted.
pub fn lock(account: &mut Account, locked: bool) -> Result<(), Refusal> {
    if account.state == AccountState::Deleted {
        return Err(Refusal::because(ErrorCode::NameGone, "this account was deleted"));
    }
    account.state = if locked { AccountState::Disabled } else { AccountState::Active };
    Ok(())
}

#[cfg(test)]
mod tests {
    use protocol::link::accounts::Proof;

    use super::super::login;
    use super::super::tests::{DAY, account, device, hash, new_token};
    use super::*;

    fn amy() -> UserId {
        account().user
    }

    fn wanted() -> Wanted {
        Wanted { password: Some(PasswordHash("$argon2id$new".into())), display: "Amy the second".into() }
    }

    fn of_mode_open() -> Account {
        let mut account = Account { revision: 4, ..Account::unclaimed(amy(), Time(1)) };
        account.see(&device("phone"), Time(2));
        account
    }

    fn deleted() -> Account {
        let mut account = account();
        delete(&mut account, None, Time(50 * DAY)).unwrap();
        account
    }

    fn added(stored: Option<Account>, past: Past) -> Result<Account, ErrorCode> {
        add(stored, &amy(), &wanted(), past, Time(60 * DAY)).map_err(|refusal| refusal.code())
    }

    #[test]
    fn only_a_name_without_a_past_is_registered() {
        let made = register(None, &amy(), &wanted(), Time(9)).unwrap();
        assert_eq!((made.claimed, made.made, &*made.display), (true, Time(9), "Amy the second"));
        for there in [account(), of_mode_open(), deleted()] {
            let refused = register(Some(there), &amy(), &wanted(), Time(9));
            assert_eq!(refused, Err(ErrorCode::NameTaken));
        }
    }

    #[test]
    fn an_operator_decides_about_a_name_of_mode_open() {
        assert_eq!(added(Some(of_mode_open()), Past::Refuse), Err(ErrorCode::NameTaken));
        let adopted = added(Some(of_mode_open()), Past::Adopt).unwrap();
        assert!(adopted.claimed);
        assert_eq!((adopted.made, adopted.revision, adopted.devices.len()), (Time(1), 4, 1), "as it is");
        assert_eq!(adopted.password, wanted().password);
        let mut vacated = of_mode_open();
        vacate(&mut vacated, Time(59 * DAY)).unwrap();
        let fresh = added(Some(vacated), Past::Fresh).unwrap();
        assert_eq!((fresh.made, fresh.claimed, fresh.devices.len()), (Time(60 * DAY), true, 0));
    }

    #[test]
    fn a_deleted_name_is_given_again_only_fresh() {
        for past in [Past::Refuse, Past::Adopt] {
            assert_eq!(added(Some(deleted()), past), Err(ErrorCode::NameTaken));
        }
        let there = deleted();
        let fresh = added(Some(there.clone()), Past::Fresh).unwrap();
        assert!(fresh.generation > there.generation);
        let old = Proof::Foreign { issued: Time(55 * DAY), expires: Time(99 * DAY) };
        let refused = login::log_in(&mut fresh.clone(), &device("phone"), &old, Time(61 * DAY));
        assert_eq!(refused, Err(ErrorCode::LoginRefused), "a token of whoever had the name");
    }

    #[test]
    fn nobody_s_account_is_taken_from_them() {
        for past in [Past::Refuse, Past::Adopt, Past::Fresh] {
            assert_eq!(added(Some(account()), past), Err(ErrorCode::NameTaken));
        }
        let refused = vacate(&mut account(), Time(1)).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::NameTaken);
        for past in [Past::Refuse, Past::Adopt, Past::Fresh] {
            assert!(added(None, past).is_ok(), "there is no past to decide about");
        }
    }

    #[test]
    fn a_deleted_account_has_nothing_left() {
        let mut account = account();
        login::give(account.see(&device("phone"), Time(1)), &new_token("a"), None, Time(1));
        (account.display, account.about) = ("Amy".into(), "gardens".into());
        for stale in [1, 7] {
            let refused = delete(&mut account, Some(stale), Time(2)).unwrap_err();
            assert_eq!(refused.code(), ErrorCode::LoginRefused);
        }
        delete(&mut account, Some(0), Time(2)).unwrap();
        let expected = Account {
            state: AccountState::Deleted,
            claimed: true,
            generation: 1,
            ended: Time(2),
            ..Account::unclaimed(amy(), Time(0))
        };
        assert_eq!(account, expected);
        assert!(delete(&mut account, Some(1), Time(3)).is_err(), "nobody has its password");
        delete(&mut account, None, Time(3)).unwrap();
        assert_eq!(account, expected);
    }

    #[test]
    fn whoever_is_let_in_again_comes_with_the_token_of_before() {
        let mut account = account();
        login::give(account.see(&device("phone"), Time(DAY)), &new_token("a"), None, Time(DAY));
        let proof = Proof::Token { hash: hash("a"), next: new_token("b") };
        let log_in = |account: &mut Account| login::log_in(account, &device("phone"), &proof, Time(2 * DAY));
        lock(&mut account, true).unwrap();
        assert_eq!(log_in(&mut account), Err(ErrorCode::LoginRefused));
        lock(&mut account, false).unwrap();
        assert!(log_in(&mut account).is_ok());
        delete(&mut account, None, Time(3)).unwrap();
        assert_eq!(lock(&mut account, false).unwrap_err().code(), ErrorCode::NameGone);
    }
}
