//! What all links of a manager share.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use mesh::config::{AuthMode, ManagerConfig};
use mesh::outbox::{NotQueued, Outbox, Turn};
use mesh::process::Shutdown;
use mesh::report::Identity;
use parking_lot::{Mutex, MutexGuard};
use storage::Store;

use crate::budget::Budget;
use crate::stamps::Stamps;
use crate::topic_quota::TopicQuota;
use crate::vitals::Vitals;

/// The largest page, in bytes of content.
const PAGE_BYTES: usize = 1 << 20;

/// How many pages of the largest size fit into the queue of one link.
const PAGES_A_QUEUE: usize = 16;

/// The manager's shared state; clones share it.
#[derive(Clone)]
pub struct Desk(Arc<Shared>);

struct Shared {
    store: Arc<dyn Store>,
    vitals: Arc<Vitals>,
    identity: Arc<Identity>,
    clock: Clock,
    stamps: Mutex<Stamps>,
    mode: AuthMode,
    topic_quota: Mutex<TopicQuota>,
    queue_bytes: usize,
    shutdown: Shutdown,
}

impl Desk {
    /// A desk before an open store.
    pub fn new(
        store: Arc<dyn Store>,
        vitals: Arc<Vitals>,
        identity: Arc<Identity>,
        config: &ManagerConfig,
        shutdown: Shutdown,
    ) -> Self {
        let (stamps, queue_bytes) = (Mutex::default(), config.links.link_queue_bytes);
        let topic_quota = Mutex::new(TopicQuota::new(config.max_topics_per_user));
        let mode = config.process.auth_mode;
        Self(Arc::new(Shared {
            store,
            vitals,
            identity,
            clock: Clock::begin(),
            stamps,
            mode,
            topic_quota,
            queue_bytes,
            shutdown,
        }))
    }

    /// Where everything is kept.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.0.store
    }

    /// What this manager says of itself.
    pub fn vitals(&self) -> &Arc<Vitals> {
        &self.0.vitals
    }

    /// The bytes that are under way.
    pub fn budget(&self) -> &Arc<Budget> {
        self.0.vitals.budget()
    }

    /// What this manager reports.
    pub fn report(&self) -> Vec<u8> {
        self.0.identity.report_json(&*self.0.vitals)
    }

    /// How users of this mesh log in.
    pub fn mode(&self) -> AuthMode {
        self.0.mode
    }

    /// The number of a login that happens now.
    pub fn stamp(&self) -> u64 {
        let now = self.0.clock.now();
        self.0.stamps.lock().next(now)
    }

    /// A msg_server says that the managers' clock shows this at least, in microseconds since 1970.
    pub fn clock_shows(&self, shows: u64) {
        let now = self.0.clock.now();
        self.0.stamps.lock().seen(shows, now);
    }

    /// How many topics each user may be a member of; locked, so never held over a question.
    pub fn topic_quota(&self) -> MutexGuard<'_, TopicQuota> {
        self.0.topic_quota.lock()
    }

    /// Bytes that one page may have.
    pub fn page_bytes(&self) -> usize {
        PAGE_BYTES.min(self.0.queue_bytes / PAGES_A_QUEUE)
    }

    /// Bytes that may wait for a link before its pages wait too: half of its queue, so that other answers fit.
    pub fn page_room(&self) -> usize {
        self.0.queue_bytes / 2
    }

    /// Whether nothing new is taken.
    pub fn is_draining(&self) -> bool {
        self.0.shutdown.is_draining()
    }

    /// Spawns a task that the end of the process waits for.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.shutdown.spawn(task);
    }
}

/// A clock that nobody sets while the process runs: the time of its start, and what passed since.
struct Clock {
    begun: u64,
    since: Instant,
}

impl Clock {
    fn begin() -> Self {
        let begun = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_micros() as u64;
        Self { begun, since: Instant::now() }
    }

    /// Microseconds since 1970.
    fn now(&self) -> u64 {
        self.begun + self.since.elapsed().as_micros() as u64
    }
}

/// Queues an answer. A link that does not take its answers is ended: whatever it asked, it asks again.
pub fn push(outbox: &Arc<Outbox>, frame: Bytes, turn: &mut Turn) {
    if let Err(overflow @ NotQueued::Overflow { .. }) = outbox.push(frame, turn) {
        tracing::warn!("{overflow}: the link is closed");
        outbox.cut(None);
    }
}
