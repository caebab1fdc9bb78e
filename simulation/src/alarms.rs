//! What one process wants to do later.

use std::collections::BTreeMap;
use std::time::Duration;

/// Alarms by their time; those of one time in the order in which they were set.
#[derive(Debug)]
pub struct Alarms<A> {
    set: u64,
    due: BTreeMap<(Duration, u64), A>,
}

impl<A> Default for Alarms<A> {
    fn default() -> Self {
        Self { set: 0, due: BTreeMap::new() }
    }
}

impl<A> Alarms<A> {
    /// Sets an alarm for a moment of the virtual time.
    pub fn set(&mut self, at: Duration, alarm: A) {
        self.set += 1;
        self.due.insert((at, self.set), alarm);
    }

    /// When the next one is due.
    pub fn next(&self) -> Option<Duration> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes one that is due.
    pub fn take(&mut self, now: Duration) -> Option<A> {
        let first = self.due.first_entry().filter(|first| first.key().0 <= now)?;
        Some(first.remove())
    }
}
