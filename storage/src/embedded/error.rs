//! Why a store could not be opened, and what to do.

use std::io;
use std::path::PathBuf;

use super::commit_log::{LogError, Mark, Position};
use crate::StoreError;

/// Why a store could not be opened, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("the store in {} is in use by {holder}: stop that one first, or choose another path", path.display())]
    Locked {
        /// The store's folder.
        path: PathBuf,
        /// Who has it, as "process 4711".
        holder: String,
    },
    /// The commit log is damaged, or cannot be read. Nothing was changed.
    #[error(
        "the store in {} cannot be opened: {error}. `shoal store check` lists all damage, `shoal store repair` mends \
         it, and a copy of the whole folder made before is the better cure",
        path.display()
    )]
    Log {
        /// The store's folder.
        path: PathBuf,
        /// What is wrong.
        error: LogError,
    },
    /// The log ends before a place where the index has seen it go on. Nothing was changed.
    #[error(
        "the log of the store in {} ends at {end}, but it went on to {seen} once: what was stored there is lost, unless a \
         newer copy of the folder `log` is found. If an older copy of it was put back on purpose, or to go on without \
         what is lost, remove the folder `index` beside it, which is built anew then",
        path.display()
    )]
    Shortened {
        /// The store's folder.
        path: PathBuf,
        /// The place that the index has seen.
        seen: Mark,
        /// Where the log ends.
        end: Mark,
    },
    /// A newer version of this program wrote to the store.
    #[error("the store in {} was written by a newer version ({what}): use that one", path.display())]
    Newer {
        /// The store's folder.
        path: PathBuf,
        /// What is too new.
        what: String,
    },
    /// A record's checksum is right, but it makes no sense: a fault of this program, not of the disk.
    #[error(
        "the store in {} has a record at {position} that makes no sense ({what}): please report this; \
         nothing was changed",
        path.display()
    )]
    Record {
        /// The store's folder.
        path: PathBuf,
        /// Where the record lies.
        position: Position,
        /// What makes no sense.
        what: String,
    },
    /// The index can be neither opened nor made anew.
    #[error(
        "the index in {} can neither be opened nor made anew: {error}. It holds nothing that the log does not have: \
         look at the disk's space and the folder's rights, or remove the folder",
        path.display()
    )]
    Index {
        /// The index's folder.
        path: PathBuf,
        /// What is wrong.
        error: String,
    },
    /// A folder or thread could not be made.
    #[error("cannot {what}: {error}")]
    System {
        /// What was tried.
        what: String,
        /// The system's error.
        error: io::Error,
    },
    /// The state could not be read or written while it was brought up to date.
    #[error(transparent)]
    State(#[from] StoreError),
}
