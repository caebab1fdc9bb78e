//! From calls to records: whatever waits goes into one record, is synced once, and is answered then.

mod committer;
mod health;
mod job;
mod queue;

pub(crate) use committer::{Committer, Rhythm, refuse};
pub(crate) use health::Health;
pub(crate) use job::{Failure, Job, ask};
pub(crate) use queue::{NotQueued, Queue};
