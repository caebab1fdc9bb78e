//! Opening: the commit log first, which is the truth; then the index, which is thrown away where it does not fit; then
//! the records that the index does not have yet.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, io, panic};

use protocol::ids::StoreId;

use super::commit_log::{self, CommitLog, LogError, LogReader, Mark, Verify};
use super::compact::{self, Trouble};
use super::error::OpenError;
use super::files::{Lock, LockGuard};
use super::index::{Checkpoint, FjallIndex, Index, State};
use super::options::Options;
use super::state::change::RecordError;
use super::state::keys::CHECKPOINT;
use super::state::pending::{ApplyError, Pending};
use crate::StoreError;

/// So often a long replay says how far it is.
const PROGRESS: Duration = Duration::from_secs(5);

/// An opened store, before its threads run.
pub(crate) struct Opened {
    pub id: StoreId,
    pub log: CommitLog,
    pub reader: LogReader,
    pub state: State,
    pub lock: LockGuard,
}

/// Where the index lies.
pub(crate) enum IndexPlace {
    /// In this folder.
    Folder(PathBuf),
    /// In memory, built from the log each time.
    #[cfg(test)]
    Memory,
}

/// Opens index and log, and brings the index up to date. The index comes first: what it has seen bears witness of how far
/// the log was durable, so that a log that has lost its end is not taken for one that ends there.
pub(crate) fn open(path: &Path, options: &Options, place: &IndexPlace) -> Result<Opened, OpenError> {
    let lock = lock(path, options)?;
    let (mut index, mut through) = match find_index(place, options) {
        Ok((index, through)) => (Some(index), through),
        Err(why) => {
            discard(place, &why)?;
            (None, None)
        }
    };
    let (log, reader, id) = match open_log(path, options, through.as_ref()) {
        Err(error @ (LogError::WrongStore { .. } | LogError::Compacted { .. })) if through.is_some() => {
            (index, through) = (None, None);
            discard(place, &error.to_string())?;
            open_log(path, options, None)
        }
        opened => opened,
    }
    .map_err(|error| log_error(path, error))?;
    let why =
        through.as_ref().zip(index.as_ref()).and_then(|(through, index)| misfit(through, &**index, &reader));
    if let Some(why) = why {
        (index, through) = (None, None);
        discard(place, &why)?;
    }
    let index = match index {
        Some(index) => index,
        None => {
            open_index(place, options).map_err(|error| OpenError::Index { path: folder(place), error })?
        }
    };
    let state = State::new(index, through, options.index_flush_bytes);
    replay(path, &state, &reader, id, through.map_or(Mark::START, |through| through.next))?;
    compact::settle(&state, &reader, through.is_none()).map_err(|trouble| trouble_error(path, trouble))?;
    Ok(Opened { id, log, reader, state, lock })
}

fn lock(path: &Path, options: &Options) -> Result<LockGuard, OpenError> {
    let system = |what: String| move |error| OpenError::System { what, error };
    let files = &options.files;
    let dir = path.join("log");
    files.create_dir_all(&dir).map_err(system(format!("make the folder {}", dir.display())))?;
    let file = path.join("LOCK");
    let own = format!("process {}", std::process::id());
    match files.lock(&file, &own).map_err(system(format!("lock {}", file.display())))? {
        Lock::Held(guard) => Ok(guard),
        Lock::Busy(holder) => {
            Err(OpenError::Locked { path: path.to_owned(), holder: holder.trim().to_owned() })
        }
    }
}

/// The index and how far it has seen the log, or why it cannot be used.
fn find_index(place: &IndexPlace, options: &Options) -> Result<(Box<dyn Index>, Option<Checkpoint>), String> {
    if options.rebuild {
        return Err("it is to be built anew".to_owned());
    }
    let index = open_index(place, options)?;
    let through = index.get(CHECKPOINT).map_err(|error| error.to_string())?;
    let through = through.map(|value| Checkpoint::decode(&value)).transpose();
    Ok((index, through.map_err(|error| error.to_string())?))
}

fn open_log(
    path: &Path,
    options: &Options,
    seen: Option<&Checkpoint>,
) -> Result<(CommitLog, LogReader, StoreId), LogError> {
    let options_of_log = commit_log::Options {
        segment_bytes: options.segment_bytes,
        max_record_bytes: options.record_bytes(),
        store_id: seen.map(|seen| seen.store.0),
        // Records that the index has not seen are checked when they are replayed.
        verify: seen.map_or(Verify::LastSegment, |seen| Verify::Since(seen.next)),
        ..commit_log::Options::default()
    };
    let opened = CommitLog::open(options.files.clone(), &path.join("log"), options_of_log);
    let (log, reader, recovered) = opened?;
    if let Some(torn) = &recovered.torn {
        tracing::warn!(
            file = %torn.file.display(), offset = torn.offset, bytes = torn.bytes,
            "the end of the log was a write that was cut off before it was acknowledged: removed"
        );
    }
    Ok((log, reader, StoreId(recovered.store_id)))
}

fn log_error(path: &Path, error: LogError) -> OpenError {
    let path = path.to_owned();
    match error {
        LogError::Locked { holder, .. } => OpenError::Locked { path, holder },
        LogError::NewerFormat { .. } => OpenError::Newer { path, what: error.to_string() },
        LogError::NoSuchMark { wanted, end } => OpenError::Shortened { path, seen: wanted, end },
        error => OpenError::Log { path, error },
    }
}

/// Why what was compacted cannot be settled, where the store was opened otherwise.
fn trouble_error(path: &Path, trouble: Trouble) -> OpenError {
    match trouble {
        Trouble::Log(error) => log_error(path, error),
        Trouble::Store(error) => OpenError::State(error),
        other => OpenError::State(StoreError::Unreadable(other.to_string())),
    }
}

/// Why the index is of another log, if the log has another record at the place that the index has seen last, or lacks a
/// compacted segment that it has seen.
fn misfit(through: &Checkpoint, index: &dyn Index, log: &LogReader) -> Option<String> {
    let there = log.compacted();
    match compact::known(index) {
        Ok(known) if known.iter().all(|number| there.contains(number)) => {}
        Ok(_) => return Some("it has seen a compacted segment that is not there".to_owned()),
        Err(error) => return Some(error.to_string()),
    }
    match log.record(through.last) {
        Ok(last) if last.next == through.next && through.ends_with(&last.payload) => None,
        Ok(_) => Some("it has seen another record in the log".to_owned()),
        Err(error) => Some(format!("it has seen a record that is not in the log: {error}")),
    }
}

fn open_index(place: &IndexPlace, options: &Options) -> Result<Box<dyn Index>, String> {
    match place {
        IndexPlace::Folder(dir) => {
            // A damaged index may make its library panic; it is made anew then, as after an error.
            let cache = options.index_cache_bytes;
            let opened = panic::catch_unwind(|| FjallIndex::open(dir, cache));
            let index = opened.unwrap_or_else(|_| Err("its library panicked".to_owned()))?;
            Ok(Box::new(index))
        }
        #[cfg(test)]
        IndexPlace::Memory => Ok(Box::new(super::index::MemoryIndex::default())),
    }
}

fn folder(place: &IndexPlace) -> PathBuf {
    match place {
        IndexPlace::Folder(dir) => dir.clone(),
        #[cfg(test)]
        IndexPlace::Memory => PathBuf::new(),
    }
}

fn discard(place: &IndexPlace, why: &str) -> Result<(), OpenError> {
    let dir = folder(place);
    match fs::remove_dir_all(&dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(OpenError::Index { path: dir, error: error.to_string() }),
        Ok(()) => {
            tracing::warn!(index = %dir.display(), why, "the index is thrown away and built anew from the log");
            Ok(())
        }
    }
}

/// Applies the log's records from `from` on.
fn replay(path: &Path, state: &State, log: &LogReader, id: StoreId, from: Mark) -> Result<(), OpenError> {
    let end = log.durable();
    let (began, mut told, mut records) = (Instant::now(), Instant::now(), 0u64);
    for record in log.scan(from) {
        let record = record.map_err(|error| log_error(path, error))?;
        let puts = Pending::replay(state, &record.payload, record.position).map_err(|error| match error {
            ApplyError::Store(error) => OpenError::State(error),
            ApplyError::Record(RecordError::Newer(_)) => OpenError::Newer {
                path: path.to_owned(),
                what: format!("the record at {}: {error}", record.position),
            },
            ApplyError::Record(error) => OpenError::Record {
                path: path.to_owned(),
                position: record.position,
                what: error.to_string(),
            },
        })?;
        let through = Checkpoint::after(id, &record.payload, record.position, record.next);
        state.replay(puts, Some(through))?;
        records += 1;
        if told.elapsed() >= PROGRESS {
            told = Instant::now();
            let seconds = began.elapsed().as_secs();
            tracing::info!(at = %record.next, of = %end, seconds, "the index is brought up to date from the log");
        }
    }
    if records > 0 {
        tracing::info!(records, took = ?began.elapsed(), "the index is up to date with the log");
    }
    Ok(())
}
