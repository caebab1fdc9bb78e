//! What a manager says of itself: troubles and figures, and when nothing is under way.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use mesh::health::Health;
use mesh::link::{LinkId, Refusals};
use mesh::outbox::Outbox;
use mesh::process::Shutdown;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use storage::Store;

use crate::budget::Budget;
use crate::latency::Latencies;

/// The state of a manager, from its start to its end.
pub struct Vitals {
    /// Set once the store is open.
    open: OnceLock<Open>,
    budget: Arc<Budget>,
    links: Mutex<HashMap<LinkId, Arc<Outbox>>>,
    latencies: Mutex<Latencies>,
    appends: AtomicU64,
    append_bytes: AtomicU64,
    duplicates: AtomicU64,
    batches: AtomicU64,
    reads: AtomicU64,
    requests: AtomicU64,
    refused: AtomicU64,
    shutdown: Shutdown,
}

struct Open {
    store: Arc<dyn Store>,
    refusals: Arc<Refusals>,
}

impl Vitals {
    /// Of a manager whose store is not open yet, and which may have so many bytes under way.
    pub fn new(limit: usize, shutdown: Shutdown) -> Self {
        Self {
            open: OnceLock::new(),
            budget: Arc::new(Budget::new(limit)),
            links: Mutex::default(),
            latencies: Mutex::new(Latencies::new(Instant::now())),
            appends: AtomicU64::new(0),
            append_bytes: AtomicU64::new(0),
            duplicates: AtomicU64::new(0),
            batches: AtomicU64::new(0),
            reads: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            shutdown,
        }
    }

    /// The store is open, and msg_servers are dialled, which may refuse.
    pub fn opened(&self, store: Arc<dyn Store>, refusals: Arc<Refusals>) {
        // Opened once; a second call would change nothing.
        let _ = self.open.set(Open { store, refusals });
    }

    /// The bytes that are under way.
    pub fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// A link stands.
    pub fn linked(&self, id: LinkId, outbox: &Arc<Outbox>) {
        self.links.lock().insert(id, Arc::clone(outbox));
    }

    /// It ended.
    pub fn unlinked(&self, id: LinkId) {
        self.links.lock().remove(&id);
    }

    /// The queue of each link that stands.
    pub fn outboxes(&self) -> Vec<Arc<Outbox>> {
        self.links.lock().values().cloned().collect()
    }

    /// A batch was answered by the store.
    pub fn appended(&self, appends: u64, bytes: u64, duplicates: u64, took: Duration) {
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.appends.fetch_add(appends, Ordering::Relaxed);
        self.append_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.duplicates.fetch_add(duplicates, Ordering::Relaxed);
        self.latencies.lock().took(took, Instant::now());
    }

    /// A page was asked for.
    pub fn read(&self) {
        self.reads.fetch_add(1, Ordering::Relaxed);
    }

    /// Something else was asked.
    pub fn requested(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// So many appends, reads or requests were refused.
    pub fn refused(&self, count: u64) {
        self.refused.fetch_add(count, Ordering::Relaxed);
    }

    /// Waits until nothing is under way, and each link's queue, as it stands then, was empty once.
    pub async fn quiet(&self) {
        const LOOK: Duration = Duration::from_millis(5);
        self.budget.idle().await;
        let mut left = self.outboxes();
        loop {
            left.retain(|outbox| outbox.waiting() > 0 && !outbox.is_closing());
            if left.is_empty() {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Health for Vitals {
    fn troubles(&self) -> Vec<String> {
        let Some(open) = self.open.get() else { return vec!["the store is not open yet".into()] };
        let mut troubles = open.refusals.troubles();
        troubles.extend(open.store.health().err().map(|error| error.to_string()));
        if self.links.lock().is_empty() {
            troubles.push("no msg_server is linked".into());
        }
        troubles
    }

    fn ready(&self) -> bool {
        !self.shutdown.is_draining() && self.troubles().is_empty()
    }

    fn figures(&self) -> Map<String, Value> {
        let (links, queued) = {
            let links = self.links.lock();
            (links.len(), links.values().map(|outbox| outbox.waiting()).sum::<usize>())
        };
        let now = Instant::now();
        let quantile = |share| json!(self.latencies.lock().quantile_ms(share, now));
        let total = |count: &AtomicU64| json!(count.load(Ordering::Relaxed));
        let figures = [
            ("Links", json!(links)),
            ("QueueBytes", json!(queued)),
            ("InFlightBytes", json!(self.budget.taken())),
            ("CommitP50Ms", quantile(0.5)),
            ("CommitP99Ms", quantile(0.99)),
            ("AppendsTotal", total(&self.appends)),
            ("AppendBytesTotal", total(&self.append_bytes)),
            ("DuplicatesTotal", total(&self.duplicates)),
            ("BatchesTotal", total(&self.batches)),
            ("ReadsTotal", total(&self.reads)),
            ("RequestsTotal", total(&self.requests)),
            ("RefusedTotal", total(&self.refused)),
        ];
        let space = self.open.get().and_then(|open| open.store.space());
        let space = space.map(|space| [("LogBytes", Some(space.bytes)), ("LogDeadBytes", space.dead)]);
        let space = space.into_iter().flatten().filter_map(|(name, bytes)| Some((name, json!(bytes?))));
        figures.into_iter().chain(space).map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
