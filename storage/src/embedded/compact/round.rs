//! One round: what need not be known any more is forgotten, then files that are mostly dead are compacted, one run after
//! another.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use protocol::ids::Time;

use super::Trouble;
use super::estimate::survey;
use super::moved::{Moved, entries_of, note};
use super::plan::{Size, next_run};
use super::rewrite::Rewriter;
use super::signals::{Pace, Signals};
use crate::embedded::commit::{Failure, Job, NotQueued, Queue, ask};
use crate::embedded::commit_log::{LogError, LogFile, LogReader, Mark};
use crate::embedded::decide::{self, Limits};
use crate::embedded::index::{Hot, State};
use crate::embedded::state::draft::Draft;
use crate::embedded::state::keys;
use crate::embedded::state::values::LogMeta;
use crate::embedded::state::view::{View, damaged};
use crate::{Answer, Space, StoreError};

/// A merged record is ended once it has so many bytes.
const RECORD_BYTES: usize = 1 << 20;
/// So many entries are given their new places by one call of the committer.
const MOVED_AT_ONCE: usize = 500;
/// Keys that one scan asks for.
const SCAN: usize = 1_000;
/// What a file without anything in it has.
const EMPTY_BYTES: u64 = 4_096;
/// How long the committer is left alone when its queue is full.
const QUEUE_REST: Duration = Duration::from_millis(50);
/// While the index is asked, so many times as long is rested.
const RESTS: u32 = 3;

/// What a round works with.
pub(crate) struct Parts {
    pub state: Arc<State>,
    pub log: LogReader,
    pub queue: Arc<Queue<Job>>,
    pub limits: Limits,
    pub segment_bytes: u64,
    /// Reads and writes so much at most.
    pub bytes_per_second: u64,
}

/// What one round leaves to the next.
pub(super) struct Round {
    parts: Parts,
    signals: Arc<Signals>,
    space: Arc<Mutex<Space>>,
    /// Where the log ended at the last round: nothing dies where nothing is written.
    seen: Option<Mark>,
    /// Files that could not be made smaller, or not be read, and what was estimated then.
    left_alone: HashMap<u32, u64>,
    /// A compacted segment may be there or not: nothing is done until the log is opened again.
    halted: bool,
}

impl Round {
    pub fn new(parts: Parts, signals: Arc<Signals>, space: Arc<Mutex<Space>>) -> Self {
        Self { parts, signals, space, seen: None, left_alone: HashMap::new(), halted: false }
    }

    /// Looks how large the log is.
    pub fn measure(&self) {
        if let Ok(files) = self.parts.log.files() {
            self.space.lock().bytes = files.iter().map(|file| file.bytes).sum();
        }
    }

    /// Does all that there is to do; how many bytes that gave back. Unless it is `forced`, not where nothing was written
    /// since the last time.
    pub fn run(&mut self, forced: bool) -> Result<u64, Trouble> {
        let end = self.parts.log.durable();
        if self.halted || !forced && self.seen == Some(end) {
            return Ok(0);
        }
        self.forget()?;
        let mut needed = survey(&*self.parts.state, rests(&self.signals))?;
        let mut given_back = 0;
        while let Some(run) = self.next(&needed)? {
            match self.compact(&run, &mut needed) {
                Ok(bytes) => given_back += bytes,
                Err(trouble) => return Err(self.give_up(trouble, &run, &needed)),
            }
        }
        self.seen = Some(end);
        Ok(given_back)
    }

    /// The files that are to be compacted next.
    fn next(&self, needed: &HashMap<u32, u64>) -> Result<Option<Vec<LogFile>>, Trouble> {
        let files = self.parts.log.files()?;
        let sizes: Vec<_> = files.iter().map(|file| self.size(file, needed)).collect();
        let dead = sizes
            .iter()
            .filter(|size| size.is_sealed)
            .map(|size| size.bytes.saturating_sub(size.needed))
            .sum();
        *self.space.lock() = Space { bytes: sizes.iter().map(|size| size.bytes).sum(), dead: Some(dead) };
        let run = next_run(&sizes, self.parts.segment_bytes);
        Ok(run.map(|run| files[run].to_vec()))
    }

    fn size(&self, file: &LogFile, needed: &HashMap<u32, u64>) -> Size {
        let entries = needed.get(&file.number()).copied().unwrap_or(0);
        let was_tried =
            self.left_alone.get(&file.number()).is_some_and(|then| entries > then / 2 || *then == 0);
        let needed = if was_tried { file.bytes } else { file.note.unwrap_or(EMPTY_BYTES) + entries };
        Size { bytes: file.bytes, needed, is_sealed: file.is_sealed, is_compacted: file.note.is_some() }
    }

    /// Notes what a failure means for the rounds to come.
    fn give_up(&mut self, trouble: Trouble, run: &[LogFile], needed: &HashMap<u32, u64>) -> Trouble {
        match &trouble {
            Trouble::Log(LogError::Unpublished { .. }) => self.halted = true,
            Trouble::Log(LogError::Damaged(damage)) => {
                tracing::error!(%damage, "the log is damaged: `shoal store check` lists all damage");
                self.leave_alone(run, &HashMap::new());
            }
            Trouble::Log(LogError::TooLarge { .. }) => self.leave_alone(run, needed),
            _ => {}
        }
        trouble
    }

    fn leave_alone(&mut self, run: &[LogFile], needed: &HashMap<u32, u64>) {
        let then = |file: &LogFile| needed.get(&file.number()).copied().unwrap_or(0);
        self.left_alone.extend(run.iter().map(|file| (file.number(), then(file))));
    }

    /// Compacts a run of files, and removes them; how many bytes that gave back.
    fn compact(&mut self, run: &[LogFile], needed: &mut HashMap<u32, u64>) -> Result<u64, Trouble> {
        let began = Instant::now();
        let before: u64 = run.iter().map(|file| file.bytes).sum();
        let (first, last) = (run[0].stands_for().0, run[run.len() - 1].stands_for().1);
        tracing::info!(first, last, bytes = before, "segments of the log are mostly dead: compacting them");
        // The index must not have to go back to what is about to be removed.
        self.parts.state.flushed()?;
        let Some((made, kept)) = self.rewrite(run, before)? else {
            self.leave_alone(run, needed);
            return Ok(0);
        };
        self.take_in(&made)?;
        self.parts.state.flushed()?;
        self.parts.log.remove_superseded()?;
        needed.retain(|number, _| run.iter().all(|file| file.number() != *number));
        needed.insert(made.number(), kept);
        tracing::info!(first, last, bytes = before, left = made.bytes, took = ?began.elapsed(), "segments are compacted");
        Ok(before - made.bytes)
    }

    /// Writes what is left of a run, and what its entries take; `None` where that would not be much smaller.
    fn rewrite(&self, run: &[LogFile], before: u64) -> Result<Option<(LogFile, u64)>, Trouble> {
        let Parts { log, state, bytes_per_second, .. } = &self.parts;
        let mut compaction = log.compact(run)?;
        let mut rewriter = Rewriter::new(&**state);
        let mut pace = Pace::new(&self.signals, *bytes_per_second);
        while let Some(record) = compaction.read()? {
            pace.spent(record.payload.len())?;
            if rewriter.bytes() >= RECORD_BYTES {
                let merged = rewriter.finish();
                pace.spent(merged.len())?;
                compaction.put(&merged, record.sequence)?;
            }
            rewriter.take(&record.payload)?;
        }
        compaction.put(&rewriter.finish(), compaction.end())?;
        if compaction.bytes() > before / 4 * 3 {
            tracing::info!(
                bytes = before,
                left = compaction.bytes(),
                "there is less to be gained than it seemed"
            );
            return Ok(None);
        }
        let note = compaction.bytes().saturating_sub(rewriter.kept());
        Ok(Some((compaction.publish(note)?, rewriter.kept())))
    }

    /// Tells the index where the entries of a compacted segment lie.
    fn take_in(&self, made: &LogFile) -> Result<(), Trouble> {
        let mut waiting = Vec::new();
        for record in self.parts.log.records(made)? {
            waiting.extend(entries_of(&record?)?);
            while waiting.len() >= MOVED_AT_ONCE {
                let rest = waiting.split_off(MOVED_AT_ONCE);
                self.move_entries(std::mem::replace(&mut waiting, rest))?;
            }
        }
        self.move_entries(waiting)?;
        let (key, value) = note(&self.parts.log);
        self.commit(move |draft| {
            draft.put_quietly(key.clone(), value.clone());
            Ok(())
        })
    }

    fn move_entries(&self, moved: Vec<Moved>) -> Result<(), Trouble> {
        self.commit(move |draft| moved.iter().try_for_each(|moved| moved.apply(draft)))
    }

    /// Forgets what was cut off long enough ago, in every log.
    fn forget(&self) -> Result<(), Trouble> {
        let Parts { state, limits, .. } = &self.parts;
        if limits.dedupe.is_none() {
            return Ok(());
        }
        let (now, mut rest) = (Time(state.number(keys::NEWEST_TIME)?), rests(&self.signals));
        let (mut from, until) = (vec![keys::LOGS], keys::end_of(&[keys::LOGS]));
        loop {
            let logs = state.scan(&from, &until, SCAN)?;
            let Some((last, _)) = logs.last() else { return Ok(()) };
            from = keys::after(last.clone());
            for (key, value) in &logs {
                let meta = LogMeta::decode(value).map_err(damaged)?;
                if decide::first_remembered(&**state, *limits, meta, now)? > meta.remembered {
                    self.forget_in(String::from_utf8_lossy(&key[1..]).into_owned())?;
                }
            }
            rest()?;
        }
    }

    fn forget_in(&self, log: String) -> Result<(), Trouble> {
        let limits = self.parts.limits;
        loop {
            let log = log.clone();
            if !self.commit(move |draft| decide::forget(draft, limits, &log))? {
                return Ok(());
            }
        }
    }

    /// Has the committer do something, behind whatever waits already.
    fn commit<T: Send + 'static>(
        &self,
        decide: impl FnOnce(&mut Draft<'_, Hot>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Trouble> {
        let failed = |failure: Failure| Err(failure.error);
        let (job, answer) = ask(move |draft: &mut Draft<'_, Hot>| decide(draft).map(Ok), failed);
        let mut jobs = vec![(1, job)];
        while let Err((why, back)) = self.parts.queue.push_all(jobs) {
            if why == NotQueued::Closed {
                return Err(StoreError::Closed.into());
            }
            self.signals.rest(QUEUE_REST)?;
            jobs = back;
        }
        Ok(wait_for(answer)?)
    }
}

/// To be called again and again by whoever keeps the disk or a core busy.
fn rests(signals: &Signals) -> impl FnMut() -> Result<(), Trouble> {
    let mut since = Instant::now();
    move || {
        signals.rest(since.elapsed() * RESTS)?;
        since = Instant::now();
        Ok(())
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for an answer on a thread that may wait.
fn wait_for<T>(mut answer: Answer<T>) -> T {
    let waker = Arc::new(Unpark(thread::current())).into();
    loop {
        match answer.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => thread::park(),
        }
    }
}
