//! The commit log: a durable sequence of opaque records, one for each group commit.

mod error;
mod options;
mod position;
mod reader;
mod record;
mod repair;
mod segment;

use std::path::Path;
use std::sync::Arc;

pub use error::{Damage, LogError};
pub use options::{Options, Prepare, Recovered, Torn, Verify};
pub use position::{Mark, Position};
pub use reader::{LogReader, Record, Scan};
pub use repair::{Repair, Repaired, repair};

use crate::embedded::files::Files;

/// The log's one writer. Dropping it gives the folder's lock back; what was appended and not synced may be lost.
#[derive(Debug)]
pub struct CommitLog {}

impl CommitLog {
    /// Opens the log in the folder `dir`, or makes one there, and takes the folder's lock. Finds the log's end, cuts
    /// off a torn last write, and refuses a log that is damaged. When it returns, every record in the log is durable.
    pub fn open(
        _files: Arc<dyn Files>,
        _dir: &Path,
        _options: Options,
    ) -> Result<(Self, LogReader, Recovered), LogError> {
        Err(LogError::BadOptions("not written yet"))
    }

    /// Appends one record, the slices of `payload` one after another, and says where it begins. It is written, and
    /// readable by position, but neither durable nor part of a scan before [`sync`](Self::sync).
    pub fn append(&mut self, _payload: &[&[u8]]) -> Result<Position, LogError> {
        Err(LogError::BadOptions("not written yet"))
    }

    /// Returns when everything appended so far is durable. After a write or a sync has failed, this and every later
    /// call fails with [`LogError::Poisoned`].
    pub fn sync(&mut self) -> Result<(), LogError> {
        Err(LogError::BadOptions("not written yet"))
    }

    /// The place after the last record appended, durable or not.
    pub fn end(&self) -> Mark {
        Mark { position: Position { segment: 0, offset: 0 }, sequence: 0 }
    }
}
