//! One client's connection, from its first packet on.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use mesh::outbox::{NotQueued, Outbox, Turn};
use parking_lot::{Mutex, MutexGuard};
use protocol::access::Scopes;
use protocol::code::{DisconnectCode, ErrorCode};
use protocol::event::{self, Dialect, Stored};
use protocol::ids::{DeviceId, LogName, UserId};
use protocol::link::request::LogState;
use tokio::sync::Notify;

use super::seniority::Rank;
use crate::follow::followings::Followings;
use crate::server::{Server, count};

/// Requests of one session that may be under way before it is read no further; a client that reads its answers never
/// has so many.
const REQUESTS_AT_ONCE: usize = 256;

/// So often is looked for room that nobody told of.
const LOOK_FOR_ROOM: Duration = Duration::from_millis(100);

/// A session: shared by the connection's task, and by whoever delivers to it.
pub struct Session {
    id: u64,
    address: SocketAddr,
    outbox: Arc<Outbox>,
    server: Arc<Server>,
    newer: AtomicBool,
    heard: AtomicU32,
    who: OnceLock<Who>,
    /// When it logged in, as [`seniority::stamp`](super::seniority::stamp) tells.
    stamp: AtomicU64,
    /// The owner's own number of the login; 0 while none has told it.
    login_number: AtomicU64,
    /// When what it logged in by expires, in milliseconds since 1970.
    expires: AtomicU64,
    /// Bytes of appends that are not answered.
    unanswered: AtomicUsize,
    /// Requests that a task still works on.
    under_way: AtomicUsize,
    /// What its next packet has to wait for.
    before_next: AtomicUsize,
    room: Notify,
    /// An entry did not fit into its queue, and has to be read again when that is empty.
    crowded: AtomicBool,
    /// Held by whoever reads a page for it, until that is queued: pages of many logs at once would overflow its queue.
    page: tokio::sync::Mutex<()>,
    /// It is being sent elsewhere.
    sent_away: AtomicBool,
    /// It is to end as soon as its appends are answered: nothing more is stored for it here.
    leaving: AtomicBool,
    state: Mutex<State>,
}

/// What became of a frame that can be offered again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offered {
    /// It goes out when the turn ends.
    Queued,
    /// There is no room for it.
    Full,
    /// The session is ending: it takes nothing any more.
    Ending,
}

/// Who a session is.
#[derive(Debug, Clone)]
pub struct Who {
    /// The user.
    pub user: UserId,
    /// The device; `None` for an old client.
    pub device: Option<DeviceId>,
    /// The user's inbox.
    pub inbox: LogName,
    /// What it may do.
    pub scopes: Scopes,
}

/// What a session has, besides who it is.
#[derive(Default)]
pub struct State {
    /// The connection ended: nothing may be added any more.
    pub ended: bool,
    /// The session was published on `/sysctrl/client-status`.
    pub announced: bool,
    /// Logs that it follows.
    pub logs: Followings,
    /// The user's logs as login or a later join found them; `None` while no manager has told.
    pub known: Option<Vec<LogState>>,
    /// Counts what was done about the user's memberships, so that an answer asked for before that is not believed.
    pub memberships: u64,
    /// What `RESUME` named.
    pub resumed: Option<Vec<(LogName, u64)>>,
    /// An old session that has created or joined a topic: it gets no p2p messages any more.
    pub serves_topics: bool,
    /// Old sessions: topic versions that were queued, to become marks once the socket took them.
    pub queued_marks: Vec<(LogName, u64)>,
}

impl Session {
    pub(crate) fn new(server: &Arc<Server>, address: SocketAddr, outbox: &Arc<Outbox>) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Arc::new(Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            address,
            outbox: Arc::clone(outbox),
            server: Arc::clone(server),
            newer: AtomicBool::new(false),
            heard: AtomicU32::new(server.seconds()),
            who: OnceLock::new(),
            stamp: AtomicU64::new(0),
            login_number: AtomicU64::new(0),
            expires: AtomicU64::new(u64::MAX),
            unanswered: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            before_next: AtomicUsize::new(0),
            room: Notify::new(),
            crowded: AtomicBool::new(false),
            page: tokio::sync::Mutex::default(),
            sent_away: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            state: Mutex::default(),
        })
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Who it is, once it is logged in.
    pub fn who(&self) -> Option<&Who> {
        self.who.get()
    }

    pub(crate) fn is_logged_in(&self) -> bool {
        self.who.get().is_some()
    }

    /// Says who it is; once. False if it is somebody already.
    pub(crate) fn identify(&self, who: Who) -> bool {
        self.who.set(who).is_ok()
    }

    pub(crate) fn is_newer(&self) -> bool {
        self.newer.load(Ordering::Relaxed)
    }

    pub(crate) fn become_newer(&self) {
        self.newer.store(true, Ordering::Relaxed);
    }

    pub(crate) fn dialect(&self) -> Dialect {
        if self.is_newer() { Dialect::New } else { Dialect::Old }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    pub(crate) fn stamp(&self) -> u64 {
        self.stamp.load(Ordering::Relaxed)
    }

    /// Its login's place among those of its device.
    pub(crate) fn rank(&self) -> Rank<'_> {
        Rank { stamp: self.stamp(), at: self.server.address(), session: self.id }
    }

    /// Whether it is a newer session of this device.
    pub(crate) fn is_on(&self, device: &DeviceId) -> bool {
        self.who().is_some_and(|who| who.device.as_ref() == Some(device))
    }

    /// The owner's own number of its login: what ended access later has a greater one.
    pub(crate) fn login_number(&self) -> u64 {
        self.login_number.load(Ordering::Relaxed)
    }

    pub(crate) fn set_login_number(&self, number: u64) {
        self.login_number.store(number, Ordering::Relaxed);
    }

    /// When what it logged in by expires, in milliseconds since 1970.
    pub(crate) fn expires(&self) -> u64 {
        self.expires.load(Ordering::Relaxed)
    }

    pub(crate) fn set_expires(&self, at: u64) {
        self.expires.store(at, Ordering::Relaxed);
    }

    pub(crate) fn set_stamp(&self, stamp: u64) {
        self.stamp.store(stamp, Ordering::Relaxed);
    }

    /// The second, counted from the server's start, in which it was heard last.
    pub(crate) fn heard(&self) -> u32 {
        self.heard.load(Ordering::Relaxed)
    }

    pub(crate) fn hear(&self) {
        self.heard.store(self.server.seconds(), Ordering::Relaxed);
    }

    /// Queues a frame that nobody can offer again; a session that has no room even for these reads too slowly and is ended.
    pub(crate) fn push(&self, frame: Bytes, turn: &mut Turn) {
        if let Err(NotQueued::Overflow { .. }) = self.outbox.push(frame, turn) {
            self.reads_too_slowly();
        }
    }

    /// Queues a volatile message. One who has not taken durable ones yet does without it: it comes at most once. One who has
    /// nothing else to take is ended, so as to hear of it.
    pub(crate) fn push_volatile(&self, frame: Bytes, turn: &mut Turn) {
        let queued = self.outbox.push(frame, turn);
        if matches!(queued, Err(NotQueued::Overflow { .. })) && !self.crowded.load(Ordering::Relaxed) {
            self.reads_too_slowly();
        }
    }

    /// Queues an entry of a log, if there is room: it can be read again when there is.
    pub(crate) fn offer(&self, frame: Bytes, turn: &mut Turn) -> Offered {
        match self.outbox.offer(frame, turn) {
            Ok(()) => Offered::Queued,
            Err(NotQueued::Closing) => Offered::Ending,
            Err(NotQueued::Overflow { .. }) => {
                self.crowded.store(true, Ordering::Relaxed);
                Offered::Full
            }
        }
    }

    /// Ends it at once: what waits is dropped, and read again by whoever resumes.
    pub(crate) fn reads_too_slowly(&self) {
        tracing::info!(address = %self.address, user = ?self.who().map(|who| &who.user), "a slow reader is disconnected");
        count(&self.server.figures.slow_readers);
        self.outbox.cut(self.last_words(DisconnectCode::SlowReader));
    }

    /// Refuses a request; an old session hears nothing of it.
    pub(crate) fn refuse(&self, seq: Option<u64>, code: ErrorCode, stored: Option<Stored>, turn: &mut Turn) {
        self.refuse_saying(seq, code, code.meaning(), stored, turn);
    }

    /// As [`Session::refuse`], for whoever knows when it is worth trying again.
    pub(crate) fn refuse_for(
        &self,
        seq: Option<u64>,
        code: ErrorCode,
        message: &str,
        retry: Option<Duration>,
        turn: &mut Turn,
    ) {
        count(&self.server.figures.refused);
        if let Some(seq) = seq {
            self.push(event::error_for(seq, code, message, retry), turn);
        }
    }

    /// As [`Session::refuse`], in other words.
    pub(crate) fn refuse_saying(
        &self,
        seq: Option<u64>,
        code: ErrorCode,
        message: &str,
        stored: Option<Stored>,
        turn: &mut Turn,
    ) {
        count(&self.server.figures.refused);
        if let Some(seq) = seq {
            self.push(event::error(seq, code, message, stored), turn);
        }
    }

    /// Answers a request with a bare `OK`, or with what `fill` puts into it.
    pub(crate) fn ok<'a>(
        &self,
        seq: Option<u64>,
        fill: impl FnOnce(&mut protocol::command::Packet<'a>),
        turn: &mut Turn,
    ) {
        if let Some(seq) = seq {
            let mut packet = event::ok(seq);
            fill(&mut packet);
            self.push(packet.to_bytes(), turn);
        }
    }

    /// Ends the session: a newer one is told why.
    pub(crate) fn end(&self, code: DisconnectCode) {
        self.outbox.close(self.last_words(code));
    }

    fn last_words(&self, code: DisconnectCode) -> Option<Bytes> {
        self.is_newer().then(|| event::disconnect(code))
    }

    /// Whether its next request may be taken: what is unanswered has a bound, in bytes and in requests; an old session,
    /// which hears no answer that it could wait for, has its packets taken one after another, and none once it is to leave,
    /// for it understands no refusal; and nothing is taken before a login is answered.
    pub(crate) fn may_ask(&self) -> bool {
        self.unanswered() < self.server.config.unanswered_bytes
            && self.under_way.load(Ordering::Relaxed) < REQUESTS_AT_ONCE
            && self.before_next.load(Ordering::Relaxed) == 0
            && (self.is_newer() || !self.is_leaving())
    }

    /// Somebody begins to send it elsewhere. False if that was begun.
    pub(crate) fn begins_to_leave(&self) -> bool {
        !self.sent_away.swap(true, Ordering::Relaxed)
    }

    /// Nothing more is stored for it here.
    pub(crate) fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    /// Whether nothing more is stored for it here.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    /// Whether its login is being decided.
    pub(crate) fn is_logging_in(&self) -> bool {
        !self.is_logged_in() && self.before_next.load(Ordering::Relaxed) > 0
    }

    /// Whether nobody on the way can read what it says.
    pub(crate) fn is_private(&self) -> bool {
        self.outbox.is_secure()
    }

    /// Where it comes from.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its next packet waits until what this returns is dropped.
    pub(crate) fn holds_next(self: &Arc<Self>) -> HoldsNext {
        self.before_next.fetch_add(1, Ordering::Relaxed);
        HoldsNext(Arc::clone(self))
    }

    /// A task begins to work on a request, until what this returns is dropped.
    pub(crate) fn request_begins(self: &Arc<Self>) -> UnderWay {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(Arc::clone(self))
    }

    /// Bytes of its appends that are not answered yet.
    pub(crate) fn unanswered(&self) -> usize {
        self.unanswered.load(Ordering::Relaxed)
    }

    pub(crate) fn append_begins(&self, bytes: usize) {
        self.unanswered.fetch_add(bytes, Ordering::Relaxed);
    }

    /// An append was answered: if that is why the connection was not read, it is read again.
    pub(crate) fn append_ends(&self, bytes: usize) {
        let before = self.unanswered.fetch_sub(bytes, Ordering::Relaxed);
        let bound = self.server.config.unanswered_bytes;
        if before >= bound && before - bytes < bound {
            self.outbox.wake();
        }
    }

    /// The queue is empty again, or the session ended: whoever waits for room looks again.
    pub(crate) fn has_room(&self) {
        self.room.notify_waiters();
    }

    /// Whether everything queued was taken by the socket.
    pub(crate) fn is_drained(&self) -> bool {
        self.outbox.waiting() == 0
    }

    /// Waits until pages may be queued: until little waits, or, where something did not fit, nothing. False if the session ended.
    pub(crate) async fn wait_for_room(&self) -> bool {
        let little = self.server.config.session_queue_bytes / 4;
        loop {
            let low = if self.crowded.load(Ordering::Relaxed) { 0 } else { little };
            let room = self.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            if self.state.lock().ended || self.outbox.is_closing() {
                return false;
            }
            if self.outbox.waiting() <= low {
                self.crowded.store(false, Ordering::Relaxed);
                return true;
            }
            // Whoever empties the queue in a turn of their own, before the socket was ever full, says nothing.
            let _ = tokio::time::timeout(LOOK_FOR_ROOM, room).await;
        }
    }

    /// Waits for its turn to have a page read and queued.
    pub(crate) async fn one_page(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.page.lock().await
    }

    /// Waits until the connection has ended.
    pub(crate) async fn ended(&self) {
        loop {
            let room = self.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            if self.state.lock().ended {
                return;
            }
            room.await;
        }
    }
}

/// What the next packet of a session waits for.
pub(crate) struct HoldsNext(Arc<Session>);

impl Drop for HoldsNext {
    fn drop(&mut self) {
        self.0.before_next.fetch_sub(1, Ordering::Relaxed);
        self.0.outbox.wake();
    }
}

/// A request that a task works on.
pub(crate) struct UnderWay(Arc<Session>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        if self.0.under_way.fetch_sub(1, Ordering::Relaxed) == REQUESTS_AT_ONCE {
            self.0.outbox.wake();
        }
    }
}

impl PartialEq for Session {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("id", &self.id).field("who", &self.who).finish_non_exhaustive()
    }
}
