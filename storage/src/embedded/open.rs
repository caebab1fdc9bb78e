//! Opening: the commit log first, which is the truth; then the index, which is thrown away where it does not fit; then
//! the records that the index does not have yet.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, io, panic};

use protocol::ids::StoreId;

use super::commit_log::{self, CommitLog, LogError, LogReader, Mark, Verify};
use super::error::OpenError;
use super::index::{Checkpoint, FjallIndex, Index, State};
use super::options::Options;
use super::state::change::RecordError;
use super::state::keys::CHECKPOINT;
use super::state::pending::{ApplyError, Pending};

/// So often a long replay says how far it is.
const PROGRESS: Duration = Duration::from_secs(5);

/// An opened store, before its threads run.
pub(crate) struct Opened {
    pub id: StoreId,
    pub log: CommitLog,
    pub reader: LogReader,
    pub state: State,
}

/// Where the index lies.
pub(crate) enum IndexPlace {
    /// In this folder.
    Folder(PathBuf),
    /// In memory, built from the log each time.
    #[cfg(test)]
    Memory,
}

/// Opens log and index, and brings the index up to date.
pub(crate) fn open(path: &Path, options: &Options, place: &IndexPlace) -> Result<Opened, OpenError> {
    let (log, reader, id) = open_log(path, options)?;
    if options.rebuild {
        discard(place, "it is to be built anew")?;
    }
    let (index, from) = match fitting_index(place, options, &reader, id)? {
        Ok(fitting) => fitting,
        Err(why) => {
            discard(place, &why)?;
            (empty_index(place, options)?, Mark::START)
        }
    };
    let state = State::new(index, options.index_flush_bytes);
    replay(path, &state, &reader, id, from)?;
    Ok(Opened { id, log, reader, state })
}

fn open_log(path: &Path, options: &Options) -> Result<(CommitLog, LogReader, StoreId), OpenError> {
    let options_of_log = commit_log::Options {
        segment_bytes: options.segment_bytes,
        max_record_bytes: options.record_bytes(),
        // The records after the index's checkpoint are checked when they are replayed.
        verify: Verify::LastSegment,
        ..commit_log::Options::default()
    };
    let dir = path.join("log");
    options
        .files
        .create_dir_all(&dir)
        .map_err(|error| OpenError::System { what: format!("make the folder {}", dir.display()), error })?;
    let opened = CommitLog::open(options.files.clone(), &dir, options_of_log);
    let (log, reader, recovered) = opened.map_err(|error| log_error(path, error))?;
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
        error => OpenError::Log { path, error },
    }
}

type Fitting = (Box<dyn Index>, Mark);

/// The index and how far it is complete, or why it cannot be used.
fn fitting_index(
    place: &IndexPlace,
    options: &Options,
    log: &LogReader,
    store: StoreId,
) -> Result<Result<Fitting, String>, OpenError> {
    let index = match open_index(place, options) {
        Ok(index) => index,
        Err(error) => return Ok(Err(error)),
    };
    let through = match index.get(CHECKPOINT) {
        Ok(None) => return Ok(Ok((index, Mark::START))),
        Ok(Some(value)) => Checkpoint::decode(&value).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    Ok(through.and_then(|through| fits(&through, log, store)).map(|next| (index, next)))
}

/// Where the log goes on after what the index has, if the index is of this log.
fn fits(through: &Checkpoint, log: &LogReader, store: StoreId) -> Result<Mark, String> {
    if through.store != store {
        return Err(format!("it is of the store {}, not of {store}", through.store));
    }
    match log.record(through.last) {
        Ok(last) if last.next == through.next && through.ends_with(&last.payload) => Ok(through.next),
        Ok(_) => Err("it has seen another record where the log ends".to_owned()),
        Err(error) => Err(format!("it has seen a record that the log does not have: {error}")),
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

fn empty_index(place: &IndexPlace, options: &Options) -> Result<Box<dyn Index>, OpenError> {
    open_index(place, options).map_err(|error| OpenError::Index { path: folder(place), error })
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
        state.replay(puts, Checkpoint::after(id, &record.payload, record.position, record.next))?;
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
