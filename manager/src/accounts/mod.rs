//! Accounts: what msg_servers and operators ask about them.
//!
//! What is decided is plain code over one record, with the time as an argument ([`login`], [`access`], [`names`]);
//! [`kept`] runs it over the record that the store has, as often as somebody else is quicker. Nothing here hashes a
//! password or makes a token: what comes is hashes, and none of it is ever logged.

mod access;
mod kept;
mod login;
mod names;
mod shown;

use mesh::config::AuthMode;
use protocol::account::{ABOUT_MAX_BYTES, DISPLAY_MAX_BYTES};
use protocol::code::ErrorCode;
use protocol::ids::{DeviceId, Time, UserId};
use protocol::link::accounts::{Answer, NewToken, PasswordHash, Past, Proof, Question, TokenHash, Welcome};
use protocol::link::request::Reply;
use storage::{Account, LoggedIn, Store};

use crate::answers::Refusal;
use login::Admitted;

/// The longest hash of a password that is kept, in bytes.
const PASSWORD_HASH_BYTES: usize = 512;
/// Hexadecimal digits of a SHA-256.
const TOKEN_HASH_DIGITS: usize = 64;
/// Accounts that one answer may list.
const MOST: usize = 1_000;

/// Answers questions about accounts.
pub struct Accounts<'a> {
    /// Where they are kept.
    pub store: &'a dyn Store,
    /// How users of this mesh log in.
    pub mode: AuthMode,
    /// When it is.
    pub now: Time,
    /// Gives logins, and what ends access, their numbers.
    pub stamp: &'a (dyn Fn() -> u64 + Sync),
}

impl Accounts<'_> {
    /// Answers a question.
    ///
    /// # Errors
    /// Why it is not answered as it was asked.
    pub async fn answer(&self, question: Question) -> Result<Reply, Refusal> {
        check(&question)?;
        if self.mode == AuthMode::Open && !is_for_every_mode(&question) {
            return Err(ErrorCode::NoAccounts.into());
        }
        let answer = match question {
            Question::Login { user, device, proof } => return self.log_in(user, device, proof).await,
            Question::Register { user, password, display, device, token } => {
                return self.register(user, (password, display), device, token).await;
            }
            Question::Credentials { user } => access::credentials(self.store.account(user).await?.as_ref()),
            Question::Devices { user } => shown::devices(&self.existing(user).await?),
            Question::Profile { user } => shown::profile(&self.existing(user).await?)?,
            Question::Access { user } => {
                access::who_may_be_in(self.store.account(user).await?.as_ref(), self.mode)
            }
            Question::List { after, limit } => self.list(after, limit).await?,
            Question::SetProfile { user, display, about } => {
                self.change(&user, |account| shown::set(account, display.as_deref(), about.as_deref()))
                    .await?
            }
            Question::Add { user, password, display, past } => {
                self.add(user, names::Wanted { password, display }, past).await?
            }
            Question::Disable { user, disabled: false } => {
                self.change(&user, |account| names::lock(account, false)).await?;
                Answer::Done
            }
            ends => self.end(ends).await?,
        };
        Ok(Reply::Account { answer })
    }

    /// What ends somebody's access: the answer's number is taken when it is kept, so that every login that rests on
    /// what has ended has a smaller one.
    async fn end(&self, question: Question) -> Result<Answer, Refusal> {
        let now = self.now;
        match question {
            Question::SetPassword { user, password, generation, device, token } => {
                let change = |account: &mut Account| {
                    access::set_password(account, &password, generation, (&device, &token), now)
                };
                self.change(&user, change).await?;
            }
            Question::ResetPassword { user, password } => {
                self.change(&user, |account| access::reset_password(account, &password, now)).await?;
            }
            Question::EndDevice { user, device } => {
                self.change(&user, |account| {
                    access::end_device(account, device.as_ref(), now);
                    Ok(())
                })
                .await?;
            }
            Question::Delete { user, generation } => {
                self.change(&user, |account| names::delete(account, generation, now)).await?;
            }
            Question::Disable { user, .. } => {
                self.change(&user, |account| names::lock(account, true)).await?;
            }
            _ => return Err(ErrorCode::UnknownCommand.into()),
        }
        Ok(Answer::Ended { stamp: (self.stamp)() })
    }

    async fn log_in(&self, user: UserId, device: DeviceId, proof: Proof) -> Result<Reply, Refusal> {
        let decide = |stored: Option<Account>| {
            let mut account = login::account_for(stored, &user, &proof, self.now)?;
            let admitted = login::log_in(&mut account, &device, &proof, self.now)?;
            Ok((account, admitted))
        };
        let (stamp, admitted) = kept::change(self.store, &user, self.stamp, decide).await?;
        self.welcome(user, device, stamp, admitted).await
    }

    async fn register(
        &self,
        user: UserId,
        (password, display): (PasswordHash, String),
        device: DeviceId,
        token: NewToken,
    ) -> Result<Reply, Refusal> {
        let wanted = names::Wanted { password: Some(password), display };
        let decide = |stored: Option<Account>| {
            let mut account = names::register(stored, &user, &wanted, self.now)?;
            let admitted = login::give(account.see(&device, self.now), &token, None, self.now);
            Ok((account, admitted))
        };
        let (stamp, admitted) = kept::change(self.store, &user, self.stamp, decide).await?;
        self.welcome(user, device, stamp, admitted).await
    }

    async fn welcome(
        &self,
        user: UserId,
        device: DeviceId,
        stamp: u64,
        admitted: Admitted,
    ) -> Result<Reply, Refusal> {
        let found = self.store.logged_in(user, Some(device)).await?;
        let Admitted { renewed, expires } = admitted;
        let welcome = Some(Welcome { renewed, expires });
        let LoggedIn { logs, revision, invites, .. } = found;
        Ok(Reply::LoggedIn { stamp, logs, revision, invites, welcome })
    }

    async fn add(&self, user: UserId, wanted: names::Wanted, past: Past) -> Result<Answer, Refusal> {
        if past == Past::Fresh && self.store.account(user.clone()).await?.is_some() {
            // The store empties what becomes deleted: only then does the name begin anew.
            self.change(&user, |account| names::vacate(account, self.now)).await?;
        }
        let decide = |stored| Ok((names::add(stored, &user, &wanted, past, self.now)?, ()));
        kept::change(self.store, &user, self.stamp, decide).await?;
        Ok(Answer::Done)
    }

    async fn list(&self, after: Option<UserId>, limit: u32) -> Result<Answer, Refusal> {
        let limit = (limit as usize).clamp(1, MOST);
        // One more than wanted tells whether there are more.
        let mut accounts = self.store.accounts(after, limit + 1).await?;
        let more = accounts.len() > limit;
        accounts.truncate(limit);
        Ok(Answer::Accounts { accounts: accounts.iter().map(shown::listed).collect(), more })
    }

    async fn existing(&self, user: UserId) -> Result<Account, Refusal> {
        existing(self.store.account(user).await?)
    }

    /// Changes an account that exists.
    async fn change<T>(
        &self,
        user: &UserId,
        decide: impl Fn(&mut Account) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let decide = |stored| {
            let mut account = existing(stored)?;
            let outcome = decide(&mut account)?;
            Ok((account, outcome))
        };
        let (_, outcome) = kept::change(self.store, user, self.stamp, decide).await?;
        Ok(outcome)
    }
}

fn existing(stored: Option<Account>) -> Result<Account, Refusal> {
    stored.ok_or_else(|| ErrorCode::UnknownUser.into())
}

/// What operators ask, and what a mesh without accounts has an answer to.
fn is_for_every_mode(question: &Question) -> bool {
    question.is_for_operators() || matches!(question, Question::Access { .. } | Question::Profile { .. })
}

/// Checks what a record is to hold: whoever asks has checked it too, and what is kept is bounded here.
fn check(question: &Question) -> Result<(), ErrorCode> {
    let fits = match question {
        Question::Login { proof: Proof::Password { token, renewed, .. }, .. } => {
            is_token(token) && renewed.as_ref().is_none_or(is_password)
        }
        Question::Login { proof: Proof::Token { hash, next }, .. } => is_hash(hash) && is_token(next),
        Question::Register { password, display, token, .. } => {
            is_password(password) && is_display(display) && is_token(token)
        }
        Question::SetPassword { password, token, .. } => is_password(password) && is_token(token),
        Question::ResetPassword { password, .. } => is_password(password),
        Question::SetProfile { display, about, .. } => {
            display.as_ref().is_none_or(|display| is_display(display))
                && about.as_ref().is_none_or(|about| about.len() <= ABOUT_MAX_BYTES)
        }
        Question::Add { password, display, .. } => {
            password.as_ref().is_none_or(is_password) && is_display(display)
        }
        _ => true,
    };
    if fits { Ok(()) } else { Err(ErrorCode::BadRequest) }
}

fn is_password(hash: &PasswordHash) -> bool {
    (1..=PASSWORD_HASH_BYTES).contains(&hash.0.len())
}

fn is_hash(hash: &TokenHash) -> bool {
    hash.0.len() == TOKEN_HASH_DIGITS && hash.0.bytes().all(|digit| digit.is_ascii_hexdigit())
}

fn is_token(token: &NewToken) -> bool {
    is_hash(&token.hash)
}

fn is_display(display: &str) -> bool {
    display.len() <= DISPLAY_MAX_BYTES
}

#[cfg(test)]
mod tests;
