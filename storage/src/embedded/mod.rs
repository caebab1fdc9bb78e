//! The embedded store: a commit log of our own, and an index that can be rebuilt from it.
//!
//! The store is a state machine over keys and values. Every group commit is one record of the commit log; applying a
//! record to the state before it is a plain function. What a record changes is in memory at once, and goes to the
//! index on disk in batches, each with the place up to which the index is complete. At start the log's records
//! after that place are applied again. So what was acknowledged stands on the commit log alone, and an index that
//! is missing, damaged or of another store is thrown away and built anew. One that has seen more than its log holds
//! bears witness that the log has lost something, which is refused.
//!
//! | folder | what it holds |
//! | --- | --- |
//! | `commit_log` | the log of opaque records: durable, checked, one writer |
//! | `files` | the file calls under it |
//! | `state` | records, keys and values, and what a record does to them |
//! | `decide` | what a call changes: pure |
//! | `commit` | the one thread that writes |
//! | `index` | the state: memory over fjall, written behind |
//! | `read` | the threads that read |
//! | `compact` | the thread that gives space back |

mod commit;
pub mod commit_log;
mod compact;
mod decide;
mod error;
pub mod files;
mod index;
mod open;
mod options;
mod read;
mod repair;
mod state;
mod store;
#[cfg(test)]
mod tests;

pub use error::OpenError;
pub use options::{Clock, Options};
pub use repair::repair;
pub use store::EmbeddedStore;
