//! Repairing a store whose commit log is damaged.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::commit_log::{self, LogError, Repair, Repaired};
use super::files::Files;

/// Mends the commit log of the store in `path` in the way that `how` says ([`commit_log::repair()`]), and throws the index
/// away if anything is damaged, since it knows what the log has lost: the next opening builds it anew. An empty answer
/// means that nothing was damaged, and nothing was changed.
///
/// Entries that are lost leave their versions: they are read as entries that say nothing
/// ([`protocol::content::Kind::VOID`]), and all others keep theirs.
///
/// # Errors
/// Where the store is in use, is another's, is newer than this program, or has no good segment at all.
pub fn repair(files: &Arc<dyn Files>, path: &Path, how: Repair) -> Result<Vec<Repaired>, LogError> {
    let log = path.join("log");
    match commit_log::check(files, &log) {
        Ok(checked) if checked.damage.is_empty() => return Ok(Vec::new()),
        Ok(_) | Err(LogError::MissingSegment { .. }) => {}
        Err(error) => return Err(error),
    }
    discard_index(path)?;
    commit_log::repair(files, &log, how)
}

/// Before the log is mended: an end in between costs time, not truth.
fn discard_index(path: &Path) -> Result<(), LogError> {
    let index = path.join("index");
    match std::fs::remove_dir_all(&index) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(LogError::Io { action: "cannot remove", path: index, source })
        }
        _ => Ok(()),
    }
}
