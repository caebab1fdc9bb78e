//! Wakes feeds whose holes have waited long enough.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use mesh::outbox::Turn;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::followed::FollowedLog;
use crate::server::Server;

/// Feeds to be woken, soonest first: at most one alarm for each log that is followed.
#[derive(Default)]
pub(crate) struct Waker {
    due: Mutex<BTreeMap<Alarm, Arc<FollowedLog>>>,
    sooner: Notify,
}

/// When, and the number of the followed log.
type Alarm = (Instant, u64);

impl Waker {
    /// Has the feed woken at that moment. To be called while the log is locked, as [`Waker::remove`] is: so no alarm outlives
    /// the following.
    pub(super) fn add(&self, at: Instant, log: &Arc<FollowedLog>) {
        let alarm = (at, log.number());
        let mut due = self.due.lock();
        due.insert(alarm, Arc::clone(log));
        let is_first = due.first_key_value().is_some_and(|(first, _)| *first == alarm);
        drop(due);
        if is_first {
            self.sooner.notify_one();
        }
    }

    /// The log is followed no longer.
    pub(super) fn remove(&self, at: Instant, log: &FollowedLog) {
        self.due.lock().remove(&(at, log.number()));
    }

    fn next(&self) -> Option<Instant> {
        self.due.lock().first_key_value().map(|((at, _), _)| *at)
    }

    fn take_due(&self, now: Instant) -> Vec<Arc<FollowedLog>> {
        let mut due = self.due.lock();
        let later = due.split_off(&(now, u64::MAX));
        std::mem::replace(&mut *due, later).into_values().collect()
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use protocol::ids::LogName;

    use super::*;

    #[test]
    fn alarms_ring_in_their_order_and_one_of_a_log_that_ended_does_not() {
        let (waker, now) = (Waker::default(), Instant::now());
        let logs = ["t/a", "t/b", "t/c"].map(|name| Arc::new(FollowedLog::new(LogName::new(name).unwrap())));
        let at = |ms| now + Duration::from_millis(ms);
        for (log, ms) in logs.iter().zip([30, 10, 20]) {
            waker.add(at(ms), log);
        }
        waker.remove(at(20), &logs[2]);
        assert_eq!(waker.next(), Some(at(10)));
        let names = |logs: Vec<Arc<FollowedLog>>| -> Vec<String> {
            logs.iter().map(|log| log.name().to_string()).collect()
        };
        assert_eq!(names(waker.take_due(at(10))), ["t/b"]);
        assert_eq!(names(waker.take_due(at(29))), Vec::<String>::new());
        assert_eq!(names(waker.take_due(at(30))), ["t/a"]);
        assert_eq!(waker.next(), None);
    }
}
