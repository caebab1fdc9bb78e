//! Decides when a process is started, started again, drained and killed: events and time in, actions out.

mod backoff;
mod process;
mod silence;
mod stop_order;

use std::time::Duration;

use mesh::config::Role;

use crate::probe::Health;
pub use process::{Exit, Process, State};
use silence::Silence;
use stop_order::next_to_stop;

/// What a process may take to end beyond its own drain time before it is killed.
pub const GRACE: Duration = Duration::from_secs(3);

/// Within this time after the mesh was told to end, being told again is the echo of the first: one Ctrl-C may arrive
/// several times, from the terminal and from whatever program shoal is run by.
pub const ECHO: Duration = Duration::from_millis(500);

/// The exit code that says: my config file is wrong. Starting again does not help.
const EXIT_USAGE: i32 = 64;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The process was started.
    Started {
        /// Which.
        index: usize,
        /// Its process id.
        pid: u32,
    },
    /// The process ended, or could not be started.
    Exited {
        /// Which.
        index: usize,
        /// How.
        exit: Exit,
    },
    /// The process was asked how it is.
    Answered {
        /// Which.
        index: usize,
        /// The process id that it had when it was asked.
        pid: u32,
        /// What it said.
        health: Health,
    },
    /// Somebody wants the mesh to end; the second time, at once.
    Told,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Start the process, and say with [`Event::Started`] or [`Event::Exited`] what came of it.
    Start(usize),
    /// Tell the process to drain.
    Drain(usize),
    /// Kill the process.
    Kill(usize),
    /// Tell whoever watches.
    Tell(Notice),
}

/// What whoever watches is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The state of a process is another one.
    Changed(usize),
    /// A process died.
    Died {
        /// Which.
        index: usize,
        /// How.
        exit: Exit,
        /// When it is started again; `None`: never, for that would not help.
        again_in: Option<Duration>,
    },
    /// All processes are ready, for the first time or again.
    AllReady {
        /// Whether it is the first time.
        first: bool,
    },
    /// A process has not answered for too long: it is killed, so that it can be started again.
    Hung {
        /// Which.
        index: usize,
        /// For how long it has not answered.
        silent: Duration,
    },
    /// Processes of this role are being drained.
    Draining(Role),
    /// A process did not drain in time, and is killed.
    Overdue(usize),
    /// The mesh ends at once.
    Hurried,
}

/// What became of a mesh that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All drained.
    Drained,
    /// All ended, but one of them had to be killed.
    Killed,
    /// It ended by itself: one process cannot be started.
    GaveUp,
    /// It was told to end at once.
    Hurried,
}

/// Keeps the processes of a mesh running, until it is told to end them.
#[derive(Debug)]
pub struct Keeper {
    processes: Vec<Process>,
    /// For how long a process may not answer before it is replaced; `None`: for ever.
    silence: Option<Duration>,
    /// What is to come of it, once it is ending.
    ending: Option<Outcome>,
    /// When it was told to end, or saw that it has to.
    ending_since: Duration,
    all_ready: bool,
    was_ready: bool,
}

impl Keeper {
    /// Keeps a process for each of `members`: its role, and how long it may take to drain. One that answered and then
    /// does not for `silence` is replaced; `None`: never.
    pub fn new(members: impl IntoIterator<Item = (Role, Duration)>, silence: Option<Duration>) -> Self {
        let processes = members.into_iter().map(|(role, drain)| Process::new(role, drain)).collect();
        let (all_ready, was_ready) = (false, false);
        Self { processes, silence, ending: None, ending_since: Duration::ZERO, all_ready, was_ready }
    }

    /// Starts everything: the order does not matter, as every process waits for those that it needs.
    pub fn begin(&mut self) -> Vec<Action> {
        (0..self.processes.len()).map(Action::Start).collect()
    }

    /// The processes, in the order in which they were given.
    pub fn processes(&self) -> &[Process] {
        &self.processes
    }

    /// What became of it, once every process has ended.
    pub fn outcome(&self) -> Option<Outcome> {
        self.ending.filter(|_| self.processes.iter().all(|process| process.pid.is_none()))
    }

    /// Whether it ends.
    pub fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// When [`Keeper::tick`] is to be called next.
    pub fn wake_at(&self) -> Option<Duration> {
        self.processes.iter().filter_map(Process::wakes_at).min()
    }

    /// Takes in an event; gives what is to be done, in order.
    pub fn take(&mut self, now: Duration, event: Event) -> Vec<Action> {
        let mut actions = match event {
            Event::Started { index, pid } => self.started(now, index, pid),
            Event::Exited { index, exit } => self.exited(now, index, exit),
            Event::Answered { index, pid, health } => self.answered(now, index, pid, health),
            Event::Told => self.told(now),
        };
        if self.ending.is_some() {
            actions.extend(self.drain_next(now));
        } else {
            actions.extend(self.note_readiness());
        }
        actions
    }

    /// Does what is due at `now`.
    pub fn tick(&mut self, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        for (index, process) in self.processes.iter_mut().enumerate() {
            if process.wakes_at().is_none_or(|at| at > now) {
                continue;
            }
            if process.kill_at.take().is_some() {
                self.ending = self.ending.map(|outcome| outcome.max_with(Outcome::Killed));
                actions.extend([Action::Tell(Notice::Overdue(index)), Action::Kill(index)]);
            } else {
                process.state = State::Starting;
                actions.push(Action::Start(index));
            }
        }
        actions
    }

    fn started(&mut self, now: Duration, index: usize, pid: u32) -> Vec<Action> {
        let Some(process) = self.processes.get_mut(index) else { return Vec::new() };
        process.pid = Some(pid);
        process.started_at = now;
        process.silence = Silence::default();
        process.state = State::Starting;
        vec![Action::Tell(Notice::Changed(index))]
    }

    fn exited(&mut self, now: Duration, index: usize, exit: Exit) -> Vec<Action> {
        let Some(process) = self.processes.get_mut(index) else { return Vec::new() };
        process.pid = None;
        process.kill_at = None;
        if self.ending.is_some() {
            process.state = State::Ended;
            return vec![Action::Tell(Notice::Changed(index))];
        }
        if exit == Exit::Code(EXIT_USAGE) {
            process.state = State::GivenUp;
            let mut actions = vec![Action::Tell(Notice::Died { index, exit, again_in: None })];
            actions.extend(self.end(now, Outcome::GaveUp));
            return actions;
        }
        let wait = process.backoff.after(now.saturating_sub(process.started_at));
        process.state = State::Restarting { at: now + wait };
        process.restarts += 1;
        vec![Action::Tell(Notice::Died { index, exit, again_in: Some(wait) })]
    }

    fn answered(&mut self, now: Duration, index: usize, pid: u32, health: Health) -> Vec<Action> {
        let Some(process) = self.processes.get_mut(index) else { return Vec::new() };
        // An answer that was asked of its predecessor says nothing of it.
        if process.pid != Some(pid) {
            return Vec::new();
        }
        let changed = process.heard(now, health);
        if let Some(silent) = process.hung(now, self.silence) {
            process.state = State::Hung;
            return vec![Action::Tell(Notice::Hung { index, silent }), Action::Kill(index)];
        }
        if changed { vec![Action::Tell(Notice::Changed(index))] } else { Vec::new() }
    }

    fn told(&mut self, now: Duration) -> Vec<Action> {
        match self.ending {
            None => self.end(now, Outcome::Drained),
            Some(Outcome::Hurried) => Vec::new(),
            Some(_) if now < self.ending_since + ECHO => Vec::new(),
            Some(_) => self.end_now(),
        }
    }

    fn end(&mut self, now: Duration, outcome: Outcome) -> Vec<Action> {
        self.ending = Some(outcome);
        self.ending_since = now;
        let mut actions = Vec::new();
        for (index, process) in self.processes.iter_mut().enumerate() {
            if matches!(process.state, State::Restarting { .. }) {
                process.state = State::Ended;
                actions.push(Action::Tell(Notice::Changed(index)));
            }
        }
        actions
    }

    fn end_now(&mut self) -> Vec<Action> {
        self.ending = Some(Outcome::Hurried);
        let mut actions = vec![Action::Tell(Notice::Hurried)];
        for (index, process) in
            self.processes.iter_mut().enumerate().filter(|(_, process)| process.pid.is_some())
        {
            process.state = State::Draining;
            process.kill_at = None;
            actions.push(Action::Kill(index));
        }
        actions
    }

    /// Drains the processes whose turn it is, where they are not told yet.
    fn drain_next(&mut self, now: Duration) -> Vec<Action> {
        let running =
            self.processes.iter().filter(|process| process.pid.is_some()).map(|process| process.role);
        let Some(role) = next_to_stop(running) else { return Vec::new() };
        let mut actions = Vec::new();
        for (index, process) in self.processes.iter_mut().enumerate() {
            if process.role != role || process.pid.is_none() || process.state == State::Draining {
                continue;
            }
            process.state = State::Draining;
            process.kill_at = Some(now + process.drain + GRACE);
            actions.push(Action::Drain(index));
        }
        if !actions.is_empty() {
            actions.insert(0, Action::Tell(Notice::Draining(role)));
        }
        actions
    }

    fn note_readiness(&mut self) -> Option<Action> {
        let all_ready = self.processes.iter().all(|process| process.state == State::Ready);
        let news = all_ready && !self.all_ready;
        self.all_ready = all_ready;
        news.then(|| {
            let first = !std::mem::replace(&mut self.was_ready, true);
            Action::Tell(Notice::AllReady { first })
        })
    }
}

impl Outcome {
    /// The worse of two: what gave up or was hurried stays that.
    fn max_with(self, other: Self) -> Self {
        if self == Self::Drained { other } else { self }
    }
}

#[cfg(test)]
mod tests;
