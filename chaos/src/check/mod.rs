//! What was promised, one check each, over a [`History`]. Plain code: what it says does not depend on any part of the mesh.
//!
//! The checks trust nobody: not the store (what sessions saw must agree with it), not an `OK` (the log must have it), not a push
//! (it must be something that was sent, unchanged, in that log, at that version).

mod logs;
mod sends;
mod sessions;
pub mod story;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use crate::history::{History, LogNo};
use crate::message::MessageId;

/// The faults of each check that are described; further ones are counted.
const DESCRIBED: usize = 20;

/// A promise that was not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub what: String,
}

/// Where a fault is: whatever of it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// The client who saw it.
    pub client: Option<usize>,
    /// In which log.
    pub log: Option<LogNo>,
    /// At which version.
    pub version: Option<u64>,
    /// Which message it is about.
    pub message: Option<MessageId>,
}

/// The outcome of one check.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// What was promised.
    pub promise: &'static str,
    /// What of it counts in a summary.
    pub harm: Harm,
    /// How many faults there are.
    pub count: usize,
    /// The first of them.
    pub faults: Vec<Fault>,
}

/// What a broken promise does to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// A message is not there.
    Loss,
    /// A message is there twice.
    Repeat,
    /// Something else is wrong.
    Other,
}

/// Where a run's messages stand, looked up once for all checks.
pub(crate) struct Index {
    places: HashMap<MessageId, Vec<(LogNo, u64)>>,
    by_version: Vec<HashMap<u64, Option<MessageId>>>,
}

type Check = fn(&History, &Index, &mut Faults);

/// Every check, in the order in which they are told.
const CHECKS: [(&str, Harm, Check); 15] = [
    ("every log could be read to its head", Harm::Loss, logs::read_to_the_head),
    ("versions are 1, 2, 3 … without a hole", Harm::Loss, logs::without_hole),
    ("what was acknowledged is stored, at the version that was told", Harm::Loss, logs::acked_is_stored),
    ("every message is stored at most once in a log", Harm::Repeat, logs::stored_once),
    ("a p2p message is in both inboxes, or in none", Harm::Loss, logs::pairs_are_whole),
    ("nothing is stored that was never sent, or was changed", Harm::Other, logs::nothing_forged),
    ("what was refused as not stored is not stored", Harm::Other, logs::refused_is_absent),
    ("every acknowledgement of a message tells the same version", Harm::Other, sends::acks_agree),
    ("a client's messages to one log are stored in the order sent", Harm::Other, sends::in_order),
    ("each session saw each log without a hole", Harm::Loss, sessions::without_hole),
    ("each session saw each log in order, nothing twice", Harm::Repeat, sessions::without_repeat),
    ("what sessions saw is what is stored", Harm::Other, sessions::saw_what_is_stored),
    (
        "in the end every session has everything, without being asked to reconnect",
        Harm::Loss,
        sessions::has_all,
    ),
    ("nobody was disconnected in the silence", Harm::Other, sessions::undisturbed),
    ("no answer and no packet that should not be", Harm::Other, sessions::no_oddities),
];

/// Checks everything.
pub fn all(history: &History) -> Vec<Verdict> {
    let index = Index::of(history);
    let verdict = |(promise, harm, check): (&'static str, Harm, Check)| {
        let mut faults = Faults::default();
        check(history, &index, &mut faults);
        Verdict { promise, harm, count: faults.count, faults: faults.described }
    };
    CHECKS.into_iter().map(verdict).collect()
}

/// Faults of one check: all are counted, the first are described.
#[derive(Default)]
pub(crate) struct Faults {
    count: usize,
    described: Vec<Fault>,
}

impl Faults {
    fn add(&mut self, place: Place, what: impl FnOnce() -> String) {
        self.count += 1;
        if self.described.len() < DESCRIBED {
            self.described.push(Fault { place, what: what() });
        }
    }
}

impl Index {
    fn of(history: &History) -> Self {
        let mut places: HashMap<MessageId, Vec<(LogNo, u64)>> = HashMap::new();
        let mut by_version = Vec::with_capacity(history.logs.len());
        for (log, one) in history.logs.iter().enumerate() {
            for entry in &one.stored {
                if let Some(message) = entry.message {
                    places.entry(message).or_default().push((log as LogNo, entry.version));
                }
            }
            by_version.push(one.stored.iter().map(|entry| (entry.version, entry.message)).collect());
        }
        Self { places, by_version }
    }

    /// The versions at which a message stands in a log.
    fn versions(&self, message: MessageId, log: LogNo) -> impl Iterator<Item = u64> {
        let places = self.places.get(&message).map(Vec::as_slice).unwrap_or_default();
        places.iter().filter(move |(other, _)| *other == log).map(|(_, version)| *version)
    }

    /// What stands in a log at a version: `None`: nothing; `Some(None)`: nothing of ours.
    fn at(&self, log: LogNo, version: u64) -> Option<Option<MessageId>> {
        self.by_version.get(log as usize)?.get(&version).copied()
    }
}

impl Place {
    fn message(message: MessageId, log: LogNo) -> Self {
        Self { message: Some(message), log: Some(log), client: Some(message.client.into()), version: None }
    }

    fn version(log: LogNo, version: u64) -> Self {
        Self { log: Some(log), version: Some(version), ..Self::default() }
    }

    fn seen(client: usize, log: LogNo, version: u64) -> Self {
        Self { client: Some(client), log: Some(log), version: Some(version), message: None }
    }
}
