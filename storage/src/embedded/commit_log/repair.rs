//! Repairing a damaged log: only ever on request, and never without keeping what it overwrites.

use std::path::{Path, PathBuf};

use super::{Damage, LogError};
use crate::embedded::files::Files;

/// What to do about damage.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Repair {
    /// Give up only the records that are bad; those after them stay. Their sequence numbers become void.
    Void,
    /// Cut the log at the first damage: the bad records and all after them are given up.
    Cut,
}

/// One thing that a repair did.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Repaired {
    /// The damage.
    pub damage: Damage,
    /// How many sequence numbers were given up; 0 where that is not known (a cut).
    pub lost: u64,
    /// Where the bytes that were overwritten or taken away are kept.
    pub kept: Vec<PathBuf>,
}

/// Checks the whole log in `dir` and mends what is damaged in the way that `how` says; an empty answer means that
/// nothing was. Takes the log's lock. What is overwritten is first copied into a file beside it.
pub fn repair(_files: &dyn Files, _dir: &Path, _how: Repair) -> Result<Vec<Repaired>, LogError> {
    Err(LogError::BadOptions("not written yet"))
}
