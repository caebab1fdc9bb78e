//! How far this client has come in each log: what it has, what the program handled, what the mesh knows of that.

use std::collections::BTreeMap;

use protocol::ids::{LogName, Version};

use crate::Positions;
use crate::tracker::Tracker;

/// One log's state.
#[derive(Debug)]
pub struct LogProgress {
    /// Which versions are here.
    pub tracker: Tracker,
    /// The newest version that the program was told of.
    told: u64,
    /// The newest version that the program has handled.
    handled: u64,
    /// Acknowledged, and the mesh confirmed it.
    confirmed: u64,
    /// Acknowledged; the answer may be on its way.
    acked: u64,
}

impl LogProgress {
    fn starting_at(version: u64) -> Self {
        let tracker = Tracker::new(version);
        Self { tracker, told: version, handled: version, confirmed: version, acked: version }
    }

    /// Up to where nothing is needed any more: everything is here, and the program handled what it was told.
    fn done(&self) -> u64 {
        if self.handled >= self.told { self.tracker.upto() } else { self.tracker.upto().min(self.handled) }
    }
}

/// All logs' states.
#[derive(Debug, Default)]
pub struct Progress {
    logs: BTreeMap<LogName, LogProgress>,
    manual: bool,
}

impl Progress {
    /// None yet. `manual`: what the program was told counts as handled only when it says so.
    pub fn new(manual: bool) -> Self {
        Self { logs: BTreeMap::new(), manual }
    }

    /// This log's state.
    pub fn get(&mut self, log: &LogName) -> Option<&mut LogProgress> {
        self.logs.get_mut(log)
    }

    /// This log's state; one that was unknown starts at `version`.
    pub fn entry(&mut self, log: &LogName, version: u64) -> &mut LogProgress {
        self.logs.entry(log.clone()).or_insert_with(|| LogProgress::starting_at(version))
    }

    /// Starts the log over at `version`.
    pub fn restart(&mut self, log: &LogName, version: u64) {
        self.logs.insert(log.clone(), LogProgress::starting_at(version));
    }

    /// Forgets a log: the user reads it no more.
    pub fn forget(&mut self, log: &LogName) {
        self.logs.remove(log);
    }

    /// Forgets all logs but these.
    pub fn keep(&mut self, known: impl Fn(&LogName) -> bool) {
        self.logs.retain(|log, _| known(log));
    }

    /// The program is being told of this version.
    pub fn tell(&mut self, log: &LogName, version: u64) {
        if let Some(progress) = self.logs.get_mut(log) {
            progress.told = progress.told.max(version);
        }
    }

    /// The program has handled the log up to this version.
    pub fn handled(&mut self, log: &LogName, version: u64) {
        if let Some(progress) = self.logs.get_mut(log) {
            progress.handled = progress.handled.max(version);
        }
    }

    /// What to acknowledge now, and remembers that it was. Empty: nothing new.
    pub fn take_acks(&mut self) -> Vec<(LogName, u64)> {
        let manual = self.manual;
        let due = self.logs.iter_mut().filter_map(|(log, progress)| {
            let done = progress.ackable(manual);
            let news = done > progress.acked;
            progress.acked = progress.acked.max(done);
            news.then(|| (log.clone(), done))
        });
        due.collect()
    }

    /// Whether there is something to acknowledge.
    pub fn owes_acks(&self) -> bool {
        self.logs.values().any(|progress| progress.ackable(self.manual) > progress.acked)
    }

    /// Whether an acknowledgement waits for its answer.
    pub fn awaits_acks(&self) -> bool {
        self.logs.values().any(|progress| progress.acked > progress.confirmed)
    }

    /// The mesh has this acknowledgement.
    pub fn confirm(&mut self, log: &LogName, version: u64) {
        if let Some(progress) = self.logs.get_mut(log) {
            progress.confirmed = progress.confirmed.max(version);
        }
    }

    /// What was not confirmed is to be acknowledged again: the connection broke, or the mesh could not.
    pub fn unsend_acks(&mut self) {
        self.logs.values_mut().for_each(|progress| progress.acked = progress.confirmed);
    }

    /// Where a program that has handled what it was told would go on.
    pub fn positions(&self) -> Positions {
        self.logs.iter().map(|(log, progress)| (log.clone(), Version(progress.done()))).collect()
    }

    /// Where a new session of this very client goes on: what it has, handled or not.
    pub fn resume(&self) -> BTreeMap<LogName, u64> {
        self.logs.iter().map(|(log, progress)| (log.clone(), progress.tracker.upto())).collect()
    }
}

impl LogProgress {
    fn ackable(&self, manual: bool) -> u64 {
        if manual { self.tracker.upto().min(self.handled) } else { self.done() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inbox() -> LogName {
        LogName::new("u/amy").unwrap()
    }

    fn with(versions: &[u64], told: &[u64]) -> Progress {
        let mut progress = Progress::new(false);
        for version in versions {
            progress.entry(&inbox(), 0).tracker.insert(*version, *version);
        }
        told.iter().for_each(|version| progress.tell(&inbox(), *version));
        progress
    }

    #[test]
    fn what_waits_for_the_program_is_not_acknowledged() {
        let mut progress = with(&[1, 2, 3], &[1, 2]);
        assert_eq!(progress.take_acks(), []);
        progress.handled(&inbox(), 1);
        assert_eq!(progress.take_acks(), [(inbox(), 1)]);
        progress.handled(&inbox(), 2);
        assert_eq!(progress.take_acks(), [(inbox(), 3)], "version 3 was a send of its own");
        assert_eq!(progress.take_acks(), []);
    }

    #[test]
    fn an_acknowledgement_that_was_not_confirmed_is_owed_again() {
        let mut progress = with(&[1, 2], &[]);
        assert_eq!(progress.take_acks(), [(inbox(), 2)]);
        assert!(progress.awaits_acks());
        progress.unsend_acks();
        assert!(progress.owes_acks());
        assert_eq!(progress.take_acks(), [(inbox(), 2)]);
        progress.confirm(&inbox(), 2);
        progress.unsend_acks();
        assert!(!progress.owes_acks() && !progress.awaits_acks());
    }

    #[test]
    fn a_program_that_acknowledges_itself_is_not_overtaken_by_its_own_sends() {
        let mut progress = Progress::new(true);
        progress.entry(&inbox(), 0).tracker.insert(1, 1);
        assert_eq!(progress.take_acks(), []);
        progress.handled(&inbox(), 9);
        assert_eq!(progress.take_acks(), [(inbox(), 1)], "never more than there is");
    }

    #[test]
    fn a_hole_is_never_acknowledged() {
        let mut progress = with(&[1, 3], &[1, 3]);
        progress.handled(&inbox(), 3);
        assert_eq!(progress.take_acks(), [(inbox(), 1)]);
    }
}
