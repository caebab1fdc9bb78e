//! What is known of one process.

use std::fmt;
use std::time::Duration;

use mesh::config::Role;

use super::backoff::Backoff;
use super::silence::Silence;
use crate::probe::Health;

/// One process that is kept.
#[derive(Debug, Clone)]
pub struct Process {
    /// What it is.
    pub role: Role,
    /// How it is.
    pub state: State,
    /// Its process id, while it has one.
    pub pid: Option<u32>,
    /// How often it was started again.
    pub restarts: u32,
    pub(super) drain: Duration,
    pub(super) started_at: Duration,
    pub(super) backoff: Backoff,
    pub(super) kill_at: Option<Duration>,
    pub(super) silence: Silence,
}

/// How a process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Started, and not heard of yet.
    Starting,
    /// It can be given work.
    Ready,
    /// It answers, and says what keeps it from work.
    Unready(String),
    /// It runs, but does not answer any more.
    Silent,
    /// It did not answer for too long, and is killed.
    Hung,
    /// It died, and is started again.
    Restarting {
        /// When.
        at: Duration,
    },
    /// It was told to end.
    Draining,
    /// It ended as it was told to.
    Ended,
    /// It cannot be started.
    GivenUp,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It could not even be started.
    NotStarted(String),
}

impl Process {
    pub(super) fn new(role: Role, drain: Duration) -> Self {
        Self {
            role,
            state: State::Starting,
            pid: None,
            restarts: 0,
            drain,
            started_at: Duration::ZERO,
            backoff: Backoff::default(),
            kill_at: None,
            silence: Silence::default(),
        }
    }

    pub(super) fn wakes_at(&self) -> Option<Duration> {
        match self.state {
            State::Restarting { at } => Some(at),
            _ => self.kill_at,
        }
    }

    /// Takes in what the process said; `true` where its state is another one now.
    pub(super) fn heard(&mut self, now: Duration, health: Health) -> bool {
        let next = match (&self.state, health) {
            (State::Draining | State::Hung, _) => return false,
            // It may have much to read before it listens.
            (State::Starting, Health::Silent) => return false,
            (_, Health::Silent) => State::Silent,
            (_, Health::Ready) => State::Ready,
            (_, Health::Unready(why)) => State::Unready(why),
        };
        self.silence.note(now, next == State::Silent);
        let changed = self.state != next;
        self.state = next;
        changed
    }

    /// For how long it has not answered, where that is so long that it is not waited for any more.
    pub(super) fn hung(&self, now: Duration, bound: Option<Duration>) -> Option<Duration> {
        let silent = self.silence.lasts(now).filter(|_| self.state == State::Silent)?;
        bound.is_some_and(|bound| silent >= bound).then_some(silent)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(0) => f.write_str("ended by itself"),
            Self::Code(code) => write!(f, "failed with exit code {code}"),
            Self::Signal(9) => f.write_str("was killed (signal 9)"),
            Self::Signal(signal) => write!(f, "was ended by signal {signal}"),
            Self::NotStarted(why) => write!(f, "could not be started: {why}"),
        }
    }
}
