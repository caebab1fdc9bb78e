//! What each kind of evidence is worth: each way in, from what the client shows to what a manager decides.

use std::net::IpAddr;
use std::time::Instant;

use mesh::config::Registration;
use mesh::report;
use protocol::access::Scopes;
use protocol::account::Hidden;
use protocol::code::ErrorCode;
use protocol::ids::{DeviceId, LogName, Time, UserId};
use protocol::link::accounts::{NewToken, Proof, Question, TokenHash, Welcome};
use protocol::link::request::Request as Ask;

use super::entrance::{Entrance, Evidence};
use super::guard::Attempt;
use super::jwt::Claims;
use super::known::Known;
use super::login::Admission;
use super::refused::Refused;
use super::{Accounts, token};
use crate::client::login::{Login, Told};
use crate::client::session::{Session, Who};
use crate::server::Server;

/// One way in, under way.
struct Way<'a> {
    server: &'a Server,
    accounts: &'a Accounts,
    from: IpAddr,
}

/// Whom a proof is about, and what it allows.
struct Bearer {
    user: UserId,
    device: DeviceId,
    scopes: Scopes,
}

impl Server {
    /// Decides who comes.
    ///
    /// # Errors
    /// Why nobody is let in.
    pub(super) async fn decide(
        &self,
        accounts: &Accounts,
        session: &Session,
        entrance: Entrance,
    ) -> Result<Admission, Refused> {
        let way = Way { server: self, accounts, from: session.address().ip() };
        if let Evidence::Foreign(shown) = &entrance.evidence {
            let attempt = way.attempt(None)?;
            return counted(way.by_foreign(&entrance, shown).await, attempt);
        }
        let user = entrance.user.ok_or(ErrorCode::BadRequest)?;
        let bearer = Bearer { user, device: entrance.device, scopes: Scopes::ALL };
        match entrance.evidence {
            Evidence::Password(password) => {
                let attempt = way.attempt(Some(&bearer.user))?;
                counted(way.by_password(bearer, password).await, attempt)
            }
            Evidence::Token(shown) | Evidence::Foreign(shown) => {
                let attempt = way.attempt(None)?;
                counted(way.by_token(bearer, &shown).await, attempt)
            }
            Evidence::Nothing(password, display) => way.by_registration(bearer, password, display).await,
        }
    }
}

/// A login that is refused is remembered as a failure; whatever else came between is not.
pub(super) fn counted<T>(decided: Result<T, Refused>, attempt: Attempt<'_>) -> Result<T, Refused> {
    if matches!(&decided, Err(refused) if refused.code == ErrorCode::LoginRefused) {
        attempt.counts();
    }
    decided
}

impl Way<'_> {
    fn attempt(&self, user: Option<&UserId>) -> Result<Attempt<'_>, Refused> {
        self.accounts.attempt(user, self.from)
    }

    async fn by_password(&self, bearer: Bearer, password: Hidden<'static>) -> Result<Admission, Refused> {
        let checked = self.server.check_password(self.accounts, &bearer.user, password).await?;
        let (token, new) = self.accounts.new_token()?;
        let proof = Proof::Password { generation: checked.generation, token: new, renewed: checked.renewed };
        let question = login(&bearer, proof);
        self.by_new_token(bearer, question, token).await
    }

    async fn by_registration(
        &self,
        bearer: Bearer,
        password: Hidden<'static>,
        display: String,
    ) -> Result<Admission, Refused> {
        if self.accounts.config.registration == Registration::Closed {
            return Err(ErrorCode::RegistrationClosed.into());
        }
        let attempt =
            self.accounts.guard.registration(self.from, Instant::now()).map_err(Refused::throttled)?;
        let password = self.accounts.workers.hash(password).await??;
        let (token, new) = self.accounts.new_token()?;
        let (user, device) = (bearer.user.clone(), bearer.device.clone());
        let question = Question::Register { user, password, display, device, token: new };
        let made = self.by_new_token(bearer, question, token).await;
        if matches!(&made, Ok(_) | Err(Refused { code: ErrorCode::NameTaken, .. })) {
            attempt.counts();
        }
        made
    }

    /// The manager is to take a token that the device did not have before.
    async fn by_new_token(
        &self,
        bearer: Bearer,
        question: Question,
        token: Hidden<'static>,
    ) -> Result<Admission, Refused> {
        let login = Login::new(Ask::Account { question });
        let told = self.ask(&bearer, &login).await?.ok_or(ErrorCode::NoManager)?;
        let expires = welcome(&told)?.expires.0;
        self.accounts.learn(&bearer, token::hash(token.expose()), expires, None);
        Ok(Admission { who: bearer.who(), login, told: Some(told), expires, token: Some(token) })
    }

    async fn by_token(&self, bearer: Bearer, shown: &Hidden<'_>) -> Result<Admission, Refused> {
        let hash = token::hash(shown.expose());
        let (next, new) = self.accounts.new_token()?;
        let login = Login::new(Ask::Account {
            question: login(&bearer, Proof::Token { hash: hash.clone(), next: new }),
        });
        let Some(told) = self.ask(&bearer, &login).await? else {
            return self.by_memory(bearer, &hash, login);
        };
        let Welcome { renewed, expires } = *welcome(&told)?;
        if renewed {
            self.accounts.learn(&bearer, token::hash(next.expose()), expires.0, Some(&hash));
        } else {
            self.accounts.learn(&bearer, hash, expires.0, None);
        }
        let token = renewed.then_some(next);
        Ok(Admission { who: bearer.who(), login, told: Some(told), expires: expires.0, token })
    }

    async fn by_foreign(&self, entrance: &Entrance, shown: &Hidden<'_>) -> Result<Admission, Refused> {
        let foreign = self.accounts.foreign.as_ref().ok_or(ErrorCode::LoginRefused)?;
        let claims = foreign.verify(shown.expose()).map_err(|why| {
            // Its bearer hears no more than whoever has a wrong password.
            tracing::info!(address = %self.from, "a token from elsewhere is refused: {why}");
            ErrorCode::LoginRefused
        })?;
        let (issued, expires) = (Time(claims.issued), claims.expires);
        let bearer = foreign_bearer(entrance, claims).ok_or(ErrorCode::LoginRefused)?;
        let hash = token::hash(shown.expose());
        let proof = Proof::Foreign { issued, expires: Time(expires) };
        let login = Login::new(Ask::Account { question: login(&bearer, proof) });
        let Some(told) = self.ask(&bearer, &login).await? else {
            return self.by_memory(bearer, &hash, login);
        };
        self.accounts.learn(&bearer, hash, expires, None);
        Ok(Admission { who: bearer.who(), login, told: Some(told), expires, token: None })
    }

    /// No manager answers: whoever showed this token to one before is let in all the same.
    fn by_memory(&self, bearer: Bearer, hash: &TokenHash, login: Login) -> Result<Admission, Refused> {
        let known = self.accounts.known.lock().find(&bearer.user, hash, report::now()).cloned();
        let known = known.filter(|known| known.device == bearer.device).ok_or(ErrorCode::NoManager)?;
        let who = Bearer { scopes: known.scopes, ..bearer }.who();
        Ok(Admission { who, login, told: None, expires: known.expires, token: None })
    }

    async fn ask(&self, bearer: &Bearer, login: &Login) -> Result<Option<Told>, Refused> {
        let told = self.server.login(&LogName::inbox(&bearer.user), login).await;
        told.map_err(|(code, message)| Refused::saying(code, message))
    }
}

impl Bearer {
    fn who(self) -> Who {
        let inbox = LogName::inbox(&self.user);
        Who { user: self.user, device: Some(self.device), inbox, scopes: self.scopes }
    }
}

impl Accounts {
    /// A password or token is shown: for this account, or (`None`) for whichever.
    ///
    /// # Errors
    /// Where too many failed: then it is not looked at.
    pub(super) fn attempt(&self, user: Option<&UserId>, from: IpAddr) -> Result<Attempt<'_>, Refused> {
        self.guard.login(user, from, Instant::now()).map_err(Refused::throttled)
    }

    /// A token, and what a manager gets to know of it.
    pub(super) fn new_token(&self) -> Result<(Hidden<'static>, NewToken), Refused> {
        let token = token::fresh()?;
        let hash = token::hash(token.expose());
        Ok((token, NewToken { hash, good_for: self.config.token_life.as_millis() as u64 }))
    }

    fn learn(&self, bearer: &Bearer, hash: TokenHash, expires: u64, before: Option<&TokenHash>) {
        let known = Known { hash, device: bearer.device.clone(), scopes: bearer.scopes, expires };
        self.known.lock().learn(&bearer.user, known, before);
    }
}

fn login(bearer: &Bearer, proof: Proof) -> Question {
    Question::Login { user: bearer.user.clone(), device: bearer.device.clone(), proof }
}

fn welcome(told: &Told) -> Result<&Welcome, Refused> {
    told.welcome.as_ref().ok_or_else(|| {
        Refused::saying(
            ErrorCode::Internal,
            "this mesh's manager keeps no accounts: it has to be of the same version",
        )
    })
}

/// The bearer of a token from elsewhere; `None` if the client says something else than the token.
fn foreign_bearer(entrance: &Entrance, claims: Claims) -> Option<Bearer> {
    let named = Some(&entrance.device).filter(|_| entrance.named_device);
    let same_user = entrance.user.as_ref().is_none_or(|user| *user == claims.user);
    let same_device = named.is_none() || claims.device.is_none() || named == claims.device.as_ref();
    let device = claims.device.unwrap_or_else(|| entrance.device.clone());
    (same_user && same_device).then_some(Bearer { user: claims.user, device, scopes: claims.scopes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entrance(user: Option<&str>, device: Option<&str>) -> Entrance {
        Entrance {
            user: user.map(|user| UserId::new(user).unwrap()),
            device: DeviceId::new(device.unwrap_or("default")).unwrap(),
            named_device: device.is_some(),
            evidence: Evidence::Foreign("a.b.c".into()),
        }
    }

    fn bearer(entrance: &Entrance, device: Option<&str>) -> Option<String> {
        let claims = Claims {
            user: UserId::new("amy").unwrap(),
            device: device.map(|device| DeviceId::new(device).unwrap()),
            scopes: Scopes::FOREIGN,
            issued: 0,
            expires: 1,
        };
        foreign_bearer(entrance, claims).map(|bearer| format!("{}/{}", bearer.user, bearer.device))
    }

    #[test]
    fn a_token_from_elsewhere_decides_who_comes_and_what_the_client_says_may_not_differ() {
        for (says, of_token, is) in [
            (entrance(None, None), None, Some("amy/default")),
            (entrance(None, None), Some("phone"), Some("amy/phone")),
            (entrance(Some("amy"), Some("desk")), None, Some("amy/desk")),
            (entrance(Some("amy"), Some("phone")), Some("phone"), Some("amy/phone")),
            (entrance(Some("amy"), Some("desk")), Some("phone"), None),
            (entrance(Some("bob"), None), Some("phone"), None),
        ] {
            assert_eq!(bearer(&says, of_token).as_deref(), is, "{says:?}");
        }
    }
}
