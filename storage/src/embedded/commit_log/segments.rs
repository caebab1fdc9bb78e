//! The segments of one log, opened as they are needed, and how far the log goes.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use super::layout::{Layout, Name};
use super::segment::{Segment, failed};
use super::{LogError, Mark};
use crate::embedded::files::Files;

/// How many segment files are kept open at most; a large log has more.
const MAX_OPEN: usize = 128;

/// What the writer and the readers of a log share.
#[derive(Debug)]
pub(super) struct Segments {
    pub files: Arc<dyn Files>,
    pub dir: PathBuf,
    layout: RwLock<Layout>,
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
    pub fn new(files: Arc<dyn Files>, dir: &Path, layout: Layout) -> Self {
        let ends = Ends { written: Mark::START, durable: Mark::START };
        Self {
            files,
            dir: dir.to_path_buf(),
            layout: RwLock::new(layout),
            open: RwLock::default(),
            uses: AtomicU64::new(0),
            ends: Mutex::new(ends),
        }
    }

    /// Which files there are.
    pub fn layout(&self) -> Layout {
        self.layout.read().clone()
    }

    /// The segment that positions call so, opened and its header checked if it is not open yet.
    pub fn get(&self, number: u32) -> Result<Arc<Segment>, LogError> {
        if let Some(opened) = self.open.read().get(&number) {
            opened.used.store(self.uses.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
            return Ok(Arc::clone(&opened.segment));
        }
        let name = self.layout.read().find(number);
        let gone = || {
            failed("cannot open", &self.dir.join(Name::plain(number).file()))(io::ErrorKind::NotFound.into())
        };
        let segment = Arc::new(Segment::open(&*self.files, &self.dir, name.ok_or_else(gone)?)?);
        self.keep(Arc::clone(&segment));
        Ok(segment)
    }

    /// The segment that follows another one; `None` after the last.
    pub fn after(&self, name: &Name) -> Result<Option<Arc<Segment>>, LogError> {
        let next = {
            let layout = self.layout.read();
            let at = layout.index_of(name.last + 1);
            at.map(|at| layout.names()[at]).filter(|next| next.first == name.last + 1)
        };
        next.map(|next| self.get(next.number)).transpose()
    }

    /// Keeps an open segment for those who ask for it next; but not one whose file was removed meanwhile, since its
    /// space would not be given back.
    fn keep(&self, segment: Arc<Segment>) {
        let mut open = self.open.write();
        if self.layout.read().find(segment.number()).is_none() {
            return;
        }
        if open.len() >= MAX_OPEN {
            let oldest = open.iter().min_by_key(|(_, opened)| opened.used.load(Ordering::Relaxed));
            if let Some(number) = oldest.map(|(number, _)| *number) {
                open.remove(&number);
            }
        }
        let used = AtomicU64::new(self.uses.fetch_add(1, Ordering::Relaxed));
        open.insert(segment.number(), Opened { segment, used });
    }

    /// A new segment at the end of the log.
    pub fn push(&self, segment: Arc<Segment>) {
        self.layout.write().push(segment.name);
        self.keep(segment);
    }

    /// A compacted segment takes the place of those that it stands for.
    pub fn supersede(&self, by: Segment) {
        self.layout.write().supersede(by.name);
        self.keep(Arc::new(by));
    }

    /// Takes what compacted segments stand for out of the log, and says what that was: the files are to be removed.
    pub fn take_superseded(&self) -> Vec<Name> {
        let taken = self.layout.write().take_superseded();
        let mut open = self.open.write();
        taken.iter().for_each(|name| drop(open.remove(&name.number)));
        taken
    }

    /// Takes the segments after this one out of the log, and says which they were: the files are to be removed.
    pub fn take_after(&self, last: u32) -> Vec<Name> {
        let taken = self.layout.write().take_after(last);
        let mut open = self.open.write();
        taken.iter().for_each(|name| drop(open.remove(&name.number)));
        taken
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
