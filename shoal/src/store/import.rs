//! `shoal store import`: what an export wrote, put back.

use std::fs::File;
use std::path::Path;

use storage::export::import;

use super::place::Place;
use super::progress::Progress;
use crate::exit;
use crate::failure::Failure;

/// Puts the export in `from` into the store of `place`, which is made where there is none.
///
/// # Errors
/// Where the file is no whole export, or the store is in use or holds something else under the same names.
pub async fn run(from: &Path, place: &Place) -> Result<u8, Failure> {
    let file = File::open(from).map_err(Failure::while_trying(format!("to read {}", from.display())))?;
    let store = place.open()?;
    let progress = Progress::new("imported");
    let counts = import(&*store, file, |counts| progress.tell(counts)).await?;
    progress.end(&counts);
    Ok(exit::DONE)
}
