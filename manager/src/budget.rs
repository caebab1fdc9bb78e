//! How many bytes may be under way at once, and when there are none.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Bytes that are under way in this process, bounded.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    taken: Mutex<usize>,
    none_left: Notify,
}

impl Budget {
    /// At most `limit` bytes, or one thing if that alone is larger.
    pub fn new(limit: usize) -> Self {
        Self { limit, taken: Mutex::new(0), none_left: Notify::new() }
    }

    /// A share that holds nothing yet.
    pub fn share(self: &Arc<Self>) -> Share {
        Share { budget: Arc::clone(self), bytes: 0 }
    }

    /// Bytes that are under way.
    pub fn taken(&self) -> usize {
        *self.taken.lock()
    }

    /// Waits until nothing is under way.
    pub async fn idle(&self) {
        loop {
            let none_left = self.none_left.notified();
            if self.taken() == 0 {
                return;
            }
            none_left.await;
        }
    }
}

/// Bytes of the budget, given back when this is dropped.
#[derive(Debug)]
pub struct Share {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Share {
    /// Takes so many bytes more; false if that is beyond the limit.
    #[must_use]
    pub fn take(&mut self, bytes: usize) -> bool {
        let mut taken = self.budget.taken.lock();
        if *taken > 0 && *taken + bytes > self.budget.limit {
            return false;
        }
        *taken += bytes;
        self.bytes += bytes;
        true
    }

    /// Bytes that it holds.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.budget.taken.lock();
        *taken -= self.bytes;
        if *taken == 0 {
            self.budget.none_left.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_limit_nothing_is_taken_until_something_is_given_back() {
        let budget = Arc::new(Budget::new(100));
        let (mut first, mut second) = (budget.share(), budget.share());
        assert!(first.take(60) && second.take(40));
        assert!(!second.take(1));
        drop(first);
        assert!(second.take(60));
        assert_eq!((second.bytes(), budget.taken()), (100, 100));
    }

    #[test]
    fn one_thing_larger_than_the_limit_fits_alone() {
        let budget = Arc::new(Budget::new(100));
        assert!(budget.share().take(1000));
        assert_eq!(budget.taken(), 0);
    }

    #[tokio::test]
    async fn whoever_waits_for_the_end_of_all_is_woken_by_the_last() {
        let budget = Arc::new(Budget::new(100));
        let mut share = budget.share();
        assert!(share.take(1));
        let waiting = tokio::spawn({
            let budget = Arc::clone(&budget);
            async move { budget.idle().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(share);
        waiting.await.unwrap();
    }
}
