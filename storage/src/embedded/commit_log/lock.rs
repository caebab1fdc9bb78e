//! One process only may have a log open.

use std::path::Path;

use super::LogError;
use super::segment::failed;
use crate::embedded::files::{Files, Lock, LockGuard};

/// The file that is locked, in the log's folder. It is never removed: another process may be about to lock it.
const NAME: &str = "LOCK";

/// A folder's lock, given back when dropped.
pub(super) struct DirLock {
    _guard: LockGuard,
}

impl std::fmt::Debug for DirLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DirLock")
    }
}

/// Takes the lock of a folder, or says which process has it.
pub(super) fn lock(files: &dyn Files, dir: &Path) -> Result<DirLock, LogError> {
    let path = dir.join(NAME);
    let own = format!("process {}", std::process::id());
    match files.lock(&path, &own).map_err(failed("cannot lock", &path))? {
        Lock::Held(guard) => Ok(DirLock { _guard: guard }),
        Lock::Busy(text) => {
            let text = text.trim();
            let holder = if text.is_empty() { "another process".to_owned() } else { text.to_owned() };
            Err(LogError::Locked { dir: dir.to_path_buf(), holder })
        }
    }
}
