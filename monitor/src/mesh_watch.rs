//! What all parts of a monitor share: the collection, and how the monitor itself is.

use std::time::{Duration, Instant};

use mesh::health::Health;
use mesh::process::Shutdown;
use mesh::report::{self, Report};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use crate::collect::Collection;
use crate::view::MeshView;

/// The collection, with the clock.
pub struct MeshWatch {
    collection: Mutex<Collection>,
    shutdown: Shutdown,
}

impl MeshWatch {
    /// Nothing was heard yet; `beat` is that of processes that do not say theirs.
    pub fn new(beat: Duration, shutdown: Shutdown) -> Self {
        Self { collection: Mutex::new(Collection::new(beat)), shutdown }
    }

    /// A report came over the link to the msg_server at `link`.
    pub fn reported(&self, link: &str, report: Report) {
        self.collection.lock().reported(link, report, Instant::now());
    }

    /// The link to the msg_server at `link` stands, or does not.
    pub fn link(&self, link: &str, up: bool) {
        self.collection.lock().link(link, up, Instant::now());
    }

    /// The msg_server at `link` is not dialled any more.
    pub fn link_gone(&self, link: &str) {
        self.collection.lock().link_gone(link);
    }

    /// The mesh now.
    pub fn view(&self) -> MeshView {
        let now = Instant::now();
        let mut collection = self.collection.lock();
        collection.forget(now);
        MeshView::new(&collection, now, report::now())
    }
}

impl Health for MeshWatch {
    fn troubles(&self) -> Vec<String> {
        if self.collection.lock().links().any(|(_, link)| link.up) {
            Vec::new()
        } else {
            vec!["no msg_server is linked".into()]
        }
    }

    fn ready(&self) -> bool {
        !self.shutdown.is_draining() && self.troubles().is_empty()
    }

    fn figures(&self) -> Map<String, Value> {
        let now = Instant::now();
        let collection = self.collection.lock();
        let silent = collection.processes().filter(|process| process.is_silent(now)).count();
        let figures = [
            ("Processes", json!(collection.processes().count())),
            ("SilentProcesses", json!(silent)),
            ("Links", json!(collection.links().filter(|(_, link)| link.up).count())),
            ("ReportsTotal", json!(collection.reports())),
        ];
        figures.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
