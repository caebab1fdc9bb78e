//! How the parts of a process hear that it ends, and how it waits for them.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The end of a process in two steps: first it drains, then, where that takes too long, it stops.
///
/// Clones are the same shutdown.
#[derive(Debug, Clone)]
pub struct Shutdown {
    drain: CancellationToken,
    cancel: CancellationToken,
    tasks: TaskTracker,
    drain_time: Duration,
}

impl Shutdown {
    /// Nothing is ending yet; once it does, draining may take `drain_time`.
    pub fn new(drain_time: Duration) -> Self {
        let cancel = CancellationToken::new();
        Self { drain: cancel.child_token(), cancel, tasks: TaskTracker::new(), drain_time }
    }

    /// How long draining may take (`DrainSeconds`).
    pub fn drain_time(&self) -> Duration {
        self.drain_time
    }

    /// Begins to drain: accept nobody, flush, send clients elsewhere.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Whether draining has begun.
    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Waits until draining begins.
    pub async fn draining(&self) {
        self.drain.cancelled().await;
    }

    /// Ends the time for draining, which also begins it: whatever still runs is to stop where it is.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    /// Whether the time for draining is over.
    pub fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// Waits until the time for draining is over.
    pub async fn cancelled(&self) {
        self.cancel.cancelled().await;
    }

    /// Cancelled when the time for draining is over.
    pub(crate) fn time_over(&self) -> &CancellationToken {
        &self.cancel
    }

    /// Spawns a task that the end of the process waits for.
    pub fn spawn<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.tasks.spawn(task)
    }

    /// How many spawned tasks still run.
    pub fn running_tasks(&self) -> usize {
        self.tasks.len()
    }

    /// Waits until every spawned task has ended; to be called when no more are spawned.
    pub async fn tasks_ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn draining_comes_before_cancelling_and_the_end_waits_for_tasks() {
        let shutdown = Shutdown::new(Duration::from_secs(1));
        let task = shutdown.clone();
        shutdown.spawn(async move {
            task.draining().await;
            task.cancelled().await;
        });
        assert_eq!(shutdown.running_tasks(), 1);
        shutdown.drain();
        shutdown.draining().await;
        assert!(tokio::time::timeout(Duration::from_millis(20), shutdown.cancelled()).await.is_err());
        shutdown.cancel();
        shutdown.tasks_ended().await;
        assert_eq!(shutdown.running_tasks(), 0);
    }

    #[tokio::test]
    async fn cancelling_is_draining_too() {
        let shutdown = Shutdown::new(Duration::ZERO);
        shutdown.cancel();
        shutdown.draining().await;
        assert!(shutdown.is_draining());
    }
}
