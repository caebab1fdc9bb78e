//! Opening a log: the folder, the lock, the segments, the end.

use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use super::ahead::Ahead;
use super::layout::Layout;
use super::lock::{DirLock, lock};
use super::recovery::{self, Survey};
use super::segment::{self, Segment, failed};
use super::segments::Segments;
use super::{CommitLog, LogError, LogReader, Mark, Options, Position, Recovered};
use crate::embedded::files::Files;

/// Opens the log in a folder, or makes one there; see [`CommitLog::open`].
pub(super) fn open(
    files: Arc<dyn Files>,
    dir: &Path,
    options: Options,
) -> Result<(CommitLog, LogReader, Recovered), LogError> {
    options.check()?;
    make_dir(&*files, dir)?;
    let lock = lock(&*files, dir)?;
    let layout = Layout::read(&*files, dir)?;
    segment::sweep(&*files, dir)?;
    let is_new = layout.names().is_empty();
    let segments = Arc::new(Segments::new(files, dir, layout));
    if is_new { create(segments, options, lock) } else { reopen(segments, options, lock) }
}

/// Opens every segment once, which checks its header, and that all are of one store: the one wanted, if one is.
/// Says which.
pub(super) fn check_headers(segments: &Segments, mut wanted: Option<[u8; 16]>) -> Result<[u8; 16], LogError> {
    let mut store_id = [0; 16];
    for name in segments.layout().names() {
        let segment = segments.get(name.number)?;
        store_id = segment.store_id;
        let wanted = *wanted.get_or_insert(store_id);
        if store_id != wanted {
            return Err(LogError::WrongStore { file: segment.path.clone(), found: store_id, wanted });
        }
    }
    Ok(store_id)
}

fn make_dir(files: &dyn Files, dir: &Path) -> Result<(), LogError> {
    files.create_dir_all(dir).map_err(failed("cannot make", dir))?;
    match dir.parent() {
        Some(above) if !above.as_os_str().is_empty() => segment::sync_dir(files, above),
        _ => Ok(()),
    }
}

fn create(
    segments: Arc<Segments>,
    options: Options,
    lock: DirLock,
) -> Result<(CommitLog, LogReader, Recovered), LogError> {
    let store_id = options.store_id.unwrap_or_else(|| Uuid::new_v4().into_bytes());
    let first = Arc::new(Segment::make(&*segments.files, &segments.dir, 1, options.segment_bytes, store_id)?);
    segments.push(Arc::clone(&first));
    let end = Mark::START;
    let recovered = Recovered { store_id, created: true, records: 0, voided: 0, end, torn: None };
    Ok(start(segments, options, lock, first, 0, recovered))
}

fn reopen(
    segments: Arc<Segments>,
    options: Options,
    lock: DirLock,
) -> Result<(CommitLog, LogReader, Recovered), LogError> {
    let store_id = check_headers(&segments, options.store_id)?;
    let survey = recovery::survey(&segments, options.verify)?;
    let torn = recovery::settle(&segments, &survey)?;
    let current = drop_unused(&segments, &survey, options.segment_bytes, store_id)?;
    name_again(&segments)?;
    let Survey { mut end, records, voided, mut previous, .. } = survey;
    if let Some(stretch) = segments.get(end.position.segment)?.stretch {
        // Nothing is appended to a compacted segment; the record after it names the last that it stands for.
        end.position = Position::first_in(current.number());
        previous = stretch.after;
    }
    let recovered = Recovered { store_id, created: false, records, voided, end, torn };
    Ok(start(segments, options, lock, current, previous, recovered))
}

/// Removes the segments that hold no record yet, and gives the one to go on with. An earlier process may have failed
/// to make the name of such a file durable, and after that no sync of the folder proves anything; besides, it may
/// have another size than is wanted now. A segment with records has a durable name: it got none before.
fn drop_unused(
    segments: &Segments,
    survey: &Survey,
    bytes: u32,
    store_id: [u8; 16],
) -> Result<Arc<Segment>, LogError> {
    let (files, dir) = (&*segments.files, &segments.dir);
    let last = segments.get(survey.end.position.segment)?;
    let used = if survey.end == Mark::START { 0 } else { last.name.last };
    // The very first one is replaced, so that the store's id is never gone.
    for name in segments.take_after(used).iter().rev().filter(|name| name.first > 1) {
        let path = dir.join(name.file());
        files.remove(&path).map_err(failed("cannot remove", &path))?;
    }
    segment::sync_dir(files, dir)?;
    if used > 0 && last.stretch.is_none() {
        return Ok(last);
    }
    let next = Arc::new(Segment::make(files, dir, used + 1, bytes, store_id)?);
    segments.push(Arc::clone(&next));
    Ok(next)
}

/// Gives compacted segments their names once more, where all that they stand for is still there: an earlier process
/// may have failed to make such a name durable, and after that no sync of the folder proves anything. What they stand
/// for is removed only after that.
fn name_again(segments: &Segments) -> Result<(), LogError> {
    let (files, dir, layout) = (&*segments.files, &segments.dir, segments.layout());
    for name in layout.names().iter().filter(|name| name.is_compacted() && layout.is_doubled(name)) {
        let (path, unnamed) = (dir.join(name.file()), segment::unnamed(dir, name));
        files.rename(&path, &unnamed).map_err(failed("cannot rename", &path))?;
        files.rename(&unnamed, &path).map_err(failed("cannot rename", &unnamed))?;
        segment::sync_dir(files, dir)?;
    }
    Ok(())
}

fn start(
    segments: Arc<Segments>,
    options: Options,
    lock: DirLock,
    current: Arc<Segment>,
    previous: u64,
    recovered: Recovered,
) -> (CommitLog, LogReader, Recovered) {
    segments.written(recovered.end);
    segments.durable(recovered.end);
    let ahead = Ahead::new(Arc::clone(&segments), options.prepare, options.segment_bytes, recovered.store_id);
    let reader = LogReader::new(Arc::clone(&segments));
    let log = CommitLog {
        segments,
        max_record_bytes: options.max_record_bytes,
        current,
        end: recovered.end,
        previous,
        unsynced: 0,
        poison: None,
        ahead,
        _lock: lock,
    };
    (log, reader, recovered)
}
