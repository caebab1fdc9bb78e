//! Logging in and registering in mode `accounts`: who comes is known only when it is proved.

use std::sync::Arc;

use mesh::connection::Close;
use mesh::outbox::Turn;
use protocol::account::{Hidden, Keys};
use protocol::code::ErrorCode;
use protocol::command::Packet;

use super::Accounts;
use super::entrance::{Entrance, Evidence};
use super::refused::Refused;
use crate::client::login::{Login, Told};
use crate::client::session::{HoldsNext, Session, Who};
use crate::server::{Server, count};

/// A login that was proved, or that rests on a token that was good before.
pub(super) struct Admission {
    /// Who it is.
    pub who: Who,
    /// What a manager is asked again, where none answered.
    pub login: Login,
    /// What a manager told; `None`: none answered.
    pub told: Option<Told>,
    /// Until when what it rests on is good, in milliseconds since 1970.
    pub expires: u64,
    /// A token that its client is to keep.
    pub token: Option<Hidden<'static>>,
}

/// Takes a `SEND_CLIENT_ID` or `REGISTER` in mode `accounts`.
///
/// # Errors
/// [`Close`] for an old client: it cannot prove who it is, and understands no refusal.
pub(crate) fn begin(
    server: &Arc<Server>,
    session: &Arc<Session>,
    packet: &Packet<'_>,
    body: &[u8],
    turn: &mut Turn,
) -> Result<(), Close> {
    let Some(accounts) = &server.accounts else { return Ok(()) };
    if !session.is_newer() {
        accounts.refuse_old_login();
        return Err(Close::silently("an old client cannot prove who it is: AuthMode is accounts"));
    }
    let entrance = if session.is_logged_in() {
        Err(ErrorCode::OtherIdentity.into())
    } else {
        accounts.entrance(session, packet, body)
    };
    match entrance {
        Ok(entrance) => {
            let (server, session, held) = (Arc::clone(server), Arc::clone(session), session.holds_next());
            server.shutdown.clone().spawn(enter(server, session, packet.seq, entrance, held));
        }
        Err(refused) => accounts.refuse(session, packet.seq, &refused, turn),
    }
    Ok(())
}

async fn enter(
    server: Arc<Server>,
    session: Arc<Session>,
    seq: Option<u64>,
    entrance: Entrance,
    held: HoldsNext,
) {
    let Some(accounts) = &server.accounts else { return };
    let came_by_registration = matches!(entrance.evidence, Evidence::Nothing(..));
    let decided = tokio::select! {
        // Whoever has gone is not worked for: what waits for a thread is dropped.
        () = session.ended() => return,
        decided = server.decide(accounts, &session, entrance) => decided,
    };
    let mut turn = Turn::default();
    let late = match decided {
        Ok(admission) => {
            count(if came_by_registration {
                &accounts.tallies.registrations
            } else {
                &accounts.tallies.logins
            });
            server.let_in(&session, seq, admission, &mut turn)
        }
        Err(refused) => {
            accounts.refuse(&session, seq, &refused, &mut turn);
            None
        }
    };
    turn.flush().await;
    drop(held);
    if let Some(login) = late {
        Arc::clone(&server).admit_late(session, login).await;
    }
}

impl Accounts {
    fn entrance(&self, session: &Session, packet: &Packet<'_>, body: &[u8]) -> Result<Entrance, Refused> {
        let keys =
            Keys::parse(body).map_err(|bad| Refused::saying(ErrorCode::BadRequest, bad.to_string()))?;
        let secret = keys.password.is_some() || keys.token.is_some();
        if secret {
            self.may_show_secrets(session)?;
        }
        Entrance::read(packet, &keys)
    }

    /// Passwords and tokens are taken where nobody on the way can read them.
    pub(super) fn may_show_secrets(&self, session: &Session) -> Result<(), Refused> {
        if self.config.allow_plaintext_login || session.is_private() {
            return Ok(());
        }
        count(&self.tallies.plaintext);
        Err(ErrorCode::Plaintext.into())
    }

    pub(super) fn refuse(&self, session: &Session, seq: Option<u64>, refused: &Refused, turn: &mut Turn) {
        match refused.code {
            ErrorCode::Throttled => count(&self.tallies.throttled),
            ErrorCode::LoginRefused => count(&self.tallies.refused),
            _ => {}
        }
        session.refuse_for(seq, refused.code, &refused.message, refused.retry, turn);
    }
}

impl Server {
    /// The session is who it proved to be. What a manager is still to be asked, where none has answered.
    fn let_in(
        self: &Arc<Self>,
        session: &Arc<Session>,
        seq: Option<u64>,
        admission: Admission,
        turn: &mut Turn,
    ) -> Option<Login> {
        let Admission { who, login, told, expires, token } = admission;
        session.identify(who);
        session.set_expires(expires);
        let keys = Keys { expires: token.is_some().then_some(expires), token, ..Keys::default() };
        self.admit(session, seq, &login, told.as_ref(), keys, turn);
        told.is_none().then_some(login)
    }
}
