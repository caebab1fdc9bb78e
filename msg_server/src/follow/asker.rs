//! The question "anything after v?": asked for a log when it is attached to, when something may have been missed, and, as the
//! net under all pushes, about once a minute; in batches by owner.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mesh::link::LinkId;
use mesh::outbox::Turn;
use parking_lot::Mutex;
use protocol::link::request::{LogBounds, Reply, Request};
use tokio::sync::Notify;

use super::feed::Steps;
use super::followed::FollowedLog;
use super::table::SHARDS;
use crate::server::Server;

/// Logs in one question.
const BATCH: usize = 500;

/// How often every followed topic is asked for while no router is linked.
const WITHOUT_ROUTERS: Duration = Duration::from_secs(1);

/// After a question that failed.
const AGAIN: Duration = Duration::from_millis(100);

/// Logs that wait to be asked for, by their numbers: each that is followed at most once, however long no manager is there.
#[derive(Default)]
pub(crate) struct Asker {
    waiting: Mutex<HashMap<u64, Arc<FollowedLog>>>,
    some: Notify,
}

impl Asker {
    /// Has the log's owner asked. To be called while the log is locked, as [`Asker::remove`] is: so no log waits longer than
    /// it is followed.
    pub(super) fn add(&self, log: &Arc<FollowedLog>) {
        self.waiting.lock().insert(log.number(), Arc::clone(log));
        self.some.notify_one();
    }

    /// The log is followed no longer.
    pub(super) fn remove(&self, log: &FollowedLog) {
        self.waiting.lock().remove(&log.number());
    }
}

impl Server {
    /// Asks for whatever waits, as soon as there is a manager.
    pub(crate) async fn ask_owners(self: Arc<Self>) {
        loop {
            self.asker.some.notified().await;
            self.managers.available().await;
            let waiting = std::mem::take(&mut *self.asker.waiting.lock());
            let mut by_owner: HashMap<Option<LinkId>, Vec<Arc<FollowedLog>>> = HashMap::new();
            for log in waiting.into_values() {
                by_owner
                    .entry(self.managers.owner(log.name()).map(|manager| manager.link()))
                    .or_default()
                    .push(log);
            }
            for logs in by_owner.into_values() {
                for batch in logs.chunks(BATCH) {
                    self.shutdown.spawn(Arc::clone(&self).ask_batch(batch.to_vec()));
                }
            }
        }
    }

    async fn ask_batch(self: Arc<Self>, logs: Vec<Arc<FollowedLog>>) {
        let names = logs.iter().map(|log| log.name().clone()).collect();
        let asked = self.managers.ask(logs[0].name(), &Request::Bounds { logs: names }).await;
        match asked {
            Ok(Reply::Bounds { bounds }) if bounds.len() == logs.len() => {
                let mut turn = Turn::default();
                for (log, bounds) in logs.iter().zip(bounds) {
                    self.heard_bounds(log, bounds, &mut turn);
                }
                turn.flush().await;
            }
            other => {
                tracing::debug!(?other, "the bounds of {} logs were not told; asking again", logs.len());
                tokio::time::sleep(AGAIN).await;
                let mut turn = Turn::default();
                for log in logs {
                    log.with(&self, &mut turn, |_, steps| steps.ask());
                }
            }
        }
    }

    fn heard_bounds(self: &Arc<Self>, log: &Arc<FollowedLog>, bounds: LogBounds, turn: &mut Turn) {
        if let Some(topic) = log.name().topic_name().filter(|_| bounds.gone) {
            return self.topic_dissolved(&topic, turn);
        }
        log.with(self, turn, |feed, steps| feed.bounds(bounds.head, Instant::now(), steps));
        match log.name().user() {
            Some(user) => {
                if log.see_revision(bounds.revision).unwrap_or(0) != bounds.revision {
                    self.refresh_memberships(user);
                }
            }
            None => self.heard_of_ends(log, bounds.revision),
        }
    }

    /// While no router is linked, asks for every followed topic again and again: nobody else tells what a msg_server that our
    /// manager is not linked to had done to it.
    pub(crate) async fn ask_without_routers(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(WITHOUT_ROUTERS);
        loop {
            ticks.tick().await;
            if self.channels.has_router() {
                continue;
            }
            for shard in 0..SHARDS {
                let mut topics = self.followed.of_shard(shard);
                topics.retain(|log| log.name().topic_name().is_some());
                self.recheck(&topics).await;
            }
        }
    }

    /// Asks for every followed log within each `AskInterval`, one share of them after another.
    pub(crate) async fn ask_slowly(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(self.config.ask_interval / SHARDS as u32);
        let mut shard = 0;
        loop {
            ticks.tick().await;
            self.recheck(&self.followed.of_shard(shard)).await;
            shard += 1;
        }
    }

    /// Something may have been missed in any log: asks for all.
    pub(crate) fn recheck_all(self: &Arc<Self>) {
        let server = Arc::clone(self);
        self.shutdown.spawn(async move {
            for shard in 0..SHARDS {
                server.recheck(&server.followed.of_shard(shard)).await;
                tokio::task::yield_now().await;
            }
        });
    }

    async fn recheck(self: &Arc<Self>, logs: &[Arc<FollowedLog>]) {
        let mut turn = Turn::default();
        for log in logs {
            log.with(self, &mut turn, |feed, steps| feed.recheck(steps));
        }
        turn.flush().await;
    }
}

#[cfg(test)]
mod tests {
    use protocol::ids::LogName;

    use super::*;

    #[test]
    fn a_log_waits_once_and_no_longer_than_it_is_followed() {
        let asker = Asker::default();
        let logs =
            ["u/amy", "u/amy", "t/a"].map(|name| Arc::new(FollowedLog::new(LogName::new(name).unwrap())));
        logs.iter().chain(&logs).for_each(|log| asker.add(log));
        assert_eq!(asker.waiting.lock().len(), logs.len());
        asker.remove(&logs[0]);
        let left = std::mem::take(&mut *asker.waiting.lock());
        assert!(!left.contains_key(&logs[0].number()) && left.contains_key(&logs[1].number()));
    }
}
