//! Waiting for what can be seen, never for time to pass.

use std::time::Duration;

use tokio::time::Instant;

/// How long a test waits for what has to happen, before it fails: far longer than it takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Asks `look` again and again until it gives something.
///
/// # Panics
/// After [`PATIENCE`]; `what` says what did not happen.
pub async fn eventually<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    eventually_within(PATIENCE, what, look).await
}

/// As [`eventually`], with another deadline.
///
/// # Panics
/// After `patience`.
pub async fn eventually_within<T>(
    patience: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < deadline, "it did not happen within {patience:?}: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
