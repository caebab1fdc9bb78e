//! What managers are asked about accounts, besides logins.

use std::sync::Arc;
use std::time::Duration;

use protocol::account::Hidden;
use protocol::code::{DisconnectCode, ErrorCode};
use protocol::ids::{LogName, UserId};
use protocol::link::accounts::{Answer, PasswordHash, Question};
use protocol::link::request::{Reply, Request as Ask};

use super::Accounts;
use super::hashing::Verdict;
use super::refused::Refused;
use crate::client::session::Session;
use crate::server::Server;

/// How long a manager may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A password that was right.
pub(super) struct Checked {
    /// The account's, when its hash was read: a manager refuses what rests on a password that was changed since.
    pub generation: u64,
    /// The hash to be kept instead, where the one that is kept is weak.
    pub renewed: Option<PasswordHash>,
}

impl Server {
    /// Asks the owner of an account.
    ///
    /// # Errors
    /// Why it is refused, or that no manager answers.
    pub(super) async fn ask_account(&self, user: &UserId, question: Question) -> Result<Answer, Refused> {
        let ask = Ask::Account { question };
        match self.managers.ask_within(ANSWER_WITHIN, &LogName::inbox(user), &ask).await {
            Ok(Reply::Account { answer }) => Ok(answer),
            other => Err(Refused::by_manager(other)),
        }
    }

    /// Ends those of the user's sessions whose access has ended without our hearing of it. False if no manager told.
    pub(crate) async fn end_outlived(&self, user: &UserId, sessions: &[Arc<Session>]) -> bool {
        let Some(accounts) = &self.accounts else { return true };
        match self.ask_account(user, Question::Access { user: user.clone() }).await {
            Ok(Answer::Access { active, devices }) => {
                accounts.known.lock().keep(user, if active { &devices } else { &[] });
                for session in sessions {
                    let device = session.who().and_then(|who| who.device.as_ref());
                    if !active {
                        session.end(DisconnectCode::AccountEnded);
                    } else if !device.is_some_and(|device| devices.contains(device)) {
                        session.end(DisconnectCode::LoggedOut);
                    }
                }
                true
            }
            Ok(_) => true,
            Err(refused) => refused.retry.is_none(),
        }
    }

    /// Checks a password: one verification, whether or not there is such an account.
    ///
    /// # Errors
    /// `LoginRefused` where it is wrong; else why it could not be checked.
    pub(super) async fn check_password(
        &self,
        accounts: &Accounts,
        user: &UserId,
        password: Hidden<'static>,
    ) -> Result<Checked, Refused> {
        let asked = self.ask_account(user, Question::Credentials { user: user.clone() }).await?;
        let Answer::Credentials { password: stored, generation } = asked else {
            return Err(ErrorCode::Internal.into());
        };
        let renewed = match accounts.workers.verify(password.clone(), stored).await? {
            Verdict::Wrong => return Err(ErrorCode::LoginRefused.into()),
            Verdict::Right => None,
            // Where the threads are busy the next login renews it.
            Verdict::RightButWeak => accounts.workers.hash(password).await.ok().and_then(Result::ok),
        };
        Ok(Checked { generation, renewed })
    }
}
