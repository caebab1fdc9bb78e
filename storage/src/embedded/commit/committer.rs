//! The one thread that writes: it takes whatever waits, decides it in the order of the calls, writes one record,
//! syncs once, and answers.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use protocol::ids::{StoreId, Time};

use super::{Failure, Health, Job, Queue};
use crate::StoreError;
use crate::embedded::commit_log::{CommitLog, LogError, Position};
use crate::embedded::index::{Checkpoint, Hot, State};
use crate::embedded::options::Clock;
use crate::embedded::state::draft::Draft;
use crate::embedded::state::pending::{Puts, relocate};

/// Callers that have just been answered send again soon: waiting for as many calls as there were last time, for at most
/// this part of a sync, spares a sync.
const PATIENCE: u32 = 4;
/// However slow the disk is, nobody waits longer than this for others.
const LONGEST_PATIENCE: Duration = Duration::from_millis(2);

/// What the thread owns.
pub(crate) struct Committer {
    pub store: StoreId,
    pub log: CommitLog,
    pub state: Arc<State>,
    pub hot: Hot,
    pub queue: Arc<Queue<Job>>,
    pub health: Arc<Health>,
    pub clock: Clock,
    /// Jobs of at most so many bytes go into one record; one job is never divided.
    pub share_bytes: usize,
    /// Size of the log's next file, for whoever has to make room.
    pub segment_bytes: u32,
    /// The time of the newest record: none is older than the one before.
    pub newest: Time,
    pub rhythm: Rhythm,
}

/// What the last commit was like.
#[derive(Default)]
pub(crate) struct Rhythm {
    calls: usize,
    sync: Duration,
}

impl Rhythm {
    /// How long to wait for as many calls as there were.
    fn patience(&self) -> Duration {
        if self.calls > 1 { (self.sync / PATIENCE).min(LONGEST_PATIENCE) } else { Duration::ZERO }
    }
}

/// Why a record was not written.
enum Trouble {
    /// This one was not; the next one may be.
    Passing(Failure),
    /// Nothing more can be written.
    Fatal(Failure),
}

impl Committer {
    /// Works until the queue is closed and empty, or nothing more can be written.
    pub fn run(mut self) {
        while let Some(mut jobs) =
            self.queue.gather(self.share_bytes, self.rhythm.calls, self.rhythm.patience())
        {
            self.rhythm.calls = jobs.len();
            let end = self.commit(&mut jobs);
            let (end, fatal) = match end {
                Ok(()) => (Ok(()), None),
                Err(Trouble::Passing(failure)) => (Err(failure), None),
                Err(Trouble::Fatal(failure)) => (Err(failure.clone()), Some(failure.error)),
            };
            if let Some(error) = &fatal {
                self.health.fatal(error.clone());
            }
            jobs.into_iter().for_each(|job| job.finish(end.clone()));
            if self.health.fatal_error().is_some() {
                return;
            }
        }
    }

    fn commit(&mut self, jobs: &mut [Job]) -> Result<(), Trouble> {
        let time = (self.clock)().max(self.newest);
        let mut draft = Draft::new(&self.hot, time);
        for job in jobs {
            job.decide(&mut draft).map_err(|error| Trouble::Passing(Failure::not(error)))?;
        }
        if draft.is_empty() {
            self.add(draft.finish_quietly(), None);
            return Ok(());
        }
        let (payload, puts) = draft.finish();
        let (position, through) = self.write(&payload)?;
        let puts = relocate(puts, position);
        self.newest = time;
        self.health.well();
        self.hot.changed(&puts);
        self.add(puts, Some(through));
        Ok(())
    }

    fn add(&self, puts: Puts, through: Option<Checkpoint>) {
        if let Err(error) = self.state.add(puts, through) {
            // What was decided is durable in the log, and is answered so.
            self.health.fatal(error);
        }
    }

    fn write(&mut self, payload: &[u8]) -> Result<(Position, Checkpoint), Trouble> {
        let position = self.log.append(&[payload]).map_err(|error| self.trouble(error, payload.len()))?;
        let began = Instant::now();
        self.log.sync().map_err(|error| self.trouble(error, payload.len()))?;
        self.rhythm.sync = began.elapsed();
        Ok((position, Checkpoint::after(self.store, payload, position, self.log.end())))
    }

    fn trouble(&self, error: LogError, bytes: usize) -> Trouble {
        let full = match &error {
            LogError::NoRoom { source, .. } | LogError::Io { source, .. } => {
                source.kind() == io::ErrorKind::StorageFull
            }
            _ => false,
        };
        let passing = matches!(error, LogError::NoRoom { .. } | LogError::TooLarge { .. });
        let text = match full {
            true => format!(
                "the disk is full: {error}; {bytes} bytes wait, and the next file of the log needs {} bytes: make \
                 room, then {}",
                self.segment_bytes,
                if passing { "it goes on by itself" } else { "start again" }
            ),
            false => error.to_string(),
        };
        let error = StoreError::Unwritable(text);
        if passing {
            self.health.ill(error.clone());
            return Trouble::Passing(Failure::not(error));
        }
        Trouble::Fatal(Failure::maybe(error))
    }
}

impl Drop for Committer {
    /// However the thread ends, nobody waits for an answer that never comes.
    fn drop(&mut self) {
        if thread::panicking() {
            let text = "the thread that commits panicked: start again, and please report what it said";
            self.health.fatal(StoreError::Unwritable(text.to_owned()));
        }
        let error = self.health.fatal_error().unwrap_or(StoreError::Closed);
        refuse(self.queue.abort(), &Failure::not(error));
    }
}

/// Answers jobs that will not be done.
pub(crate) fn refuse(jobs: Vec<Job>, failure: &Failure) {
    jobs.into_iter().for_each(|job| job.finish(Err(failure.clone())));
}
