//! Giving back the space of what nothing will ask for again, while the store runs.
//!
//! Entries that retention took leave their bytes in the commit log, and so does every cursor that was moved on. Now and
//! then a thread estimates from the index how much of each file is still needed, and has the commit log replace those that
//! are mostly dead by compacted ones ([`commit_log`](super::commit_log)).
//!
//! What it must not do: hold up appends (it reads and writes at a pace, and changes the index through the committer, a little
//! at a time); change what the log's records lead to together (`rewrite`); remove a file before the index has, durably,
//! the new places of its entries (`moved`).

mod estimate;
mod moved;
mod plan;
mod rewrite;
mod round;
mod signals;

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use futures::channel::oneshot;
use parking_lot::Mutex;

pub(crate) use moved::{known, settle};
pub(crate) use round::Parts;
use round::Round;
use signals::{Signals, Stopped};

use super::commit_log::LogError;
use super::state::change::RecordError;
use super::state::pending::ApplyError;
use crate::{Answer, Space, StoreError};

/// How often the size of the log is looked at.
const MEASURE: Duration = Duration::from_secs(60);
/// Looking takes at most this part of the time.
const SHARE: u32 = 100;

/// Why a round ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The store is being closed.
    #[error("the store is being closed")]
    Stopped,
    /// The log cannot be read, or a file not be written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The index cannot be asked, or changed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A record makes no sense, which is a fault of this program.
    #[error("a record makes no sense ({0}): please report this")]
    Record(#[from] RecordError),
}

impl From<Stopped> for Trouble {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

impl From<ApplyError> for Trouble {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Store(error) => Self::Store(error),
            ApplyError::Record(error) => Self::Record(error),
        }
    }
}

/// The thread; dropping it ends it, at once.
pub(crate) struct Compactor {
    signals: Arc<Signals>,
    space: Arc<Mutex<Space>>,
    thread: Option<JoinHandle<()>>,
}

impl Compactor {
    /// Starts the thread, which looks for what to do every so often.
    pub fn start(parts: Parts, every: Duration) -> io::Result<Self> {
        let (signals, space) = (Arc::new(Signals::default()), Arc::new(Mutex::default()));
        let round = Round::new(parts, Arc::clone(&signals), Arc::clone(&space));
        let listened = Arc::clone(&signals);
        let work = move || keep_compacting(round, &listened, every);
        let thread = thread::Builder::new().name("store-compact".to_owned()).spawn(work)?;
        Ok(Self { signals, space, thread: Some(thread) })
    }

    /// Does a round now; how many bytes it gave back.
    pub fn now(&self) -> Answer<Result<u64, StoreError>> {
        let (asker, answer) = oneshot::channel();
        self.signals.ask(asker);
        Box::pin(async move { answer.await.unwrap_or(Err(StoreError::Closed)) })
    }

    /// What the log takes on disk.
    pub fn space(&self) -> Space {
        *self.space.lock()
    }
}

fn keep_compacting(mut round: Round, signals: &Signals, every: Duration) {
    round.measure();
    let mut due = Instant::now() + every;
    while let Ok(askers) = signals.wait(MEASURE.min(due.saturating_duration_since(Instant::now()))) {
        let began = Instant::now();
        if askers.is_empty() && began < due {
            round.measure();
            continue;
        }
        let outcome = round.run(!askers.is_empty());
        if let Err(trouble) = &outcome {
            tell(trouble);
        }
        due = Instant::now() + every.max(began.elapsed() * SHARE);
        for asker in askers {
            let answer = match &outcome {
                Ok(bytes) => Ok(*bytes),
                Err(trouble) => Err(StoreError::Unwritable(trouble.to_string())),
            };
            // Whoever asked may have gone.
            let _ = asker.send(answer);
        }
    }
}

fn tell(trouble: &Trouble) {
    match trouble {
        Trouble::Stopped => {}
        Trouble::Log(LogError::Unpublished { .. }) => {
            tracing::error!(%trouble, "no space is given back any more until the store is opened again");
        }
        _ => tracing::warn!(%trouble, "space that nothing needs cannot be given back now: tried again later"),
    }
}

impl Drop for Compactor {
    fn drop(&mut self) {
        self.signals.stop();
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the thread that compacts panicked");
        }
    }
}
