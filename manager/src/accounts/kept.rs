//! Changes a record as it is, not as it was: whoever is too late decides anew over what is there then.

use protocol::code::ErrorCode;
use protocol::ids::UserId;
use storage::{Account, AccountError, Store};

use crate::answers::Refusal;

/// Tries before it is given up: each that fails means that somebody else's has not.
const TRIES: usize = 16;

/// Has `decide` make of the stored record the one to be kept, and keeps it if it is another. Answers what was decided,
/// with the number of the try: taken before the record was read, so that whoever ends what a login rests on, after
/// that, has a greater one.
///
/// # Errors
/// What `decide` refuses; [`ErrorCode::Busy`] where others were quicker each time.
pub async fn change<T>(
    store: &dyn Store,
    user: &UserId,
    stamp: &(dyn Fn() -> u64 + Sync),
    decide: impl Fn(Option<Account>) -> Result<(Account, T), Refusal>,
) -> Result<(u64, T), Refusal> {
    for _ in 0..TRIES {
        let number = stamp();
        let stored = store.account(user.clone()).await?;
        let expected = stored.as_ref().map(|stored| stored.revision);
        let (account, outcome) = decide(stored.clone())?;
        if stored.is_some_and(|stored| stored == account) {
            return Ok((number, outcome));
        }
        match store.put_account(account, expected).await {
            Ok(_) => return Ok((number, outcome)),
            Err(AccountError::Changed) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(ErrorCode::Busy.into())
}
