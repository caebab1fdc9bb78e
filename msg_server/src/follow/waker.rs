//! Wakes feeds whose holes have waited long enough.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Instant;

use mesh::outbox::Turn;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::followed::FollowedLog;
use crate::server::Server;

/// Feeds to be woken, soonest first.
#[derive(Default)]
pub(crate) struct Waker {
    due: Mutex<BinaryHeap<Reverse<Alarm>>>,
    sooner: Notify,
}

struct Alarm {
    at: Instant,
    log: Arc<FollowedLog>,
}

impl Waker {
    /// Has the feed woken at that moment.
    pub(crate) fn add(&self, at: Instant, log: Arc<FollowedLog>) {
        self.due.lock().push(Reverse(Alarm { at, log }));
        self.sooner.notify_one();
    }

    fn next(&self) -> Option<Instant> {
        self.due.lock().peek().map(|alarm| alarm.0.at)
    }

    fn take_due(&self, now: Instant) -> Vec<Arc<FollowedLog>> {
        let mut due = self.due.lock();
        let mut taken = Vec::new();
        while due.peek().is_some_and(|alarm| alarm.0.at <= now) {
            taken.extend(due.pop().map(|alarm| alarm.0.log));
        }
        taken
    }
}

impl Server {
    /// Wakes feeds for as long as the process lives.
    pub(crate) async fn wake_feeds(self: Arc<Self>) {
        loop {
            match self.waker.next() {
                None => self.waker.sooner.notified().await,
                Some(at) => tokio::select! {
                    () = self.waker.sooner.notified() => {}
                    () = tokio::time::sleep_until(at.into()) => {}
                },
            }
            let now = Instant::now();
            let mut turn = Turn::default();
            for log in self.waker.take_due(now) {
                log.with(&self, &mut turn, |feed, steps| feed.tick(now, steps));
            }
            turn.flush().await;
        }
    }
}

impl PartialEq for Alarm {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Alarm {}

impl PartialOrd for Alarm {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Alarm {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}
