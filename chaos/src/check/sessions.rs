//! What sessions were told.

use std::collections::{BTreeSet, HashMap};

use super::{Faults, Index, Place};
use crate::history::{Client, History, How, LogNo, Seen};

/// What one session was told of one log so far.
struct Stream {
    /// Everything up to here was told, or lies before where the session began.
    pushed: u64,
    /// Own sends that were answered in this session.
    acked: BTreeSet<u64>,
}

/// Of what lies after where a session resumed, only own sends, whose `OK` came before, may be left out.
pub(super) fn without_hole(history: &History, _: &Index, faults: &mut Faults) {
    follow(history, faults, |wrong| matches!(wrong, Wrong::LeftOut(_)));
}

/// Each version is pushed later than the one before it, and nothing of what the session said that it has.
pub(super) fn without_repeat(history: &History, _: &Index, faults: &mut Faults) {
    follow(history, faults, |wrong| matches!(wrong, Wrong::Late));
}

fn follow(history: &History, faults: &mut Faults, counts: impl Fn(&Wrong) -> bool) {
    for (number, client) in history.clients.iter().enumerate() {
        let mut streams: HashMap<(u16, LogNo), Stream> = HashMap::new();
        answers_first(client, &mut streams);
        for seen in &client.seen {
            let stream = streams.entry((seen.session, seen.log)).or_insert_with(|| Stream::of(client, seen));
            let before = stream.pushed;
            if let Err(wrong) = stream.tell(seen)
                && counts(&wrong)
            {
                let version = wrong.version().unwrap_or(seen.version);
                let place = Place { message: seen.message, ..Place::seen(number, seen.log, version) };
                faults.add(place, || wrong.describe(history, client, seen, before));
            }
        }
    }
}

/// A library's answers and events reach the program by two ways, which have no order between them.
fn answers_first(client: &Client, streams: &mut HashMap<(u16, LogNo), Stream>) {
    if !client.sessions.first().is_some_and(|session| session.merged) {
        return;
    }
    for seen in client.seen.iter().filter(|seen| seen.how == How::Acked) {
        let stream = streams.entry((seen.session, seen.log)).or_insert_with(|| Stream::of(client, seen));
        stream.acked.insert(seen.version);
    }
}

/// What is wrong with a push.
enum Wrong {
    /// This version should have come before it.
    LeftOut(u64),
    /// A later one came before, or the session said that it has it.
    Late,
}

impl Wrong {
    fn version(&self) -> Option<u64> {
        match self {
            Self::LeftOut(version) => Some(*version),
            Self::Late => None,
        }
    }

    fn describe(&self, history: &History, client: &Client, seen: &Seen, before: u64) -> String {
        let (user, log) = (&client.user, history.log_name(seen.log));
        let pushed =
            format!("{user} is pushed version {} of {log} at {} after {before}", seen.version, seen.at);
        match self {
            Self::LeftOut(version) => format!("{pushed}: {version} is left out (session {})", seen.session),
            Self::Late => format!("{pushed} (session {})", seen.session),
        }
    }
}

impl Stream {
    fn of(client: &Client, seen: &Seen) -> Self {
        let session = client.sessions.get(usize::from(seen.session));
        let resumed = session.and_then(|session| session.resumed.iter().find(|(log, _)| *log == seen.log));
        Self { pushed: resumed.map_or(0, |(_, version)| *version), acked: BTreeSet::new() }
    }

    fn tell(&mut self, seen: &Seen) -> Result<(), Wrong> {
        let version = seen.version;
        match seen.how {
            How::Acked => {
                self.acked.insert(version);
                Ok(())
            }
            How::Pushed if version <= self.pushed => Err(Wrong::Late),
            How::Pushed => {
                let missing = (self.pushed + 1..version).find(|between| !self.acked.contains(between));
                self.pushed = version;
                self.acked = self.acked.split_off(&version);
                missing.map_or(Ok(()), |missing| Err(Wrong::LeftOut(missing)))
            }
        }
    }
}

pub(super) fn saw_what_is_stored(history: &History, index: &Index, faults: &mut Faults) {
    for (number, client) in history.clients.iter().enumerate() {
        for seen in client.seen.iter().filter(|seen| seen.how == How::Pushed) {
            let stored = index.at(seen.log, seen.version);
            if stored != Some(seen.message) || seen.message.is_none() {
                let place = Place { message: seen.message, ..Place::seen(number, seen.log, seen.version) };
                let (log, version) = (history.log_name(seen.log), seen.version);
                faults.add(place, || {
                    let message = seen.message;
                    format!(
                        "{} was pushed {message:?} as version {version} of {log}; stored is {stored:?}",
                        client.user
                    )
                });
            }
            if !client.follows.contains(&seen.log) {
                let log = history.log_name(seen.log);
                let place = Place::seen(number, seen.log, seen.version);
                faults.add(place, || {
                    format!("{} was pushed an entry of {log}, which is not its log", client.user)
                });
            }
        }
    }
}

/// Up to its head, every followed log was pushed or acknowledged to the client.
pub(super) fn has_all(history: &History, _: &Index, faults: &mut Faults) {
    for (number, client) in history.clients.iter().enumerate() {
        let mut had: HashMap<LogNo, BTreeSet<u64>> = HashMap::new();
        for seen in &client.seen {
            had.entry(seen.log).or_default().insert(seen.version);
        }
        for log in &client.follows {
            let head = history.logs.get(*log as usize).map_or(0, |log| log.head);
            let has = had.get(log);
            if let Some(missing) = (1..=head).find(|version| !has.is_some_and(|has| has.contains(version))) {
                let name = history.log_name(*log);
                faults.add(Place::seen(number, *log, missing), || {
                    format!("{} has not version {missing} of {name}, which ends at {head}", client.user)
                });
            }
        }
    }
}

pub(super) fn undisturbed(history: &History, _: &Index, faults: &mut Faults) {
    let Some(settled) = history.settled else {
        return faults.add(Place::default(), || {
            "after the traffic, not everyone came to be connected and answered".to_owned()
        });
    };
    for (number, client) in history.clients.iter().enumerate() {
        let ends = client.sessions.iter().filter_map(|session| session.ended.as_ref());
        for (at, why) in ends.filter(|(at, _)| *at > settled) {
            let place = Place { client: Some(number), ..Place::default() };
            faults.add(place, || format!("the session of {} ended at {at}: {why}", client.user));
        }
    }
}

pub(super) fn no_oddities(history: &History, _: &Index, faults: &mut Faults) {
    for (number, client) in history.clients.iter().enumerate() {
        for oddity in &client.oddities {
            let place = Place { client: Some(number), ..Place::default() };
            faults.add(place, || format!("{} at {}: {}", client.user, oddity.at, oddity.what));
        }
    }
}
