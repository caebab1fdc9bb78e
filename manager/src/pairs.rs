//! Completes messages between two inboxes whose second half may be missing.

use std::sync::Arc;
use std::time::Duration;

use mesh::process::Shutdown;
use mesh::report::now;
use protocol::ids::Time;
use storage::Store;
use storage::pair::complete_open_pairs;

/// A pair that is younger is still being written by whoever began it.
const AGE: Duration = Duration::from_secs(5);
/// How often is looked.
const EVERY: Duration = Duration::from_secs(5);
/// Pairs that are completed in one go.
const AT_ONCE: usize = 500;

/// Completes open pairs at once and every few seconds, until the process drains.
pub async fn keep_completing(store: Arc<dyn Store>, shutdown: Shutdown) {
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            () = shutdown.draining() => return,
            _ = ticks.tick() => complete(&*store).await,
        }
    }
}

async fn complete(store: &dyn Store) {
    loop {
        let before = Time(now().saturating_sub(AGE.as_millis() as u64));
        match complete_open_pairs(store, before, AT_ONCE).await {
            Ok(done) if done.whole + done.refused == AT_ONCE => {}
            Ok(done) => {
                if done.whole + done.refused + done.left > 0 {
                    tracing::info!(?done, "pairs that were left half are completed");
                }
                return;
            }
            Err(error) => {
                tracing::warn!(%error, "pairs that were left half cannot be completed: tried again soon");
                return;
            }
        }
    }
}
