//! The embedded store over a disk in memory that loses power, fails and fills up.

mod compaction;
mod crashes;
mod faults;
mod older;
mod replay;
mod suite;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::{BoxFuture, ready};
use protocol::ids::Time;

use super::files::{SimFiles, Survival};
use super::open::IndexPlace;
use super::{EmbeddedStore, OpenError, Options};
use crate::Store;
use crate::conformance::{DEDUPE, Subject};

/// What a restart is.
#[derive(Debug, Clone, Copy)]
enum Death {
    /// The process is killed.
    Kill,
    /// The power goes; what was not synced is lost, or in pieces by this seed.
    PowerCut(Option<u64>),
}

/// A store over a disk in memory, its index in memory or in a folder of this machine.
struct Simulated {
    files: SimFiles,
    index: Option<tempfile::TempDir>,
    options: Options,
    now: Arc<AtomicU64>,
    death: Death,
    deaths: u64,
    store: Option<EmbeddedStore>,
}

impl Simulated {
    fn new(segment_bytes: u32, death: Death) -> Self {
        let (files, now) = (SimFiles::new(1), Arc::new(AtomicU64::new(1_000_000)));
        let clock = Arc::clone(&now);
        let options = Options {
            dedupe: Some(DEDUPE),
            clock: Arc::new(move || Time(clock.load(Ordering::SeqCst))),
            files: Arc::new(files.clone()),
            index_flush_bytes: 4_000,
            segment_bytes,
            compact_bytes_per_second: u64::MAX,
            readers: 1,
            ..Options::default()
        };
        let mut new = Self { files, index: None, options, now, death, deaths: 0, store: None };
        new.open().unwrap();
        new
    }

    /// The same with an index in a folder, which survives every death.
    fn with_index(mut self) -> Self {
        self.store = None;
        self.index = Some(tempfile::tempdir().unwrap());
        self.open().unwrap();
        self
    }

    fn open(&mut self) -> Result<(), OpenError> {
        let place = match &self.index {
            Some(dir) => IndexPlace::Folder(dir.path().join("index")),
            None => IndexPlace::Memory,
        };
        self.store = Some(EmbeddedStore::open_with(Path::new("/store"), &self.options, &place)?);
        Ok(())
    }

    fn die(&mut self) {
        self.deaths += 1;
        match self.death {
            Death::Kill => self.files.kill(),
            Death::PowerCut(None) => self.files.power_cut(Survival::Nothing),
            Death::PowerCut(Some(seed)) => self.files.power_cut(Survival::Some(seed + self.deaths)),
        }
        self.store = None;
    }

    fn embedded(&self) -> &EmbeddedStore {
        self.store.as_ref().unwrap()
    }
}

impl Subject for Simulated {
    fn store(&self) -> &dyn Store {
        self.embedded()
    }

    fn restart(&mut self) -> BoxFuture<'_, ()> {
        self.die();
        self.open().unwrap();
        Box::pin(ready(()))
    }

    fn pass(&self, time: Duration) {
        self.now.fetch_add(time.as_millis() as u64, Ordering::SeqCst);
    }
}

/// The commit log's folder.
fn log_dir() -> PathBuf {
    PathBuf::from("/store/log")
}
