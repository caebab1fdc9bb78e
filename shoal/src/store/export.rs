//! `shoal store export`: all that is stored, in one compressed file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use protocol::ids::Time;
use storage::Store;
use storage::export::{Counts, export};
use storage::pair::complete_open_pairs;

use super::place::{self, Place};
use super::progress::Progress;
use crate::exit;
use crate::failure::Failure;

/// How many messages between two inboxes are completed at once.
const PAIRS: usize = 1_000;

/// Later than any message: whatever is halfway is to be completed.
const END_OF_TIME: Time = Time(u64::MAX);

/// Writes the store of `place` to stdout where `to` is `-`, else into the new file `to`: under another name until all of
/// it is on disk.
///
/// # Errors
/// Where `to` is there already or stdout is a terminal, the store cannot be read, or the output takes no more.
pub async fn run(to: &Path, place: &Place) -> Result<u8, Failure> {
    place.must_be_there()?;
    if place::is_standard_stream(to) { to_stdout(place).await } else { to_file(to, place).await }
}

/// What is exported is the only thing on stdout; what is said about it is said on stderr.
async fn to_stdout(place: &Place) -> Result<u8, Failure> {
    let out = io::stdout();
    if out.is_terminal() {
        let text = "an export is not for reading: send it on, as in `--to - > FILE`, or name a file";
        return Err(Failure::Usage(text.to_owned()));
    }
    let store = place.open()?;
    complete_pairs(&*store).await?;
    let progress = Progress::new("exported");
    let counts = export(&*store, BufWriter::new(out.lock()), |counts| progress.tell(counts)).await?;
    progress.end(&counts, io::stderr());
    Ok(exit::DONE)
}

async fn to_file(to: &Path, place: &Place) -> Result<u8, Failure> {
    if to.exists() {
        return Err(Failure::Usage(format!("{} is there already; name a new file", to.display())));
    }
    let store = place.open()?;
    complete_pairs(&*store).await?;
    let part = part_of(to);
    let written = write(&*store, &part).await.and_then(|counts| {
        fs::rename(&part, to).map_err(Failure::while_trying(format!("to name {}", to.display())))?;
        Ok(counts)
    });
    let counts = written.inspect_err(|_| {
        // What was written is no export; it is of no use even where it stays.
        let _ = fs::remove_file(&part);
    })?;
    Progress::new("exported").end(&counts, io::stdout());
    Ok(exit::DONE)
}

async fn complete_pairs(store: &dyn Store) -> Result<(), Failure> {
    loop {
        let completed = complete_open_pairs(store, END_OF_TIME, PAIRS).await?;
        if completed.whole + completed.refused < PAIRS {
            return Ok(());
        }
    }
}

async fn write(store: &dyn Store, part: &Path) -> Result<Counts, Failure> {
    let unwritten = || Failure::while_trying(format!("to write {}", part.display()));
    let mut out = BufWriter::new(create(part).map_err(unwritten())?);
    let progress = Progress::new("exported");
    let counts = export(store, &mut out, |counts| progress.tell(counts)).await?;
    out.flush().and_then(|()| out.get_ref().sync_all()).map_err(unwritten())?;
    Ok(counts)
}

/// A back-up holds what everybody wrote, and the hashes of passwords and tokens: for its owner only.
fn create(part: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(part)
}

fn part_of(to: &Path) -> PathBuf {
    let mut name = to.as_os_str().to_owned();
    name.push(".part");
    name.into()
}
