//! A queue between callers and a thread, bounded in bytes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

/// Why something was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotQueued {
    Full,
    Closed,
}

/// A queue that is full at a number of bytes; one thing always fits into an empty one.
pub(crate) struct Queue<T> {
    limit: usize,
    waiting: Mutex<Waiting<T>>,
    arrived: Condvar,
}

struct Waiting<T> {
    items: VecDeque<(usize, T)>,
    bytes: usize,
    closed: bool,
    /// Nobody is woken for less.
    wanted: usize,
}

impl<T> Queue<T> {
    pub fn new(limit: usize) -> Self {
        let waiting = Waiting { items: VecDeque::new(), bytes: 0, closed: false, wanted: 1 };
        Self { limit, waiting: Mutex::new(waiting), arrived: Condvar::new() }
    }

    /// Queues all items, each with its bytes, one right after another; or none, and gives them back.
    pub fn push_all(&self, items: Vec<(usize, T)>) -> Result<(), (NotQueued, Vec<(usize, T)>)> {
        let bytes: usize = items.iter().map(|(bytes, _)| bytes).sum();
        let mut waiting = self.waiting.lock();
        if waiting.closed {
            return Err((NotQueued::Closed, items));
        }
        if !waiting.items.is_empty() && waiting.bytes + bytes > self.limit {
            return Err((NotQueued::Full, items));
        }
        waiting.bytes += bytes;
        waiting.items.extend(items);
        let enough = waiting.items.len() >= waiting.wanted;
        drop(waiting);
        if enough {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Waits until there is something, and takes it with what follows, up to `bytes` in all; `None` when the queue
    /// is closed and empty.
    pub fn take(&self, bytes: usize) -> Option<Vec<T>> {
        self.gather(bytes, 1, Duration::ZERO)
    }

    /// As [`Queue::take`], but once there is something it waits up to `patience` for `wanted` things.
    pub fn gather(&self, bytes: usize, wanted: usize, patience: Duration) -> Option<Vec<T>> {
        let mut waiting = self.waiting.lock();
        while waiting.items.is_empty() {
            if waiting.closed {
                return None;
            }
            self.arrived.wait(&mut waiting);
        }
        self.wait_for(&mut waiting, wanted, patience);
        let mut taken = Vec::new();
        let mut room = bytes;
        while let Some(&(weight, _)) = waiting.items.front()
            && (taken.is_empty() || weight <= room)
        {
            room = room.saturating_sub(weight);
            waiting.bytes -= weight;
            taken.extend(waiting.items.pop_front().map(|(_, item)| item));
        }
        Some(taken)
    }

    fn wait_for(&self, waiting: &mut MutexGuard<'_, Waiting<T>>, wanted: usize, patience: Duration) {
        if patience.is_zero() {
            return;
        }
        let deadline = Instant::now() + patience;
        waiting.wanted = wanted;
        while waiting.items.len() < wanted && waiting.bytes < self.limit / 2 && !waiting.closed {
            if self.arrived.wait_until(waiting, deadline).timed_out() {
                break;
            }
        }
        waiting.wanted = 1;
    }

    /// Takes nothing more; what waits is still taken out.
    pub fn close(&self) {
        self.waiting.lock().closed = true;
        self.arrived.notify_all();
    }

    /// Takes nothing more, and gives back what waits.
    pub fn abort(&self) -> Vec<T> {
        let mut waiting = self.waiting.lock();
        waiting.closed = true;
        waiting.bytes = 0;
        let left = waiting.items.drain(..).map(|(_, item)| item).collect();
        drop(waiting);
        self.arrived.notify_all();
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_queued_is_taken_in_order_up_to_a_number_of_bytes() {
        let queue = Queue::new(100);
        queue.push_all(vec![(10, 'a'), (10, 'b')]).unwrap();
        queue.push_all(vec![(10, 'c')]).unwrap();
        assert_eq!(queue.take(25), Some(vec!['a', 'b']));
        assert_eq!(queue.take(1), Some(vec!['c']));
    }

    #[test]
    fn a_full_queue_takes_nothing_but_an_empty_one_takes_anything() {
        let queue = Queue::new(10);
        queue.push_all(vec![(100, 'a')]).unwrap();
        assert_eq!(queue.push_all(vec![(1, 'b')]), Err((NotQueued::Full, vec![(1, 'b')])));
        queue.take(1);
        queue.push_all(vec![(1, 'b')]).unwrap();
    }

    #[test]
    fn whoever_gathers_goes_on_when_there_is_enough_or_patience_ends() {
        let queue = Queue::new(100);
        std::thread::scope(|scope| {
            let gathered = scope.spawn(|| queue.gather(100, 3, Duration::from_secs(60)));
            for number in 0..3 {
                queue.push_all(vec![(1, number)]).unwrap();
            }
            assert_eq!(gathered.join().unwrap(), Some(vec![0, 1, 2]));
        });
        queue.push_all(vec![(1, 3)]).unwrap();
        assert_eq!(queue.gather(100, 2, Duration::from_millis(1)), Some(vec![3]));
    }

    #[test]
    fn a_closed_queue_is_emptied_and_ends() {
        let queue = Queue::new(10);
        queue.push_all(vec![(1, 'a')]).unwrap();
        queue.close();
        assert_eq!(queue.push_all(vec![(1, 'b')]), Err((NotQueued::Closed, vec![(1, 'b')])));
        assert_eq!(queue.take(9), Some(vec!['a']));
        assert_eq!(queue.take(9), None);
    }

    #[test]
    fn an_aborted_queue_gives_back_what_waits() {
        let queue = Queue::new(10);
        queue.push_all(vec![(1, 'a')]).unwrap();
        assert_eq!(queue.abort(), vec!['a']);
        assert_eq!(queue.take(9), None);
    }
}
