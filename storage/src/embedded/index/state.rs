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
    /// How often somebody asked for everything to be written, and how many of those were served.
    asked: u64,
    served: u64,
}

impl State {
    /// The state that the index holds, which is complete up to `through`; `flush_bytes` gather in memory before they
    /// are written to it.
    pub fn new(index: Box<dyn Index>, through: Option<Checkpoint>, flush_bytes: usize) -> Self {
        let (layers, flushing) = (RwLock::new(Layers::over(through)), Mutex::default());
        Self { index, layers, flush_bytes, flushing, turn: Condvar::new() }
    }

    /// Adds puts, and how far the log has come with them if they are a record's. Waits where the index is far behind.
    ///
    /// # Errors
    /// The index cannot be written any more. The puts are in the state all the same.
    pub fn add(&self, puts: Puts, through: Option<Checkpoint>) -> Result<(), StoreError> {
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

    /// As [`State::add`], while nobody else writes to the index.
    pub fn replay(&self, puts: Puts, through: Option<Checkpoint>) -> Result<(), StoreError> {
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
            let (closed, asked) = self.wait_for_turn(interval);
            self.flush()?;
            self.tell(|flushing| flushing.served = asked);
            if closed {
                return Ok(());
            }
        }
    }

    /// Whether it is the last turn, and how often was asked for it.
    fn wait_for_turn(&self, interval: Duration) -> (bool, u64) {
        let mut flushing = self.flushing.lock();
        let is_due = flushing.closed || flushing.asked > flushing.served;
        if !is_due && self.layers.read().bytes() < self.flush_bytes {
            self.turn.wait_for(&mut flushing, interval);
        }
        (flushing.closed, flushing.asked)
    }

    /// Has [`State::keep_flushing`] write everything that was added so far, and waits for that.
    ///
    /// # Errors
    /// The index cannot be written any more, or the state is closed.
    pub fn flushed(&self) -> Result<(), StoreError> {
        let mut flushing = self.flushing.lock();
        flushing.asked += 1;
        let mine = flushing.asked;
        self.turn.notify_all();
        while flushing.served < mine {
            if let Some(error) = &flushing.failed {
                return Err(error.clone());
            }
            if flushing.closed {
                return Err(StoreError::Closed);
            }
            self.turn.wait(&mut flushing);
        }
        Ok(())
    }

    /// Nothing goes to the index any more: nobody waits for that.
    pub(super) fn fail(&self, error: StoreError) {
        self.tell(|flushing| flushing.failed = Some(error));
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
        if from >= until {
            return Ok(Pairs::new());
        }
        let newest = self.layers.read().range(from, until, limit);
        // A key of the index may be hidden by a newer one of the layers.
        let older = self.index.scan(from, until, limit + newest.puts.len())?;
        Ok(merge(newest, older, limit))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use proptest::prelude::*;
    use protocol::ids::StoreId;

    use super::super::{Flusher, MemoryIndex};
    use super::*;
    use crate::embedded::commit_log::Mark;

    fn through() -> Checkpoint {
        Checkpoint::after(StoreId([0; 16]), b"", Mark::START.position, Mark::START)
    }

    /// Where a put is by the time of the scan.
    #[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
    enum Layer {
        Index,
        Writing,
        Gathering,
    }

    fn puts() -> impl Strategy<Value = Vec<(u8, Option<u8>)>> {
        prop::collection::vec((0u8..30, prop::option::of(any::<u8>())), 0..30)
    }

    fn add(state: &State, puts: &[(u8, Option<u8>)]) {
        let puts = puts.iter().map(|(key, value)| (vec![*key], value.map(|value| vec![value])));
        state.layers.write().add(puts.collect(), Some(through()));
    }

    fn at(state: &State, layer: Layer) {
        if layer == Layer::Index {
            state.flush().unwrap();
        } else if layer == Layer::Writing {
            // As in the middle of a flush.
            let _frozen = state.layers.write().freeze();
        }
    }

    proptest! {
        #[test]
        fn a_scan_sees_the_newest_of_all_layers(
            all in [puts(), puts(), puts()], from in 0u8..30, until in 0u8..31, limit in 1usize..12,
        ) {
            let state = State::new(Box::new(MemoryIndex::default()), None, usize::MAX);
            let mut expected = BTreeMap::new();
            for (puts, layer) in all.iter().zip([Layer::Index, Layer::Writing, Layer::Gathering]) {
                add(&state, puts);
                at(&state, layer);
                expected.extend(puts.iter().copied());
            }
            for key in 0u8..30 {
                let value = expected.get(&key).copied().flatten().map(|value| vec![value]);
                prop_assert_eq!(state.get(&[key]), Ok(value));
            }
            let expected: Pairs = expected
                .into_iter()
                .filter(|(key, _)| (from..until).contains(key))
                .filter_map(|(key, value)| Some((vec![key], vec![value?])))
                .take(limit)
                .collect();
            prop_assert_eq!(state.scan(&[from], &[until], limit), Ok(expected));
        }
    }

    #[test]
    fn what_gathers_is_bounded_by_the_index_keeping_up() {
        let state = Arc::new(State::new(Box::new(MemoryIndex::default()), None, 1_000));
        let flusher = Flusher::start(Arc::clone(&state), |error| panic!("{error}")).unwrap();
        for number in 0..5_000u32 {
            let key = number.to_be_bytes().to_vec();
            state.add(Puts::from([(key, Some(vec![1]))]), Some(through())).unwrap();
            assert!(state.layers.read().bytes() <= 4_200);
        }
        drop(flusher);
        assert_eq!(state.layers.read().bytes(), 0);
        assert_eq!(state.index.scan(&[0], &[1], usize::MAX).unwrap().len(), 5_000);
    }

    #[test]
    fn what_was_added_is_in_the_index_once_that_was_waited_for() {
        let state = Arc::new(State::new(Box::new(MemoryIndex::default()), Some(through()), usize::MAX));
        let flusher = Flusher::start(Arc::clone(&state), |error| panic!("{error}")).unwrap();
        for number in 0..100 {
            state.add(Puts::from([(vec![number], Some(vec![1]))]), None).unwrap();
            state.flushed().unwrap();
            assert_eq!(state.index.get(&[number]), Ok(Some(vec![1])));
        }
        drop(flusher);
        assert_eq!(state.flushed(), Err(StoreError::Closed));
    }

    #[test]
    fn nobody_waits_for_an_index_that_has_failed() {
        let state = State::new(Box::new(MemoryIndex::default()), None, 10);
        state.fail(StoreError::Closed);
        let put = || Puts::from([(vec![1], Some(vec![0; 100]))]);
        assert_eq!(state.add(put(), Some(through())), Err(StoreError::Closed));
        assert_eq!(state.get(&[1]), Ok(Some(vec![0; 100])));
    }
}
