//! Logging in, and saying from where to read.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mesh::connection::Close;
use mesh::outbox::Turn;
use protocol::access::Scopes;
use protocol::account::{Invite, Keys};
use protocol::code::{DisconnectCode, ErrorCode};
use protocol::command::{Packet, name};
use protocol::event;
use protocol::ids::{DeviceId, LogName, UserId, Version};
use protocol::link::accounts::Welcome;
use protocol::link::request::Request as Ask;
use protocol::link::request::{LogState, Reply};
use protocol::lookalike::normalised;
use serde_json::value::to_raw_value;
use tokio::time::Instant;

use super::alignment::by_name;
use super::commands::Request;
use super::seniority::{self, Witness};
use super::session::{HoldsNext, Session, State, Who};
use crate::follow::feed::From;
use crate::server::Server;

/// Without a manager, a newer client is answered after this time, with `Logs: null`.
const MANAGER_WITHIN: Duration = Duration::from_secs(5);

/// An old session is not sent what waits in its inbox for this long after a manager knew it: until then it may show
/// by a first `CREATE_TOPIC` or `JOIN_TOPIC` that it serves topics, and takes the first frame it gets for the answer to that.
const OLD_GRACE: Duration = Duration::from_millis(300);

/// A manager that refused a login for the moment is not asked again before this.
const LOGIN_AGAIN: Duration = Duration::from_millis(500);

const RESUMED_ALREADY: &str = "RESUME may come once per login";

/// What a device is called that did not say its name.
const UNNAMED_DEVICE: &str = "default";

/// Takes a `SEND_CLIENT_ID` in mode `open`: a client is whom it says it is.
///
/// # Errors
/// [`Close`] for an old client whose id cannot be one: it would understand no refusal.
pub(super) fn log_in(
    server: &Arc<Server>,
    session: &Arc<Session>,
    packet: &Packet<'_>,
    turn: &mut Turn,
) -> Result<(), Close> {
    let who = match who(session, packet) {
        Ok(who) => who,
        Err(why) if session.is_newer() => {
            session.refuse_saying(packet.seq, ErrorCode::BadRequest, &why, None, turn);
            return Ok(());
        }
        Err(why) => return Err(Close::silently(why)),
    };
    if let Some(already) = session.who() {
        if already.user != who.user || session.is_newer() {
            session.refuse(packet.seq, ErrorCode::OtherIdentity, None, turn);
        }
        return Ok(());
    }
    session.identify(who);
    if &*packet.cmd_name == name::SEND_CLIENT_ID_FOR_TOPIC {
        session.state().serves_topics = true;
    }
    let Some(login) = session.who().map(Login::open) else { return Ok(()) };
    let (server, session, seq) = (Arc::clone(server), Arc::clone(session), packet.seq);
    let task = server.shutdown.clone();
    // What comes next may rest on what the login finds: RESUME on the logs, the first message on the account.
    let held = session.holds_next();
    if session.is_newer() {
        task.spawn(server.admit_newer(session, seq, login, held));
    } else {
        task.spawn(server.admit_old(session, login, held));
    }
    Ok(())
}

fn who(session: &Session, packet: &Packet<'_>) -> Result<Who, String> {
    let name = packet.args.get(0).ok_or("SEND_CLIENT_ID needs a user id")?;
    // An old client's name is taken byte for byte.
    let name = if session.is_newer() { normalised(name) } else { name.into() };
    let user = UserId::new(&name).map_err(|error| error.to_string())?;
    let device = if session.is_newer() { Some(device(packet)?) } else { None };
    Ok(Who { inbox: LogName::inbox(&user), user, device, scopes: Scopes::ALL })
}

/// The device that a newer client names.
pub(crate) fn device(packet: &Packet<'_>) -> Result<DeviceId, String> {
    DeviceId::new(packet.device.as_deref().unwrap_or(UNNAMED_DEVICE)).map_err(|error| error.to_string())
}

/// A login that came, and what a manager is asked for it: again, where none answers at once.
#[derive(Clone)]
pub(crate) struct Login {
    ask: Ask,
    came: Came,
}

impl Login {
    /// One that comes now.
    pub(crate) fn new(ask: Ask) -> Self {
        Self { ask, came: Came::now() }
    }

    fn open(who: &Who) -> Self {
        Self::new(Ask::Login { user: who.user.clone(), device: who.device.clone() })
    }
}

/// When a login came.
#[derive(Clone, Copy)]
struct Came {
    /// By this machine's clock, in microseconds since 1970.
    wall: u64,
    at: Instant,
}

impl Came {
    fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { wall: since.as_micros() as u64, at: Instant::now() }
    }

    /// The login's stamp, now that the owner has answered what was asked then.
    fn stamp(self, told: u64, asked: Instant) -> u64 {
        let (asked_after, answered_after) = (asked.duration_since(self.at), self.at.elapsed());
        seniority::stamp(self.wall, Some(Witness { stamp: told, asked_after, answered_after }))
    }
}

/// What a manager told at a login.
pub(crate) struct Told {
    logs: Vec<LogState>,
    stamp: u64,
    revision: u64,
    /// How much news of the user's memberships there was when it was asked for.
    news: u32,
    invites: Vec<Invite>,
    /// The owner's own number of the login.
    number: u64,
    /// In mode `accounts`.
    pub(crate) welcome: Option<Welcome>,
}

impl Server {
    async fn admit_newer(
        self: Arc<Self>,
        session: Arc<Session>,
        seq: Option<u64>,
        login: Login,
        held: HoldsNext,
    ) {
        let Some(who) = session.who() else { return };
        let told = self.login(&who.inbox, &login).await;
        let mut turn = Turn::default();
        let late = match told {
            Ok(told) => {
                self.admit(&session, seq, &login, told.as_ref(), Keys::default(), &mut turn);
                told.is_none()
            }
            Err((code, message)) => {
                session.refuse_saying(seq, code, &message, None, &mut turn);
                session.end(DisconnectCode::Unanswered);
                false
            }
        };
        turn.flush().await;
        drop(held);
        if late {
            self.admit_late(session, login).await;
        }
    }

    /// Lets the session in, and answers its login; `keys` are what the answer has beside the user, the logs and the invitations.
    pub(crate) fn admit(
        self: &Arc<Self>,
        session: &Arc<Session>,
        seq: Option<u64>,
        login: &Login,
        told: Option<&Told>,
        keys: Keys<'_>,
        turn: &mut Turn,
    ) {
        let Some(who) = session.who() else { return };
        session.set_login_number(told.map_or(0, |told| told.number));
        self.enter(session, told.map_or(login.came.wall, |told| told.stamp), turn);
        if let Some(seq) = seq {
            let invites = told.map(|told| told.invites.clone()).filter(|invites| !invites.is_empty());
            let keys = Keys { user: Some(who.user.as_str().into()), invites, ..keys };
            session.push(login_ok(seq, told, &keys), turn);
        }
        self.open_logs(session, told, turn);
    }

    /// A manager came after the login was answered: what was asked for meanwhile is done now.
    pub(crate) async fn admit_late(self: Arc<Self>, session: Arc<Session>, login: Login) {
        let Some(who) = session.who() else { return };
        loop {
            // Whoever is gone is not waited for: the socket is closed when nobody holds the session any more.
            tokio::select! {
                () = session.ended() => return,
                () = self.managers.available() => {}
            }
            match self.login(&who.inbox, &login).await {
                Ok(Some(told)) => return self.admitted_late(&session, who, &told).await,
                // What it was let in by has ended meanwhile.
                Err(_) if self.accounts.is_some() => return session.end(DisconnectCode::LoggedOut),
                Ok(None) | Err(_) => tokio::time::sleep(LOGIN_AGAIN).await,
            }
        }
    }

    async fn admitted_late(self: &Arc<Self>, session: &Arc<Session>, who: &Who, told: &Told) {
        let mut turn = Turn::default();
        session.set_login_number(told.number);
        self.date(session, told.stamp, &mut turn);
        self.open_logs(session, Some(told), &mut turn);
        self.resume_late(session, &mut turn).await;
        turn.flush().await;
        // It may have joined a topic since the manager looked.
        self.refresh_memberships(who.user.clone());
    }

    /// An old session: its inbox is read from the delivered mark on, unless it turns out to serve topics.
    async fn admit_old(self: Arc<Self>, session: Arc<Session>, login: Login, held: HoldsNext) {
        let Some(who) = session.who() else { return };
        let mut turn = Turn::default();
        let told = loop {
            match self.login(&who.inbox, &login).await {
                Ok(Some(told)) => break told,
                Ok(None) if !session.state().announced => self.enter(&session, login.came.wall, &mut turn),
                Ok(None) => {}
                Err(_) => return session.end(DisconnectCode::Unanswered),
            }
            turn.flush().await;
            if session.state().ended {
                return;
            }
            tokio::time::sleep(LOGIN_AGAIN).await;
        };
        self.date(&session, told.stamp, &mut turn);
        self.see_memberships(&session, &told);
        turn.flush().await;
        drop(held);
        tokio::time::sleep(OLD_GRACE).await;
        if let Some(inbox) = told.logs.first()
            && !session.state().serves_topics
        {
            self.follow(&session, &who.inbox, From::After(inbox.cursor), &mut turn);
            // It may have begun to serve topics in this very moment.
            if session.state().serves_topics {
                self.unfollow(&session, who.inbox.as_str(), &mut turn);
            }
        }
        turn.flush().await;
    }

    /// Asks the owner of the user's inbox to begin a session; `None` if there is no manager in time.
    ///
    /// # Errors
    /// Why the login is refused for good.
    pub(crate) async fn login(
        &self,
        inbox: &LogName,
        login: &Login,
    ) -> Result<Option<Told>, (ErrorCode, String)> {
        let news = inbox.user().map_or(0, |user| self.news.of(&user));
        match self.managers.ask_noting(MANAGER_WITHIN, inbox, &login.ask).await {
            Ok((Reply::LoggedIn { stamp: number, logs, revision, invites, welcome }, asked)) => {
                let stamp = login.came.stamp(number, asked);
                Ok(Some(Told { logs, stamp, revision, news, invites, number, welcome }))
            }
            Ok((Reply::Refused { code, message }, _)) => match ErrorCode::from_number(code) {
                Some(code) if code.retry().is_none() => Err((code, message)),
                _ => Ok(None),
            },
            Ok(_) | Err(_) => Ok(None),
        }
    }

    /// The session is one of this msg_server's from now on; of one device's sessions the latest stays.
    fn enter(self: &Arc<Self>, session: &Arc<Session>, stamp: u64, turn: &mut Turn) {
        session.set_stamp(stamp);
        {
            let mut state = session.state();
            if state.ended {
                return;
            }
            state.announced = true;
            self.channels.session_begins(session, turn);
        }
        for replaced in self.sessions.enter(session) {
            replaced.end(DisconnectCode::Replaced);
        }
        if session.state().ended {
            self.sessions.leave(session);
        }
        if self.shutdown.is_draining() {
            self.send_away(session);
        }
    }

    /// When its login was made is known: news, unless it was announced with that.
    fn date(self: &Arc<Self>, session: &Arc<Session>, stamp: u64, turn: &mut Turn) {
        let announced = session.state().announced;
        if !announced || session.stamp() != stamp {
            self.enter(session, stamp, turn);
        }
    }

    /// Volatile messages come from now on; durable ones when the session says from where.
    fn open_logs(self: &Arc<Self>, session: &Arc<Session>, told: Option<&Told>, turn: &mut Turn) {
        let Some(who) = session.who() else { return };
        self.follow(session, &who.inbox, From::Later, turn);
        if let Some(told) = told {
            for log in told.logs.iter().filter(|log| log.volatile) {
                self.follow(session, &log.log, From::Later, turn);
            }
            self.see_memberships(session, told);
        }
    }

    fn see_memberships(self: &Arc<Self>, session: &Session, told: &Told) {
        {
            let mut state = session.state();
            state.known = Some(told.logs.clone());
            state.memberships += 1;
        }
        let Some(who) = session.who() else { return };
        self.believed(&who.user, told.news);
        if let Some(inbox) = self.followed.get(who.inbox.as_str()) {
            // Where the count was another, news was lost to the sessions that were here before.
            if inbox.see_revision(told.revision).is_some_and(|seen| seen != told.revision) {
                self.refresh_memberships(who.user.clone());
            }
        }
    }

    /// What `RESUME` named while no manager was there is judged now. Where it would have been refused, the session ends, so that it
    /// logs in anew and hears why: from a version that is not there yet it would be pushed nothing until others have it.
    async fn resume_late(self: &Arc<Self>, session: &Arc<Session>, turn: &mut Turn) {
        let Some(named) = session.state().resumed.clone() else { return };
        let named: HashMap<_, _> = named.into_iter().collect();
        self.learn_heads(session, beyond_head(session, &named)).await;
        let objection = session.state().known.as_ref().and_then(|known| objection(known, &named));
        match objection {
            Some(_) => session.end(DisconnectCode::LogsChanged),
            None => self.resume_known(session, turn),
        }
    }

    /// Follows every log of the session from where `RESUME` said, or from the head that login told.
    fn resume_known(self: &Arc<Self>, session: &Arc<Session>, turn: &mut Turn) {
        let (known, named) = {
            let state = session.state();
            (state.known.clone().unwrap_or_default(), state.resumed.clone().unwrap_or_default())
        };
        let named: HashMap<_, _> = named.into_iter().collect();
        for log in known.iter().filter(|log| !log.volatile) {
            let after = named.get(&log.log).map_or(log.head, |version| Version(*version)).max(log.since);
            self.follow(session, &log.log, From::After(after), turn);
        }
    }
}

fn login_ok(seq: u64, told: Option<&Told>, keys: &Keys<'_>) -> bytes::Bytes {
    let logs = told.and_then(|told| to_raw_value(&told.logs).ok());
    let logs = logs.or_else(|| to_raw_value(&()).ok());
    keys.with(&Packet { logs: logs.as_deref(), ..event::ok(seq) })
}

impl Request<'_> {
    /// `RESUME`: from where the session wants its logs.
    pub(super) fn resume(&self, turn: &mut Turn) {
        let named =
            match self.packet.logs.map(|logs| serde_json::from_str::<HashMap<LogName, u64>>(logs.get())) {
                Some(Ok(named)) => named,
                Some(Err(error)) => {
                    return self.malformed(&format!("Logs names versions by log: {error}"), turn);
                }
                None => HashMap::new(),
            };
        if self.session.state().resumed.is_some() {
            return self.malformed(RESUMED_ALREADY, turn);
        }
        let beyond = beyond_head(self.session, &named);
        if beyond.is_empty() {
            return self.server.resume(self.session, self.packet.seq, named, turn);
        }
        // What login told may be outdated, by this session's own sends for example: the owner knows.
        let (server, session, seq) = (Arc::clone(self.server), Arc::clone(self.session), self.packet.seq);
        self.later(async move {
            server.learn_heads(&session, beyond).await;
            let mut turn = Turn::default();
            server.resume(&session, seq, named, &mut turn);
            turn.flush().await;
        });
    }
}

/// Logs that are resumed beyond where login said that they end.
fn beyond_head(session: &Session, named: &HashMap<LogName, u64>) -> Vec<LogName> {
    let state = session.state();
    let known = state.known.iter().flatten();
    known
        .filter(|log| named.get(&log.log).is_some_and(|at| *at > log.head.0))
        .map(|log| log.log.clone())
        .collect()
}

impl Server {
    fn resume(
        self: &Arc<Self>,
        session: &Arc<Session>,
        seq: Option<u64>,
        named: HashMap<LogName, u64>,
        turn: &mut Turn,
    ) {
        let resumed = session.state().resume(named);
        let known = match resumed {
            Ok(known) => known,
            Err((code, why)) => return session.refuse_saying(seq, code, &why, None, turn),
        };
        session.ok(seq, |_| {}, turn);
        if known {
            self.resume_known(session, turn);
        }
    }

    async fn learn_heads(&self, session: &Session, logs: Vec<LogName>) {
        for log in logs {
            let ask = Ask::Bounds { logs: vec![log.clone()] };
            let Ok(Reply::Bounds { bounds }) = self.managers.ask_within(MANAGER_WITHIN, &log, &ask).await
            else {
                continue;
            };
            let mut state = session.state();
            let known = state.known.iter_mut().flatten().find(|known| known.log == log);
            if let (Some(known), Some(bounds)) = (known, bounds.first()) {
                known.head = known.head.max(bounds.head);
            }
        }
    }
}

impl State {
    /// Takes what `RESUME` named, once; whether the logs are known.
    fn resume(&mut self, named: HashMap<LogName, u64>) -> Result<bool, (ErrorCode, String)> {
        if self.resumed.is_some() {
            return Err((ErrorCode::BadRequest, RESUMED_ALREADY.into()));
        }
        if let Some(objection) = self.known.as_ref().and_then(|known| objection(known, &named)) {
            return Err(objection);
        }
        self.resumed = Some(named.into_iter().collect());
        Ok(self.known.is_some())
    }
}

/// Why a session may not resume as it says.
fn objection(known: &[LogState], named: &HashMap<LogName, u64>) -> Option<(ErrorCode, String)> {
    let known = by_name(known);
    named.iter().find_map(|(name, version)| match known.get(name) {
        None => Some((ErrorCode::NotYourLog, format!("{name} is not one of your logs"))),
        Some(log) if *version > log.head.0 => {
            let why = format!("{name} ends at version {}, before {version}: was the store replaced? Start again from what login told", log.head);
            Some((ErrorCode::BadRequest, why))
        }
        Some(_) => None,
    })
}
