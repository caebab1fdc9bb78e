//! Memory for frames of clients that have begun and not ended: bounded over all connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// So many bytes of each connection do not count: most frames that come in two parts are small.
const FREE_BYTES: usize = 4 * 1024;

/// What all connections hold of unfinished frames.
#[derive(Debug)]
pub(crate) struct Unfinished {
    limit: usize,
    bytes: AtomicUsize,
}

impl Unfinished {
    /// At most so many bytes.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, bytes: AtomicUsize::new(0) })
    }

    /// How many bytes that are.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// For one connection, which holds nothing yet.
    pub fn share(self: &Arc<Self>) -> Share {
        Share { all: Arc::clone(self), bytes: 0 }
    }
}

/// What one connection holds; given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    all: Arc<Unfinished>,
    bytes: usize,
}

impl Share {
    /// The connection holds so many bytes now. False if it holds more than before, and all together too many: then it is to
    /// end, and counts no more while it does.
    #[must_use]
    pub fn holds(&mut self, bytes: usize) -> bool {
        let before = std::mem::replace(&mut self.bytes, bytes.saturating_sub(FREE_BYTES));
        if self.bytes <= before {
            self.all.bytes.fetch_sub(before - self.bytes, Ordering::Relaxed);
            return true;
        }
        let more = self.bytes - before;
        let fits = self.all.bytes.fetch_add(more, Ordering::Relaxed) + more <= self.all.limit;
        if !fits {
            self.all.bytes.fetch_sub(std::mem::take(&mut self.bytes), Ordering::Relaxed);
        }
        fits
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.all.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_would_hold_more_than_there_may_be_is_told_and_what_is_dropped_is_given_back() {
        let all = Unfinished::new(10_000);
        let (mut first, mut second) = (all.share(), all.share());
        assert!(first.holds(FREE_BYTES) && all.bytes() == 0);
        assert!(first.holds(FREE_BYTES + 6_000) && second.holds(FREE_BYTES + 4_000));
        assert!(!second.holds(FREE_BYTES + 4_001));
        assert_eq!(all.bytes(), 6_000);
        drop(second);
        assert_eq!(all.bytes(), 6_000);
        assert!(first.holds(0) && all.bytes() == 0);
    }
}
