//! What a user does with their own account, and what others see of it.

use std::sync::Arc;

use mesh::outbox::Turn;
use protocol::account::{self, Device, Keys};
use protocol::code::{DisconnectCode, ErrorCode};
use protocol::command::name;
use protocol::event;
use protocol::ids::{DeviceId, UserId};
use protocol::link::accounts::{Answer, Question};
use protocol::lookalike::normalised;

use super::Accounts;
use super::entrance::{new_password, owned};
use super::proofs::counted;
use super::refused::Refused;
use crate::client::access::EndedAccess;
use crate::client::commands::Request;
use crate::client::session::{Session, Who};
use crate::server::Server;

/// What is asked for, read out of its packet.
enum Wish {
    EndDevice(Option<DeviceId>),
    SetPassword { old: account::Hidden<'static>, new: account::Hidden<'static> },
    Delete(account::Hidden<'static>),
    Devices,
    Profile(UserId),
    SetProfile { display: Option<String>, about: Option<String> },
}

/// What came of it.
#[derive(Default)]
struct Granted {
    /// What the `OK` has.
    keys: Keys<'static>,
    /// What has ended by it: told after the `OK`.
    ended: Option<EndedAccess>,
}

impl Request<'_> {
    /// A command about accounts.
    pub(crate) fn account(&self, turn: &mut Turn) {
        let Some(accounts) = &self.server.accounts else { return self.refuse(ErrorCode::NoAccounts, turn) };
        let wish = match self.wish(accounts) {
            Ok(wish) => wish,
            Err(refused) => return accounts.refuse(self.session, self.packet.seq, &refused, turn),
        };
        let (server, session, who) = (Arc::clone(self.server), Arc::clone(self.session), self.who.clone());
        let seq = self.packet.seq;
        self.later(async move {
            let Some(accounts) = &server.accounts else { return };
            let granted = server.grant(accounts, &session, &who, wish).await;
            let mut turn = Turn::default();
            match granted {
                Ok(Granted { keys, ended }) => {
                    if let Some(seq) = seq {
                        session.push(keys.with(&event::ok(seq)), &mut turn);
                    }
                    ended.into_iter().for_each(|ended| server.end_access(&ended, &mut turn));
                }
                Err(refused) => accounts.refuse(&session, seq, &refused, &mut turn),
            }
            turn.flush().await;
        });
    }

    fn wish(&self, accounts: &Accounts) -> Result<Wish, Refused> {
        let keys = Keys::parse(self.body).map_err(|error| bad(error.to_string()))?;
        if keys.password.is_some() || keys.new_password.is_some() {
            accounts.may_show_secrets(self.session)?;
        }
        let password = || keys.password.as_ref().map(owned).ok_or_else(|| bad("Password is missing"));
        Ok(match &*self.packet.cmd_name {
            name::LOGOUT if self.arg(0) == "everywhere" => Wish::EndDevice(None),
            name::LOGOUT => Wish::EndDevice(self.who.device.clone()),
            name::END_DEVICE => {
                Wish::EndDevice(Some(DeviceId::new(self.arg(0)).map_err(|error| bad(error.to_string()))?))
            }
            name::PASSWD => {
                let new = new_password(keys.new_password.as_ref(), "NewPassword")?;
                Wish::SetPassword { old: password()?, new }
            }
            name::DELETE_ACCOUNT => Wish::Delete(password()?),
            name::DEVICES => Wish::Devices,
            name::PROFILE => {
                let user = UserId::new(&normalised(self.arg(0))).map_err(|error| bad(error.to_string()))?;
                Wish::Profile(user)
            }
            name::SET_PROFILE => {
                let display = keys.display.as_deref().map(str::to_owned);
                let about = keys.about.as_deref().map(str::to_owned);
                account::check_display(display.as_deref().unwrap_or_default())
                    .map_err(|why| bad(why.to_string()))?;
                account::check_about(about.as_deref().unwrap_or_default())
                    .map_err(|why| bad(why.to_string()))?;
                Wish::SetProfile { display, about }
            }
            _ => return Err(ErrorCode::UnknownCommand.into()),
        })
    }
}

fn bad(why: impl Into<std::borrow::Cow<'static, str>>) -> Refused {
    Refused::saying(ErrorCode::BadRequest, why)
}

impl Server {
    async fn grant(
        &self,
        accounts: &Accounts,
        session: &Session,
        who: &Who,
        wish: Wish,
    ) -> Result<Granted, Refused> {
        let user = who.user.clone();
        match wish {
            Wish::EndDevice(device) => {
                let question = Question::EndDevice { user, device: device.clone() };
                let before = self.ends(who, question).await?;
                Ok(Granted::ending(who, device, before, DisconnectCode::LoggedOut))
            }
            Wish::SetPassword { old, new } => self.set_password(accounts, session, who, old, new).await,
            Wish::Delete(password) => {
                let attempt = accounts.attempt(Some(&user), session.address().ip())?;
                let checked = counted(self.check_password(accounts, &user, password).await, attempt)?;
                let question = Question::Delete { user, generation: Some(checked.generation) };
                let before = self.ends(who, question).await?;
                Ok(Granted::ending(who, None, before, DisconnectCode::AccountEnded))
            }
            Wish::Devices => self.devices(who).await,
            Wish::Profile(user) => self.profile(&user, Question::Profile { user: user.clone() }).await,
            Wish::SetProfile { display, about } => {
                self.profile(&user, Question::SetProfile { user: user.clone(), display, about }).await
            }
        }
    }

    /// Another password: the device gets a new token, all others have to log in anew.
    async fn set_password(
        &self,
        accounts: &Accounts,
        session: &Session,
        who: &Who,
        old: account::Hidden<'static>,
        new: account::Hidden<'static>,
    ) -> Result<Granted, Refused> {
        // Only a session of mode open is without a device.
        let device = who.device.clone().ok_or(ErrorCode::NoAccounts)?;
        let attempt = accounts.attempt(Some(&who.user), session.address().ip())?;
        let checked = counted(self.check_password(accounts, &who.user, old).await, attempt)?;
        let password = accounts.workers.hash(new).await??;
        let (token, made) = accounts.new_token()?;
        let question = Question::SetPassword {
            user: who.user.clone(),
            password,
            generation: checked.generation,
            device: device.clone(),
            token: made,
        };
        let before = self.ends(who, question).await?;
        let expires = accounts.token_expiry();
        session.set_expires(expires);
        let mut granted = Granted::ending(who, None, before, DisconnectCode::LoggedOut);
        granted.keys = Keys { token: Some(token), expires: Some(expires), ..Keys::default() };
        granted.ended = granted.ended.map(|ended| EndedAccess { kept: Some(device), ..ended });
        Ok(granted)
    }

    /// Asks for something that ends access; the number before which logins were that have ended.
    async fn ends(&self, who: &Who, question: Question) -> Result<u64, Refused> {
        match self.ask_account(&who.user, question).await? {
            Answer::Ended { stamp } => Ok(stamp),
            _ => Err(ErrorCode::Internal.into()),
        }
    }

    async fn devices(&self, who: &Who) -> Result<Granted, Refused> {
        let Answer::Devices { devices } =
            self.ask_account(&who.user, Question::Devices { user: who.user.clone() }).await?
        else {
            return Err(ErrorCode::Internal.into());
        };
        let mark = |device: Device| Device { this: Some(&device.device) == who.device.as_ref(), ..device };
        let devices = Some(devices.into_iter().map(mark).collect());
        Ok(Granted { keys: Keys { devices, ..Keys::default() }, ended: None })
    }

    async fn profile(&self, user: &UserId, question: Question) -> Result<Granted, Refused> {
        let Answer::Profile { profile } = self.ask_account(user, question).await? else {
            return Err(ErrorCode::Internal.into());
        };
        Ok(Granted { keys: Keys { profile: Some(profile), ..Keys::default() }, ended: None })
    }
}

impl Granted {
    fn ending(who: &Who, device: Option<DeviceId>, before: u64, code: DisconnectCode) -> Self {
        let ended = EndedAccess { user: who.user.clone(), device, kept: None, before, code };
        Self { ended: Some(ended), ..Self::default() }
    }
}
