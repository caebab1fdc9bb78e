//! Every backend passes the suite: the model, and the embedded store on this machine's disk.

#![allow(clippy::unwrap_used, reason = "what is set up for the tests fails by panicking")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::{BoxFuture, ready};
use protocol::ids::Time;
use storage::Store;
use storage::conformance::{self, DEDUPE, ModelStore, Subject, crashes, history};
use storage::embedded::{EmbeddedStore, Options};
use tempfile::TempDir;

/// The embedded store in a folder of its own. It is closed in an orderly way before it is opened again; being
/// killed is for the tests over a simulated disk.
struct OnDisk {
    dir: TempDir,
    now: Arc<AtomicU64>,
    store: Option<EmbeddedStore>,
}

impl OnDisk {
    fn new() -> Self {
        let (dir, now) = (TempDir::new().unwrap(), Arc::new(AtomicU64::new(1_000_000)));
        let store = Some(open(dir.path(), &now));
        Self { dir, now, store }
    }
}

fn open(dir: &Path, now: &Arc<AtomicU64>) -> EmbeddedStore {
    let now = Arc::clone(now);
    let options = Options {
        dedupe: Some(DEDUPE),
        clock: Arc::new(move || Time(now.load(Ordering::SeqCst))),
        index_flush_bytes: 2_000,
        segment_bytes: 16 << 20,
        ..Options::default()
    };
    EmbeddedStore::open(dir, options).unwrap()
}

impl Subject for OnDisk {
    fn store(&self) -> &dyn Store {
        self.store.as_ref().unwrap()
    }

    fn restart(&mut self) -> BoxFuture<'_, ()> {
        self.store = None;
        self.store = Some(open(self.dir.path(), &self.now));
        Box::pin(ready(()))
    }

    fn pass(&self, time: Duration) {
        self.now.fetch_add(time.as_millis() as u64, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn the_model_keeps_the_promises() {
    conformance::run(ModelStore::default).await;
}

#[tokio::test]
async fn the_steps_of_a_pair_may_be_cut_anywhere() {
    crashes::run(ModelStore::default).await;
}

#[tokio::test]
async fn the_embedded_store_keeps_the_promises() {
    conformance::run(OnDisk::new).await;
}

#[tokio::test]
async fn the_embedded_store_answers_as_the_model_does() {
    for seed in 1..4 {
        let steps = (0..400).map(|at| history::Step::random(seed, at));
        history::run(&mut OnDisk::new(), steps).await;
    }
}
