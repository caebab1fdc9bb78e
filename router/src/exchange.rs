//! What all links of a router share: the directory, the links themselves, and what goes from one to others.
//!
//! A link is entered before anything it says reaches the directory, and senders look at the directory first and at
//! the links then: so whoever is found in the directory is found among the links.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use mesh::config::HostPort;
use mesh::health::Health;
use mesh::outbox::{NotQueued, Outbox, Turn};
use mesh::process::Shutdown;
use parking_lot::Mutex;
use protocol::link::Frame;
use protocol::link::request::Notice;
use serde_json::{Map, Value, json};

use crate::directory::Server;
use crate::shards::Shards;

/// One link that stands.
#[derive(Clone)]
struct Linked {
    address: HostPort,
    outbox: Arc<Outbox>,
}

/// The links by their [`Server`] number; `None` where a number is free.
type Links = Vec<Option<Linked>>;

/// The router's shared state.
pub struct Exchange {
    directory: Shards,
    links: ArcSwap<Links>,
    /// Held while the links change, so that no change is lost.
    changing: Mutex<()>,
    messages_in: AtomicU64,
    forwarded: AtomicU64,
    forwarded_bytes: AtomicU64,
    overflows: AtomicU64,
    volatile_dropped: AtomicU64,
    /// Where more waits for a link, volatile messages for it are dropped: the rest of its queue is for what has to arrive.
    volatile_bytes: usize,
    shutdown: Shutdown,
}

/// What one link took in and sent on since it last told.
#[derive(Debug, Default, Clone, Copy)]
pub struct Tally {
    /// Messages that came.
    pub messages_in: u64,
    /// Messages that were queued for another link, counted once for each.
    pub forwarded: u64,
    /// Bytes of those.
    pub bytes: u64,
}

impl Exchange {
    /// An exchange without links, each of which may hold so many bytes.
    pub fn new(link_queue_bytes: usize, shutdown: Shutdown) -> Self {
        Self {
            directory: Shards::new(),
            links: ArcSwap::default(),
            changing: Mutex::default(),
            messages_in: AtomicU64::new(0),
            forwarded: AtomicU64::new(0),
            forwarded_bytes: AtomicU64::new(0),
            overflows: AtomicU64::new(0),
            volatile_dropped: AtomicU64::new(0),
            volatile_bytes: link_queue_bytes / 2,
            shutdown,
        }
    }

    /// Who follows which log.
    pub fn directory(&self) -> &Shards {
        &self.directory
    }

    /// A link stands: gives it a number of its own. `None` where all 65,536 are taken.
    pub fn enter(&self, address: &HostPort, outbox: &Arc<Outbox>) -> Option<Server> {
        let linked = Linked { address: address.clone(), outbox: Arc::clone(outbox) };
        let _changing = self.changing.lock();
        let mut links = Links::clone(&self.links.load());
        let free = links.iter().position(Option::is_none).unwrap_or(links.len());
        let server = Server(u16::try_from(free).ok()?);
        if free == links.len() {
            links.push(Some(linked));
        } else {
            links[free] = Some(linked);
        }
        self.links.store(Arc::new(links));
        Some(server)
    }

    /// A link ended: what it had said is forgotten, and the others are told.
    pub fn leave(&self, server: Server, turn: &mut Turn) {
        let Some(linked) = self.links.load().get(usize::from(server.0)).cloned().flatten() else { return };
        // Forgotten before the number is given to another.
        self.directory.forget(server);
        {
            let _changing = self.changing.lock();
            let mut links = Links::clone(&self.links.load());
            links[usize::from(server.0)] = None;
            self.links.store(Arc::new(links));
        }
        self.tell_change(server, &linked.address, false, turn);
    }

    /// Tells every other link that the msg_server at `address` came or went.
    pub fn tell_change(&self, server: Server, address: &HostPort, up: bool, turn: &mut Turn) {
        self.tell_others(server, &notice(&Notice::PeerChanged { addr: address.to_string(), up }), turn);
    }

    /// Queues one frame for every link but that of `server`.
    pub fn tell_others(&self, server: Server, frame: &Bytes, turn: &mut Turn) {
        for (number, linked) in self.links.load().iter().enumerate() {
            if let Some(linked) = linked.as_ref().filter(|_| number != usize::from(server.0)) {
                self.push(linked, frame.clone(), turn);
            }
        }
    }

    /// Queues one frame for each of these links. Returns for how many.
    pub fn send(&self, frame: &Bytes, to: &[Server], turn: &mut Turn) -> u64 {
        self.each(to, |linked| self.push(linked, frame.clone(), turn))
    }

    /// As [`Exchange::send`], for a volatile message: it never ends a link, and is dropped where half of a queue is full.
    pub fn send_volatile(&self, frame: &Bytes, to: &[Server], turn: &mut Turn) -> u64 {
        self.each(to, |linked| self.push_volatile(linked, frame.clone(), turn))
    }

    fn each(&self, to: &[Server], mut push: impl FnMut(&Linked) -> bool) -> u64 {
        let links = self.links.load();
        let linked = to.iter().filter_map(|server| links.get(usize::from(server.0))?.as_ref());
        linked.map(|linked| u64::from(push(linked))).sum()
    }

    fn push_volatile(&self, linked: &Linked, frame: Bytes, turn: &mut Turn) -> bool {
        let queued =
            linked.outbox.waiting() <= self.volatile_bytes && linked.outbox.push(frame, turn).is_ok();
        self.volatile_dropped.fetch_add(u64::from(!queued), Ordering::Relaxed);
        queued
    }

    /// True if it was queued. A queue that is full ends its link: what is missing is read from the logs then.
    fn push(&self, linked: &Linked, frame: Bytes, turn: &mut Turn) -> bool {
        match linked.outbox.push(frame, turn) {
            Ok(()) => true,
            Err(NotQueued::Closing) => false,
            Err(overflow @ NotQueued::Overflow { .. }) => {
                self.overflows.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(msg_server = %linked.address, "{overflow}: the link is closed, and catches up");
                linked.outbox.cut(None);
                false
            }
        }
    }

    /// Adds to the figures.
    pub fn count(&self, tally: Tally) {
        self.messages_in.fetch_add(tally.messages_in, Ordering::Relaxed);
        self.forwarded.fetch_add(tally.forwarded, Ordering::Relaxed);
        self.forwarded_bytes.fetch_add(tally.bytes, Ordering::Relaxed);
    }

    /// Waits until each link's queue, as it stands now, was empty once.
    pub async fn flushed(&self) {
        const LOOK: Duration = Duration::from_millis(5);
        let mut left: Vec<Linked> = self.links.load().iter().flatten().cloned().collect();
        loop {
            left.retain(|linked| linked.outbox.waiting() > 0 && !linked.outbox.is_closing());
            if left.is_empty() {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// A notice as a frame.
pub fn notice(notice: &Notice) -> Bytes {
    Frame::Notice(&serde_json::to_vec(notice).unwrap_or_default()).to_bytes()
}

impl Health for Exchange {
    fn troubles(&self) -> Vec<String> {
        if self.links.load().iter().flatten().next().is_none() {
            vec!["no msg_server is linked".into()]
        } else {
            Vec::new()
        }
    }

    fn ready(&self) -> bool {
        !self.shutdown.is_draining() && self.troubles().is_empty()
    }

    fn figures(&self) -> Map<String, Value> {
        let links = self.links.load();
        let queued: usize = links.iter().flatten().map(|linked| linked.outbox.waiting()).sum();
        let (logs, inboxes) = self.directory.counts();
        let total = |count: &AtomicU64| json!(count.load(Ordering::Relaxed));
        let figures = [
            ("Links", json!(links.iter().flatten().count())),
            ("OnlineUsers", json!(inboxes)),
            ("FollowedLogs", json!(logs)),
            ("QueueBytes", json!(queued)),
            ("MessagesInTotal", total(&self.messages_in)),
            ("ForwardedTotal", total(&self.forwarded)),
            ("ForwardedBytesTotal", total(&self.forwarded_bytes)),
            ("OverflowsTotal", total(&self.overflows)),
            ("VolatileDroppedTotal", total(&self.volatile_dropped)),
        ];
        figures.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
