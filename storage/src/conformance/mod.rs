//! What every backend must do, as checks that a backend's tests run on it.
//!
//! A backend's test makes a [`Subject`] for each check: a store that is empty, can be restarted as if its process had
//! been killed, and whose clock the check moves. [`run`] runs everything that needs no more; [`crashes`] is for
//! backends whose pairs take several steps and that can be stopped between them; [`history`] compares the
//! answers to random calls with those of [`ModelStore`], the promises in their plainest form.
//!
//! A check that fails panics, and says what was expected.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a check fails by panicking")]

mod accounts;
mod appends;
mod archive;
mod cast;
pub mod crashes;
mod cursors;
mod dump;
pub mod history;
mod model;
mod model_accounts;
mod model_store;
mod model_topics;
mod pairs;
mod reads;
mod retention;
mod rules;
mod topics;

use std::time::Duration;

use futures::future::BoxFuture;

pub use dump::{Dump, dump};
pub use model_store::ModelStore;

use crate::Store;

/// For how long a subject's store must know messages that retention took.
pub const DEDUPE: Duration = Duration::from_secs(7 * 24 * 3600);

/// A store under test. Its clock begins anywhere, and stands still but for [`Subject::pass`].
pub trait Subject: Send {
    /// The store, as it is open at the moment.
    fn store(&self) -> &dyn Store;

    /// Kills the process that has the store open, and opens the store again: whatever was answered must be there.
    fn restart(&mut self) -> BoxFuture<'_, ()>;

    /// Moves the store's clock on.
    fn pass(&self, time: Duration);
}

/// Runs every check, each on a subject of its own with an empty store.
pub async fn run<S: Subject>(mut make: impl FnMut() -> S) {
    appends::run(&mut make).await;
    reads::run(&mut make).await;
    pairs::run(&mut make).await;
    topics::run(&mut make).await;
    rules::run(&mut make).await;
    cursors::run(&mut make).await;
    accounts::run(&mut make).await;
    retention::run(&mut make).await;
    archive::run(&mut make).await;
}
