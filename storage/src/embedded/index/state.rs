//! The state: the layers in memory over the index on disk.

use std::time::Duration;

use parking_lot::{Condvar, Mutex, RwLock};

use super::layers::{Layers, merge};
use super::{Checkpoint, Index};
use crate::StoreError;
use crate::embedded::state::pending::Puts;
use crate::embedded::state::view::{Pairs, View};

/// Everything the store knows but the contents themselves, which lie in the commit log.
pub(crate) struct State {
    index: Box<dyn Index>,
    layers: RwLock<Layers>,
    flush_bytes: usize,
    flushing: Mutex<Flushing>,
    /// Told when `flushing` changes, or when there is enough to be written.
    turn: Condvar,
}

/// What the thread that writes the index is to do, and what became of it.
#[derive(Default)]
struct Flushing {
    closed: bool,
    failed: Option<StoreError>,
}

impl State {
    /// The state that the index holds; `flush_bytes` gather in memory before they are written to it.
    pub fn new(index: Box<dyn Index>, flush_bytes: usize) -> Self {
        let (layers, flushing) = (RwLock::default(), Mutex::default());
        Self { index, layers, flush_bytes, flushing, turn: Condvar::new() }
    }

    /// Adds a record's puts. Waits where the index is far behind.
    ///
    /// # Errors
    /// The index cannot be written any more. The puts are in the state all the same.
    pub fn add(&self, puts: Puts, through: Checkpoint) -> Result<(), StoreError> {
        let gathered = {
            let mut layers = self.layers.write();
            layers.add(puts, through);
            layers.bytes()
        };
        if gathered < self.flush_bytes {
            return Ok(());
        }
        let mut flushing = self.flushing.lock();
        self.turn.notify_all();
        while flushing.failed.is_none() && self.layers.read().bytes() > 4 * self.flush_bytes {
            self.turn.wait(&mut flushing);
        }
        flushing.failed.clone().map_or(Ok(()), Err)
    }

    /// Adds a record's puts while nobody else writes to the index.
    pub fn replay(&self, puts: Puts, through: Checkpoint) -> Result<(), StoreError> {
        let gathered = {
            let mut layers = self.layers.write();
            layers.add(puts, through);
            layers.bytes()
        };
        if gathered < self.flush_bytes { Ok(()) } else { self.flush() }
    }

    /// Writes everything that has gathered to the index.
    pub fn flush(&self) -> Result<(), StoreError> {
        let frozen = self.layers.write().freeze();
        if let Some((puts, through)) = frozen {
            self.index.write(&puts, &through)?;
            self.layers.write().written();
        }
        Ok(())
    }

    /// Writes to the index whenever enough has gathered, or anything has for `interval`, until [`State::close`].
    pub(super) fn keep_flushing(&self, interval: Duration) -> Result<(), StoreError> {
        loop {
            let closed = self.wait_for_turn(interval);
            if let Err(error) = self.flush() {
                self.tell(|flushing| flushing.failed = Some(error.clone()));
                return Err(error);
            }
            self.tell(|_| {});
            if closed {
                return Ok(());
            }
        }
    }

    fn wait_for_turn(&self, interval: Duration) -> bool {
        let mut flushing = self.flushing.lock();
        if !flushing.closed && self.layers.read().bytes() < self.flush_bytes {
            self.turn.wait_for(&mut flushing, interval);
        }
        flushing.closed
    }

    /// Lets [`State::keep_flushing`] end after it has written what there is.
    pub(super) fn close(&self) {
        self.tell(|flushing| flushing.closed = true);
    }

    /// Under the lock, so that nobody falls asleep between looking and waiting.
    fn tell(&self, change: impl FnOnce(&mut Flushing)) {
        change(&mut self.flushing.lock());
        self.turn.notify_all();
    }
}

impl View for State {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(value) = self.layers.read().get(key) {
            return Ok(value.clone());
        }
        self.index.get(key)
    }

    /// Each key as it is now or was a moment ago; not all of them at one moment.
    fn scan(&self, from: &[u8], until: &[u8], limit: usize) -> Result<Pairs, StoreError> {
        let newest = self.layers.read().range(from, until, limit);
        // A key of the index may be hidden by a newer one of the layers.
        let older = self.index.scan(from, until, limit + newest.puts.len())?;
        Ok(merge(newest, older, limit))
    }
}
