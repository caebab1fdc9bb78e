//! The segments of one log, opened as they are needed, and how far the log goes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use super::segment::Segment;
use super::{LogError, Mark};
use crate::embedded::files::Files;

/// How many segment files are kept open at most; a large log has more.
const MAX_OPEN: usize = 128;

/// What the writer and the readers of a log share.
#[derive(Debug)]
pub(super) struct Segments {
    pub files: Arc<dyn Files>,
    pub dir: PathBuf,
    open: RwLock<BTreeMap<u32, Opened>>,
    /// Counts uses, so that the one unused for longest is closed first.
    uses: AtomicU64,
    ends: Mutex<Ends>,
}

/// How far the log goes.
#[derive(Copy, Clone, Debug)]
pub(super) struct Ends {
    /// The place after the last record written.
    pub written: Mark,
    /// The place after the last record that is durable.
    pub durable: Mark,
}

#[derive(Debug)]
struct Opened {
    segment: Arc<Segment>,
    used: AtomicU64,
}

impl Segments {
    /// The segments of the log in a folder, none of them open yet, and nothing known of the log's end.
    pub fn new(files: Arc<dyn Files>, dir: &Path) -> Self {
        let ends = Ends { written: Mark::START, durable: Mark::START };
        Self {
            files,
            dir: dir.to_path_buf(),
            open: RwLock::default(),
            uses: AtomicU64::new(0),
            ends: Mutex::new(ends),
        }
    }

    /// A segment, opened and its header checked if it is not open yet.
    pub fn get(&self, number: u32) -> Result<Arc<Segment>, LogError> {
        if let Some(opened) = self.open.read().get(&number) {
            opened.used.store(self.uses.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
            return Ok(Arc::clone(&opened.segment));
        }
        let segment = Arc::new(Segment::open(&*self.files, &self.dir, number)?);
        self.keep(Arc::clone(&segment));
        Ok(segment)
    }

    /// Keeps an open segment for those who ask for it next.
    pub fn keep(&self, segment: Arc<Segment>) {
        let mut open = self.open.write();
        if open.len() >= MAX_OPEN {
            let oldest = open.iter().min_by_key(|(_, opened)| opened.used.load(Ordering::Relaxed));
            if let Some(number) = oldest.map(|(number, _)| *number) {
                open.remove(&number);
            }
        }
        let used = AtomicU64::new(self.uses.fetch_add(1, Ordering::Relaxed));
        open.insert(segment.number, Opened { segment, used });
    }

    /// Closes a segment whose file is to be removed.
    pub fn forget(&self, number: u32) {
        self.open.write().remove(&number);
    }

    /// How far the log goes now.
    pub fn ends(&self) -> Ends {
        *self.ends.lock()
    }

    /// Notes that records were written up to `end`.
    pub fn written(&self, end: Mark) {
        self.ends.lock().written = end;
    }

    /// Notes that everything up to `end` is durable.
    pub fn durable(&self, end: Mark) {
        self.ends.lock().durable = end;
    }
}
