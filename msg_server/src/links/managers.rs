//! What managers are asked, and how their answers find who asked.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use mesh::link::LinkId;
use mesh::outbox::{Outbox, Turn};
use parking_lot::Mutex;
use protocol::code::ErrorCode;
use protocol::content::Entry;
use protocol::ids::{LogName, Time, Version};
use protocol::link::request::{Notice, Reply, Request};
use protocol::link::{Frame, Page, Read};
use protocol::ownership;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::owners_clock::OwnersClock;
use crate::append::pending::{ManagerLink, Outgoing};

/// A question may take this long before its link is given up on.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Managers that are linked.
pub(crate) struct Managers {
    linked: ArcSwap<Vec<Arc<Manager>>>,
    changed: watch::Sender<usize>,
    store: Mutex<Option<String>>,
    clock: Mutex<OwnersClock>,
}

impl Default for Managers {
    fn default() -> Self {
        Self {
            linked: ArcSwap::default(),
            changed: watch::Sender::new(0),
            store: Mutex::default(),
            clock: Mutex::default(),
        }
    }
}

/// One incarnation of a manager's link.
pub(crate) struct Manager {
    link: ManagerLink,
    outbox: Arc<Outbox>,
    asked: AtomicU64,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    gone: bool,
    asks: HashMap<u64, oneshot::Sender<Answer>>,
}

/// What comes back.
#[derive(Debug)]
pub(crate) enum Answer {
    /// To a [`Request`].
    Reply(Reply),
    /// To a read.
    Page(OwnedPage),
}

impl Answer {
    /// The number of the code under which it was refused; 0: it was not.
    fn refused(&self) -> u16 {
        match self {
            Self::Reply(Reply::Refused { code, .. }) => *code,
            Self::Reply(_) => 0,
            Self::Page(page) => page.refused,
        }
    }
}

/// A page, out of its frame.
#[derive(Debug, Default)]
pub(crate) struct OwnedPage {
    /// The first version that retention has left.
    pub first: Version,
    /// The newest version.
    pub head: Version,
    /// Oldest first.
    pub entries: Vec<Entry>,
    /// The number of the code under which it was refused; 0: it was not.
    pub refused: u16,
    /// Of a topic: how many memberships of it had ended.
    pub revision: u64,
    /// The reader sees nothing up to here, and is told of no gap there.
    pub since: Version,
}

/// How much of a log is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageBounds {
    /// Entries after this one.
    pub after: Version,
    /// At most so many.
    pub max_entries: u64,
    /// At most so many bytes of content, but at least one entry.
    pub max_bytes: u64,
}

/// Why there is no answer. All of it may be asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AskError {
    /// None is linked.
    #[error("no manager is linked")]
    NoManager,
    /// The link ended before the answer came, or the manager drains.
    #[error("the link to the manager ended")]
    LinkEnded,
    /// The answer took too long.
    #[error("the manager did not answer in time")]
    TimedOut,
}

impl Manager {
    /// This incarnation's id.
    pub(crate) fn link(&self) -> LinkId {
        self.link.link
    }

    async fn exchange(&self, frame: impl FnOnce(u64) -> Bytes) -> Result<Answer, AskError> {
        let (sender, receiver) = oneshot::channel();
        let ask = self.asked.fetch_add(1, Ordering::Relaxed);
        {
            let mut waiting = self.waiting.lock();
            if waiting.gone {
                return Err(AskError::LinkEnded);
            }
            waiting.asks.insert(ask, sender);
        }
        let _asked = Asked { manager: self, ask };
        let mut turn = Turn::default();
        if self.outbox.push(frame(ask), &mut turn).is_err() {
            self.outbox.cut(None);
        }
        turn.flush_now();
        let answer = tokio::time::timeout(ANSWER_WITHIN, receiver).await;
        let answer = answer.map_err(|_| AskError::TimedOut)?.map_err(|_| AskError::LinkEnded)?;
        if answer.refused() == ErrorCode::Draining.number() { Err(AskError::LinkEnded) } else { Ok(answer) }
    }

    fn answer(&self, ask: u64, answer: Answer) {
        if let Some(sender) = self.waiting.lock().asks.remove(&ask) {
            // Whoever asked may have gone.
            let _ = sender.send(answer);
        }
    }
}

/// A question that somebody waits for: no longer, once this is dropped.
struct Asked<'a> {
    manager: &'a Manager,
    ask: u64,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.manager.waiting.lock().asks.remove(&self.ask);
    }
}

impl Managers {
    /// Whether a manager of this store may serve here: the first one decides, for as long as the process lives.
    ///
    /// # Errors
    /// A text that names both stores.
    pub(crate) fn admit_store(&self, store: &str) -> Result<(), String> {
        let mut ours = self.store.lock();
        match &*ours {
            Some(ours) if ours != store => Err(format!(
                "this msg_server serves the store {ours}; the manager has the store {store}: a mesh has one store. \
                 Point the manager to that store, or restart the msg_servers to serve the other one"
            )),
            _ => {
                *ours = Some(store.to_owned());
                Ok(())
            }
        }
    }

    /// A manager is linked. Before it is asked anything, it hears what the managers' clock shows, lest its own go back.
    pub(crate) fn enter(
        &self,
        id: LinkId,
        uuid: &str,
        outbox: &Arc<Outbox>,
        turn: &mut Turn,
    ) -> Arc<Manager> {
        let shows = self.clock.lock().reads(Instant::now());
        if let Some(shows) = shows {
            let json = serde_json::to_vec(&Notice::Clock { shows }).unwrap_or_default();
            // A link that takes nothing is ending.
            let _ = outbox.push(Frame::Notice(&json).to_bytes(), turn);
        }
        let manager = Arc::new(Manager {
            link: ManagerLink { link: id, uuid: uuid.to_owned() },
            outbox: Arc::clone(outbox),
            asked: AtomicU64::new(1),
            waiting: Mutex::default(),
        });
        // A manager that dials again while its last link is not known to be dead has one owner's place, not two.
        self.replace(|linked| {
            linked.retain(|other| other.link.uuid != manager.link.uuid);
            linked.push(Arc::clone(&manager));
        });
        manager
    }

    /// A manager's link ended, or it drains: whoever waits for it hears so. False if that was known.
    pub(crate) fn leave(&self, manager: &Arc<Manager>) -> bool {
        self.replace(|linked| linked.retain(|other| !Arc::ptr_eq(other, manager)));
        let mut waiting = manager.waiting.lock();
        waiting.asks.clear();
        !std::mem::replace(&mut waiting.gone, true)
    }

    fn replace(&self, change: impl FnOnce(&mut Vec<Arc<Manager>>)) {
        self.changed.send_modify(|count| {
            let mut linked = Vec::clone(&self.linked.load());
            change(&mut linked);
            *count = linked.len();
            self.linked.store(Arc::new(linked));
        });
    }

    /// Those that are linked, as ownership is decided among them.
    pub(crate) fn links(&self) -> Vec<ManagerLink> {
        self.linked.load().iter().map(|manager| manager.link.clone()).collect()
    }

    /// The owner of a log.
    pub(crate) fn owner(&self, log: &LogName) -> Option<Arc<Manager>> {
        ownership::owner(log, self.linked.load().iter(), |manager| &manager.link.uuid).cloned()
    }

    /// Whether none is linked.
    pub(crate) fn is_empty(&self) -> bool {
        self.linked.load().is_empty()
    }

    /// How many are linked.
    pub(crate) fn count(&self) -> usize {
        self.linked.load().len()
    }

    /// Waits until one is linked.
    pub(crate) async fn available(&self) {
        // The sender lives as long as we do.
        let _ = self.changed.subscribe().wait_for(|count| *count > 0).await;
    }

    /// Queues a frame for one incarnation of a manager, if it is still linked.
    pub(crate) fn send(&self, (link, frame): Outgoing, turn: &mut Turn) {
        if let Some(manager) = self.linked.load().iter().find(|manager| manager.link.link == link)
            && manager.outbox.push(frame, turn).is_err()
        {
            manager.outbox.cut(None);
        }
    }

    /// Asks the owner of `log`, once.
    ///
    /// # Errors
    /// [`AskError`]: it may be asked again.
    pub(crate) async fn ask(&self, log: &LogName, request: &Request) -> Result<Reply, AskError> {
        let manager = self.owner(log).ok_or(AskError::NoManager)?;
        let json = serde_json::to_vec(request).unwrap_or_default();
        let answer = manager.exchange(|ask| Frame::Ask(ask, &json).to_bytes()).await?;
        let Answer::Reply(reply) = answer else { return Err(AskError::LinkEnded) };
        if let Reply::LoggedIn { stamp, .. } = &reply {
            self.clock.lock().showed(*stamp, Instant::now());
        }
        Ok(reply)
    }

    /// Asks the owner of `log` until it answers or `within` has passed.
    ///
    /// # Errors
    /// [`AskError`] of the last attempt.
    pub(crate) async fn ask_within(
        &self,
        within: Duration,
        log: &LogName,
        request: &Request,
    ) -> Result<Reply, AskError> {
        self.ask_noting(within, log, request).await.map(|(reply, _)| reply)
    }

    /// As [`Managers::ask_within`]; says as well when the question was asked that is answered.
    ///
    /// # Errors
    /// [`AskError`] of the last attempt.
    pub(crate) async fn ask_noting(
        &self,
        within: Duration,
        log: &LogName,
        request: &Request,
    ) -> Result<(Reply, Instant), AskError> {
        let deadline = Instant::now() + within;
        let mut changed = self.changed.subscribe();
        loop {
            changed.mark_unchanged();
            let asked_at = Instant::now();
            let asked = tokio::time::timeout_at(deadline, self.ask(log, request)).await;
            let error = match asked.unwrap_or(Err(AskError::TimedOut)) {
                Ok(reply) => return Ok((reply, asked_at)),
                Err(error) => error,
            };
            if Instant::now() >= deadline {
                return Err(error);
            }
            let _ = tokio::time::timeout_at(deadline, changed.changed()).await;
        }
    }

    /// Reads a page of a log from its owner, once.
    ///
    /// # Errors
    /// [`AskError`]: it may be read again.
    pub(crate) async fn read(
        &self,
        log: &LogName,
        reader: Option<&str>,
        bounds: PageBounds,
    ) -> Result<OwnedPage, AskError> {
        let manager = self.owner(log).ok_or(AskError::NoManager)?;
        let frame = |ask| {
            let PageBounds { after, max_entries, max_bytes } = bounds;
            let read = Read { ask, log: log.as_str(), reader, after: after.0, max_entries, max_bytes };
            Frame::Read(read).to_bytes()
        };
        match manager.exchange(frame).await? {
            Answer::Page(page) => Ok(page),
            Answer::Reply(_) => Err(AskError::LinkEnded),
        }
    }
}

impl Manager {
    /// An answer in JSON came.
    pub(crate) fn replied(&self, ask: u64, json: &[u8]) {
        match serde_json::from_slice(json) {
            Ok(reply) => self.answer(ask, Answer::Reply(reply)),
            Err(error) => {
                tracing::warn!(%error, "a manager's answer cannot be read");
                self.answer(ask, Answer::Reply(Reply::refused(ErrorCode::Internal)));
            }
        }
    }

    /// A page came.
    pub(crate) fn paged(&self, page: &Page<'_>) {
        let entry = |entry: &protocol::link::PageEntry<'_>| Entry {
            version: Version(entry.version),
            time: Time(entry.time),
            content: Bytes::copy_from_slice(entry.content),
        };
        let owned = OwnedPage {
            first: Version(page.first),
            head: Version(page.head),
            entries: page.entries.iter().map(entry).collect(),
            refused: page.refused,
            revision: page.revision,
            since: Version(page.since),
        };
        self.answer(page.ask, Answer::Page(owned));
    }
}
