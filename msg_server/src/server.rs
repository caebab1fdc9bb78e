//! What all parts of a msg_server share, and its life from start to drain.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mesh::config::{MsgServerConfig, RoleConfig};
use mesh::health::Health;
use mesh::link::Secrecy;
use mesh::listener::{self, Census, Terms};
use mesh::outbox::Turn;
use mesh::process::Shutdown;
use mesh::report::{self, Identity};
use parking_lot::Mutex;
use protocol::channel::Channel;
use protocol::code::DisconnectCode;
use protocol::ids::UserId;
use protocol::link::Frame;
use serde_json::{Map, Value};
use tokio::net::TcpListener;

use crate::accounts::{Accounts, AccountsError};
use crate::append::Appends;
use crate::client::memberships::News;
use crate::client::session::Session;
use crate::client::sessions::Sessions;
use crate::follow::asker::Asker;
use crate::follow::table::FollowedLogs;
use crate::follow::waker::Waker;
use crate::links::channels::Channels;
use crate::links::managers::Managers;
use crate::links::online::Questions;
use crate::links::refused_by::RefusedBy;
use crate::peer::Door;
use crate::unfinished::Unfinished;

/// Why a msg_server could not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The listener has no address.
    #[error("the listener has no address: {0}")]
    Listener(#[from] std::io::Error),
    /// Accounts cannot be served.
    #[error(transparent)]
    Accounts(#[from] AccountsError),
}

/// Everything that the parts of one msg_server share.
pub struct Server {
    pub(crate) config: MsgServerConfig,
    pub(crate) identity: Identity,
    pub(crate) secrecy: Secrecy,
    pub(crate) shutdown: Shutdown,
    pub(crate) started: Instant,
    pub(crate) census: Arc<Census>,
    pub(crate) unfinished: Arc<Unfinished>,
    pub(crate) sessions: Sessions,
    pub(crate) appends: Appends,
    pub(crate) followed: FollowedLogs,
    pub(crate) asker: Asker,
    pub(crate) waker: Waker,
    pub(crate) channels: Channels,
    pub(crate) managers: Managers,
    pub(crate) questions: Questions,
    pub(crate) refused_by: RefusedBy,
    /// `None` in mode `open`.
    pub(crate) accounts: Option<Accounts>,
    pub(crate) figures: Figures,
    /// How much news of memberships there was.
    pub(crate) news: News,
    /// Users whose memberships are being read, and whether that has to be done once more.
    pub(crate) refreshing: Mutex<HashMap<UserId, bool>>,
}

/// Counters since the start.
#[derive(Debug, Default)]
pub struct Figures {
    /// Messages that clients sent, durable and volatile.
    pub(crate) messages_in: AtomicU64,
    /// Frames with a message that were queued for clients.
    pub(crate) deliveries: AtomicU64,
    /// Messages that routers brought.
    pub(crate) forwarded_in: AtomicU64,
    /// Durable messages that were acknowledged.
    pub(crate) acked: AtomicU64,
    /// Sum of the time from send to acknowledgement, in microseconds.
    pub(crate) ack_micros: AtomicU64,
    /// Senders of volatile messages that are not read while the queue of a router is half full.
    pub(crate) held_senders: AtomicU64,
    /// Volatile messages that did not fit the queue of a router.
    pub(crate) volatile_dropped: AtomicU64,
    /// Clients ended because unfinished frames took all the memory that they may.
    pub(crate) unfinished_ended: AtomicU64,
    /// Sessions ended because they read too slowly.
    pub(crate) slow_readers: AtomicU64,
    /// Requests refused.
    pub(crate) refused: AtomicU64,
}

/// Counts one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// A counter as a figure.
pub(crate) fn get(counter: &AtomicU64) -> Value {
    counter.load(Ordering::Relaxed).into()
}

/// How often unanswered appends are looked through for those that waited too long.
const EXPIRE_EVERY: Duration = Duration::from_millis(250);

/// While draining, so often some more clients are sent away,
const DRAIN_STEP: Duration = Duration::from_millis(10);
/// and so often is looked for whoever is left,
const DRAIN_LOOK: Duration = Duration::from_millis(50);
/// and at least so many at once.
const SENT_AWAY_AT_ONCE: usize = 10;

/// Runs a msg_server until the process drains.
///
/// # Errors
/// [`RunError`] if it could not start.
pub async fn run(config: MsgServerConfig, listener: TcpListener, shutdown: Shutdown) -> Result<(), RunError> {
    let server = Server::new(config, &listener, shutdown)?;
    let background = [
        tokio::spawn(Arc::clone(&server).expire_appends()),
        tokio::spawn(Arc::clone(&server).beat()),
        tokio::spawn(Arc::clone(&server).end_sessions_in_time()),
        tokio::spawn(Arc::clone(&server).keep_reading_keys()),
        tokio::spawn(Arc::clone(&server).ask_owners()),
        tokio::spawn(Arc::clone(&server).ask_slowly()),
        tokio::spawn(Arc::clone(&server).ask_without_routers()),
        tokio::spawn(Arc::clone(&server).wake_feeds()),
        tokio::spawn(Arc::clone(&server).move_old_marks()),
    ];
    server.serve(listener).await;
    server.drain().await;
    background.iter().for_each(tokio::task::JoinHandle::abort);
    Ok(())
}

impl Server {
    fn new(
        config: MsgServerConfig,
        listener: &TcpListener,
        shutdown: Shutdown,
    ) -> Result<Arc<Self>, RunError> {
        let address = config.public_address(listener.local_addr()?).to_string();
        Ok(Arc::new(Self {
            identity: Identity::new("msg_server", address.clone(), address)
                .with_beat(config.monitor_beat_time)
                .showing(&config.process.certificate),
            secrecy: Secrecy::new(config.links().mesh_secret.clone()),
            shutdown,
            started: Instant::now(),
            census: Arc::default(),
            unfinished: Unfinished::new(config.unfinished_bytes.max(config.process.max_frame_bytes)),
            sessions: Sessions::default(),
            appends: Appends::new(config.links.link_queue_bytes),
            followed: FollowedLogs::default(),
            asker: Asker::default(),
            waker: Waker::default(),
            channels: Channels::default(),
            managers: Managers::default(),
            questions: Questions::default(),
            refused_by: RefusedBy::default(),
            accounts: Accounts::new(&config)?,
            figures: Figures::default(),
            news: News::default(),
            refreshing: Mutex::default(),
            config,
        }))
    }

    async fn serve(self: &Arc<Self>, listener: TcpListener) {
        let terms = Terms::new(&self.config.process, self.config.session_queue_bytes);
        let server = Arc::clone(self);
        let greet = move |address, outbox: &_| Door::new(Arc::clone(&server), address, outbox);
        listener::accept(listener, terms, Arc::clone(&self.census), self.shutdown.clone(), greet).await;
    }

    /// The address that clients and other processes reach this msg_server by.
    pub(crate) fn address(&self) -> &str {
        self.identity.addr()
    }

    /// Seconds since the start.
    pub(crate) fn seconds(&self) -> u32 {
        self.started.elapsed().as_secs() as u32
    }

    /// Publishes a report of our own, so that gateways and monitors know at once.
    pub(crate) fn report(&self, turn: &mut Turn) {
        let report = self.identity.report_json(self);
        self.channels.publish(Channel::Monitor, &Frame::Report(&report).to_bytes(), turn);
    }

    async fn beat(self: Arc<Self>) {
        let mut beats = tokio::time::interval(self.config.monitor_beat_time);
        loop {
            beats.tick().await;
            let mut turn = Turn::default();
            self.report(&mut turn);
            turn.flush().await;
        }
    }

    async fn expire_appends(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(EXPIRE_EVERY);
        loop {
            ticks.tick().await;
            let mut turn = Turn::default();
            self.give_up_late_appends(&mut turn);
            turn.flush().await;
        }
    }

    async fn keep_reading_keys(self: Arc<Self>) {
        if let Some(accounts) = &self.accounts {
            accounts.keep_reading_keys().await;
        }
    }

    /// Ends sessions that have gone silent, and those whose token has expired.
    async fn end_sessions_in_time(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(self.config.scan_dead_session_timeout);
        let allowed = self.config.expire.as_secs() as u32;
        loop {
            ticks.tick().await;
            let (now, today) = (self.seconds(), report::now());
            for session in self.sessions.all() {
                if session.expires() <= today {
                    session.end(DisconnectCode::TokenExpired);
                } else if now.saturating_sub(session.heard()) > allowed {
                    session.end(DisconnectCode::Silent);
                }
            }
        }
    }

    /// Sends clients elsewhere. A third of the drain time at most is spent on spreading them, so that they do not all arrive at
    /// the next msg_server in one moment; each goes when its appends are answered.
    async fn drain(self: &Arc<Self>) {
        let mut turn = Turn::default();
        self.report(&mut turn);
        turn.flush().await;
        let sessions = self.sessions.all();
        let steps = (self.shutdown.drain_time() / 3).as_millis() / DRAIN_STEP.as_millis();
        let share = sessions.len().div_ceil((steps as usize).max(1)).max(SENT_AWAY_AT_ONCE);
        for some in sessions.chunks(share) {
            some.iter().for_each(|session| self.send_away(session));
            tokio::time::sleep(DRAIN_STEP).await;
        }
        while self.sessions.count() > 0 && !self.shutdown.is_cancelled() {
            // Also whoever was only logging in when it began.
            self.sessions.all().iter().for_each(|session| self.send_away(session));
            tokio::time::sleep(DRAIN_LOOK).await;
        }
        self.channels.end_links();
    }

    /// Sends a client elsewhere, once: when its appends are answered. Whoever does not stop sending is refused after a while,
    /// and whoever gets no answer is told all the same, before the time is over.
    pub(crate) fn send_away(self: &Arc<Self>, session: &Arc<Session>) {
        if session.begins_to_leave() {
            let (server, session) = (Arc::clone(self), Arc::clone(session));
            self.shutdown.spawn(async move {
                let patience = server.shutdown.drain_time() / 4;
                if tokio::time::timeout(patience, server.answered(&session)).await.is_err() {
                    session.leave();
                    let _ = tokio::time::timeout(patience, server.answered(&session)).await;
                }
                session.end(DisconnectCode::Draining);
            });
        }
    }
}

impl Health for Server {
    fn troubles(&self) -> Vec<String> {
        let mut troubles = Vec::new();
        if self.managers.is_empty() {
            troubles.push("no manager is linked: durable messages wait or are refused".into());
        }
        if !self.channels.has_router() {
            troubles.push("no router is linked: messages reach only clients of this msg_server".into());
        }
        troubles.extend(self.refused_by.troubles());
        troubles.extend(self.accounts.iter().flat_map(Accounts::troubles));
        troubles
    }

    fn ready(&self) -> bool {
        !self.shutdown.is_draining()
    }

    fn figures(&self) -> Map<String, Value> {
        let mut figures = Map::new();
        figures.insert("Connections".into(), self.census.open().into());
        figures.insert("Sessions".into(), self.sessions.count().into());
        figures.insert("FollowedLogs".into(), self.followed.count().into());
        figures.insert("UnansweredAppends".into(), self.appends.waiting().into());
        figures.insert("Managers".into(), self.managers.count().into());
        figures.insert("Routers".into(), self.channels.router_count().into());
        figures.insert("MessagesInTotal".into(), get(&self.figures.messages_in));
        figures.insert("DeliveriesTotal".into(), get(&self.figures.deliveries));
        figures.insert("ForwardedInTotal".into(), get(&self.figures.forwarded_in));
        figures.insert("AckedTotal".into(), get(&self.figures.acked));
        figures.insert("AckMicrosTotal".into(), get(&self.figures.ack_micros));
        figures.insert("HeldSenders".into(), get(&self.figures.held_senders));
        figures.insert("VolatileDroppedTotal".into(), get(&self.figures.volatile_dropped));
        figures.insert("UnfinishedBytes".into(), self.unfinished.bytes().into());
        figures.insert("UnfinishedEndedTotal".into(), get(&self.figures.unfinished_ended));
        figures.insert("SlowReadersTotal".into(), get(&self.figures.slow_readers));
        figures.insert("RefusedTotal".into(), get(&self.figures.refused));
        if let Some(accounts) = &self.accounts {
            accounts.figures(&mut figures);
        }
        figures
    }
}
