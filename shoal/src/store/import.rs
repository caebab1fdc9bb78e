//! `shoal store import`: what an export wrote, put back.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use storage::export::import;

use super::place::{self, Place};
use super::progress::Progress;
use crate::exit;
use crate::failure::Failure;

/// Puts the export in `from`, or on stdin where that is `-`, into the store of `place`, which is made where there is none.
///
/// # Errors
/// Where it is no whole export, or the store is in use or holds something else under the same names.
pub async fn run(from: &Path, place: &Place) -> Result<u8, Failure> {
    let unread = || Failure::while_trying(format!("to read {}", from.display()));
    let (file, store) = if place::is_standard_stream(from) {
        // The store comes first: what is read before it is checked is kept in its folder.
        let store = place.open()?;
        (whole_stdin(place.folder()).map_err(unread())?, store)
    } else {
        (File::open(from).map_err(unread())?, place.open()?)
    };
    let progress = Progress::new("imported");
    let counts = import(&*store, file, |counts| progress.tell(counts)).await?;
    progress.end(&counts, io::stdout());
    Ok(exit::DONE)
}

/// All of stdin as a file: nothing of an export is imported before its end was read and found good. What is no file is
/// first written into one without a name, in `folder`.
fn whole_stdin(folder: &Path) -> io::Result<File> {
    let mut stdin = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    if stdin.metadata()?.is_file() {
        return Ok(stdin);
    }
    let path = folder.join(format!("import.{}.part", std::process::id()));
    let mut whole = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    fs::remove_file(&path)?;
    io::copy(&mut stdin, &mut whole)?;
    whole.seek(SeekFrom::Start(0))?;
    Ok(whole)
}
