//! From a client's durable send to its answer.
//!
//! The append goes to the log's owner; the answer goes to the sender, and what was stored is pushed to sessions here and
//! published on `/sysctrl/send` for everybody else. An append that is answered as a duplicate is treated like a new one: whoever
//! sent it first may have died before pushing it.

pub mod pending;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mesh::link::LinkId;
use mesh::outbox::Turn;
use parking_lot::Mutex;
use protocol::code::{DisconnectCode, ErrorCode};
use protocol::content::{Content, Entry};
use protocol::event::Stored;
use protocol::ids::{LogName, Time, Version};
use protocol::link::{self, Append, Appended, Frame, Outcome, Send};
use xxhash_rust::xxh3::xxh3_64;

use self::pending::{GivenUp, ManagerLink, Outgoing, Pending, Unanswered};
use crate::client::session::Session;
use crate::links::channels::Queued;
use crate::server::{Server, count};

const SHARDS: usize = 16;

/// So often is looked whether a router's queue has room again.
const LOOK_FOR_ROOM: Duration = Duration::from_millis(10);

/// All unanswered appends. A log's are in one shard, so that their order is kept.
pub struct Appends {
    shards: [Mutex<Shard>; SHARDS],
}

struct Shard {
    submitted: u64,
    pending: Pending<Origin>,
}

/// Whom an append's answer is for.
#[derive(Debug, Clone)]
struct Origin {
    session: Arc<Session>,
    seq: Option<u64>,
    /// The other inbox of a p2p message.
    peer: Option<LogName>,
    content: Bytes,
    began: Instant,
}

/// A message that a client wants stored.
pub(crate) struct Submission<'a> {
    /// The log, or the sender's inbox.
    pub log: LogName,
    /// The recipient's inbox, for a p2p message.
    pub peer: Option<LogName>,
    /// What it says.
    pub content: Content<'a>,
    /// The request's number.
    pub seq: Option<u64>,
}

impl Appends {
    /// None yet. A link to a manager holds at most `link_queue_bytes`: unanswered appends take half of that at most, so that
    /// there is room for questions.
    pub fn new(link_queue_bytes: usize) -> Self {
        let window = link_queue_bytes / 2 / SHARDS;
        Self {
            shards: std::array::from_fn(|_| {
                Mutex::new(Shard { submitted: 0, pending: Pending::new(window) })
            }),
        }
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().pending.len()).sum()
    }

    /// Takes an append, and sends it if there is an owner: before the next one of the log can be.
    fn submit(
        &self,
        log: LogName,
        pair: bool,
        origin: Origin,
        deadline: Instant,
        send: impl FnOnce(Outgoing),
    ) {
        let index = xxh3_64(log.as_str().as_bytes()) as usize % SHARDS;
        let mut shard = self.shards[index].lock();
        shard.submitted += 1;
        let ask = shard.submitted * SHARDS as u64 + index as u64;
        let append = Append { ask, log: log.as_str(), pair, content: &origin.content };
        let frame = Frame::Append(append).to_bytes();
        if let Some(outgoing) = shard.pending.submit(ask, log, frame, origin, deadline) {
            send(outgoing);
        }
    }

    /// The append that the answer is for, unless that is not waited for; what may go out now is sent.
    fn answered(
        &self,
        link: LinkId,
        appended: &Appended<'_>,
        send: impl FnMut(Outgoing),
    ) -> Option<Unanswered<Origin>> {
        let mut shard = self.shards[appended.ask as usize % SHARDS].lock();
        let (append, released) = match appended.outcome {
            Outcome::Stored(_) => shard.pending.answered(appended.ask),
            Outcome::Refused { .. } => shard.pending.refused(appended.ask, link),
        };
        released.into_iter().for_each(send);
        append
    }

    /// Other managers are linked: what waits is sent to them, before anything that comes after it. Which they are is asked
    /// under the same lock, so that of two changes at once the later one counts.
    pub(crate) fn managers_changed(
        &self,
        managers: impl Fn() -> Vec<ManagerLink>,
        mut send: impl FnMut(Outgoing),
    ) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            shard.pending.managers_changed(managers()).into_iter().for_each(&mut send);
        }
    }
}

impl Server {
    /// Has a message stored.
    pub(crate) fn append(&self, session: &Arc<Session>, submission: Submission<'_>, turn: &mut Turn) {
        count(&self.figures.messages_in);
        let content = submission.content.to_bytes();
        session.append_begins(content.len());
        let pair = submission.content.to.is_some();
        let began = Instant::now();
        let origin = Origin {
            session: Arc::clone(session),
            seq: submission.seq,
            peer: submission.peer,
            content,
            began,
        };
        let deadline = began + self.config.append_timeout;
        let send = |outgoing| self.managers.send(outgoing, turn);
        self.appends.submit(submission.log, pair, origin, deadline, send);
    }

    /// A manager's answer, over this link.
    pub(crate) fn appended(self: &Arc<Self>, link: LinkId, appended: &Appended<'_>, turn: &mut Turn) {
        let send = |outgoing| self.managers.send(outgoing, turn);
        let Some(append) = self.appends.answered(link, appended, send) else { return };
        if !append.given_up {
            append.origin.session.append_ends(append.origin.content.len());
        }
        match appended.outcome {
            Outcome::Stored(stored) => self.stored(append, stored, turn),
            Outcome::Refused { code, message, stored } => {
                let code = ErrorCode::from_number(code).unwrap_or(ErrorCode::Internal);
                self.give_up(&append.origin, code, message, append.certainty(stored), turn);
            }
        }
    }

    fn stored(self: &Arc<Self>, append: Unanswered<Origin>, stored: link::Stored, turn: &mut Turn) {
        let Unanswered { log, origin, given_up, .. } = append;
        if !given_up {
            self.acknowledge(&log, &origin, stored, turn);
        }
        let Origin { session, peer, content, .. } = origin;
        // Whoever was told that it may not be stored is pushed it like everybody else.
        let origin = (session.is_newer() && !given_up).then_some(session);
        self.spread(&log, stored, &content, origin, turn);
        if let Some(peer) = peer.filter(|_| stored.peer_version > 0) {
            let of_peer = link::Stored { version: stored.peer_version, ..stored };
            self.spread(&peer, of_peer, &content, None, turn);
        }
    }

    fn acknowledge(&self, log: &LogName, origin: &Origin, stored: link::Stored, turn: &mut Turn) {
        let micros = origin.began.elapsed().as_micros() as u64;
        self.figures.ack_micros.fetch_add(micros, Ordering::Relaxed);
        count(&self.figures.acked);
        let fill = |ok: &mut protocol::command::Packet<'_>| {
            ok.log = Some(log.as_str().to_owned().into());
            ok.version = Some(stored.version);
            ok.time = Some(stored.time);
        };
        origin.session.ok(origin.seq, fill, turn);
    }

    /// Pushes a stored entry to sessions here and publishes it for all others.
    fn spread(
        self: &Arc<Self>,
        log: &LogName,
        stored: link::Stored,
        content: &Bytes,
        origin: Option<Arc<Session>>,
        turn: &mut Turn,
    ) {
        let link::Stored { version, time, .. } = stored;
        let send = Send { log: log.as_str(), version, time, content };
        self.channels.send(log, || link::encode_send(&send), turn);
        let entry = Entry { version: Version(version), time: Time(time), content: content.clone() };
        self.deliver(log, entry, stored.revision, origin, turn);
    }

    /// A volatile message: to those who are online, here and elsewhere.
    pub(crate) fn send_volatile(
        self: &Arc<Self>,
        session: &Arc<Session>,
        log: &LogName,
        content: &Content<'_>,
        turn: &mut Turn,
    ) {
        count(&self.figures.messages_in);
        let encode = || {
            let content = content.to_bytes();
            link::encode_send(&Send { log: log.as_str(), version: 0, time: 0, content: &content })
        };
        if let Some(queued) = self.channels.send_volatile(log, encode, turn) {
            self.volatile_queued(session, queued);
        }
        // To an old session its own topic messages come back: it knows no other sign that they were taken.
        let unheard = session.is_newer().then_some(session);
        self.deliver_volatile(log.as_str(), content, unheard, turn);
    }

    /// A sender of volatile messages hears no answer that it could wait for: it is read no further while a router's queue is half
    /// full of what it and others sent.
    fn volatile_queued(self: &Arc<Self>, session: &Arc<Session>, queued: Queued) {
        let Queued { router, dropped } = queued;
        if dropped {
            count(&self.figures.volatile_dropped);
        }
        let bound = self.config.links.link_queue_bytes / 2;
        if router.waiting() <= bound {
            return;
        }
        let (held, sender, server) = (session.holds_next(), Arc::clone(session), Arc::clone(self));
        count(&self.figures.held_senders);
        self.shutdown.spawn(async move {
            while router.waiting() > bound && !router.is_closing() && !sender.state().ended {
                tokio::time::sleep(LOOK_FOR_ROOM).await;
            }
            server.figures.held_senders.fetch_sub(1, Ordering::Relaxed);
            drop(held);
        });
    }

    /// A message that a router brought.
    pub(crate) fn forwarded(self: &Arc<Self>, send: &Send<'_>, turn: &mut Turn) {
        count(&self.figures.forwarded_in);
        if send.version == 0 {
            if let Ok(content) = Content::parse(send.content) {
                self.deliver_volatile(send.log, &content, None, turn);
            }
            return;
        }
        // Looked up before its content is copied: routers may know of us longer than we follow.
        if let Some(followed) = self.followed.get(send.log) {
            let content = Bytes::copy_from_slice(send.content);
            let entry = Entry { version: Version(send.version), time: Time(send.time), content };
            followed.with(self, turn, |feed, steps| feed.arrived(entry, None, Instant::now(), steps));
        }
    }

    /// Gives up appends that nobody answered in time.
    pub(crate) fn give_up_late_appends(&self, turn: &mut Turn) {
        let now = Instant::now();
        for shard in &self.appends.shards {
            let late = {
                let mut shard = shard.lock();
                let (late, released) = shard.pending.expire(now);
                released.into_iter().for_each(|outgoing| self.managers.send(outgoing, turn));
                late
            };
            for GivenUp { origin, stored } in late {
                origin.session.append_ends(origin.content.len());
                let code = match stored {
                    Stored::No => ErrorCode::NoManager,
                    Stored::Maybe => ErrorCode::TimedOut,
                };
                self.give_up(&origin, code, code.meaning(), stored, turn);
            }
        }
    }

    /// The message was not stored, as far as is known. An old client never sends again by itself: where trying again would have
    /// helped, its connection ends, so that it notices.
    fn give_up(&self, origin: &Origin, code: ErrorCode, why: &str, stored: Stored, turn: &mut Turn) {
        let session = &origin.session;
        if session.is_newer() {
            session.refuse_saying(origin.seq, code, why, Some(stored), turn);
        } else if code.retry().is_some() {
            session.end(DisconnectCode::Unanswered);
        }
    }

    /// Waits until the session has no unanswered appends, or ended.
    pub(crate) async fn answered(&self, session: &Session) {
        while session.unanswered() > 0 && !session.state().ended {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
