//! What the monitor knows of each process: its newest report, and when that came.
//!
//! Invariants:
//! - a process is its role and its UUID: a report that comes over several msg_servers is one process's;
//! - what is newest is told by arrival, on this machine's clock: no other machine's is believed;
//! - at most [`MOST_PROCESSES`] are known, and one that was not heard of for [`FORGET_AFTER`] is forgotten.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use mesh::report::Report;

use crate::rates::Rates;

/// The most processes that are known at one time; beyond, the one that was silent longest is forgotten.
pub const MOST_PROCESSES: usize = 10_000;

/// How long a silent process is shown.
pub const FORGET_AFTER: Duration = Duration::from_secs(3600);

/// Beats without a report after which a process is silent.
const SILENT_BEATS: u32 = 3;

/// The longest beat that is believed.
const LONGEST_BEAT: Duration = Duration::from_secs(3600);

/// The role that a msg_server's reports name.
pub const MSG_SERVER: &str = "msg_server";

/// All that is known of the mesh.
#[derive(Debug)]
pub struct Collection {
    /// The beat of a process that does not say its own.
    beat: Duration,
    processes: HashMap<Key, Process>,
    links: BTreeMap<String, Link>,
    reports: u64,
}

/// A role and a UUID.
type Key = (String, String);

/// One process.
#[derive(Debug)]
pub struct Process {
    /// Its newest report.
    pub report: Report,
    /// How fast its counters rise.
    pub rates: Rates,
    heard: Instant,
    beat: Duration,
    /// The link that the newest report came over.
    link: String,
    /// The link to this msg_server broke after it reported.
    cut_off: bool,
}

impl Process {
    /// How long ago it reported.
    pub fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.heard)
    }

    /// Whether it was silent for three beats, or is a msg_server that cannot be heard.
    pub fn is_silent(&self, now: Instant) -> bool {
        self.cut_off || self.age(now) > self.beat * SILENT_BEATS
    }

    fn take(&mut self, link: &str, report: Report, beat: Duration, now: Instant) {
        if report.started != self.report.started {
            self.rates.restart();
        }
        // A little less than a beat, so that a report that came a moment early counts.
        self.rates.take(&report.figures, now, beat * 4 / 5);
        *self = Self {
            report,
            heard: now,
            beat,
            link: link.to_owned(),
            cut_off: false,
            rates: std::mem::take(&mut self.rates),
        };
    }
}

/// The link to one msg_server of the list.
#[derive(Debug, Clone, Copy)]
pub struct Link {
    /// Whether it stands.
    pub up: bool,
    /// Since when.
    pub since: Instant,
}

impl Collection {
    /// Nothing is known yet; a process that does not say how often it reports does so every `beat`.
    pub fn new(beat: Duration) -> Self {
        Self { beat, processes: HashMap::new(), links: BTreeMap::new(), reports: 0 }
    }

    /// A report came over the link to the msg_server at `link`.
    pub fn reported(&mut self, link: &str, report: Report, now: Instant) {
        self.reports += 1;
        let beat = match report.beat {
            0 => self.beat,
            beat => Duration::from_millis(beat).min(LONGEST_BEAT),
        };
        let key = (report.process.clone(), report.uuid.clone());
        if let Some(process) = self.processes.get_mut(&key) {
            process.take(link, report, beat, now);
            return;
        }
        self.make_room(now);
        let mut rates = Rates::default();
        rates.take(&report.figures, now, Duration::ZERO);
        let process = Process { report, rates, heard: now, beat, link: link.to_owned(), cut_off: false };
        self.processes.insert(key, process);
    }

    fn make_room(&mut self, now: Instant) {
        if self.processes.len() >= MOST_PROCESSES {
            self.forget(now);
        }
        if self.processes.len() >= MOST_PROCESSES {
            let oldest = self.processes.iter().min_by_key(|(_, process)| process.heard);
            if let Some(key) = oldest.map(|(key, _)| key.clone()) {
                self.processes.remove(&key);
            }
        }
    }

    /// Forgets who was not heard of for an hour.
    pub fn forget(&mut self, now: Instant) {
        self.processes.retain(|_, process| process.age(now) <= FORGET_AFTER);
    }

    /// The link to the msg_server at `link` stands, or does not; it is dialled from the first call on.
    pub fn link(&mut self, link: &str, up: bool, now: Instant) {
        self.links.insert(link.to_owned(), Link { up, since: now });
        if !up {
            self.cut_off(link);
        }
    }

    /// The msg_server at `link` is not dialled any more.
    pub fn link_gone(&mut self, link: &str) {
        self.links.remove(link);
        self.cut_off(link);
    }

    /// Only a msg_server is heard over one link alone: the others' reports come over any of them.
    fn cut_off(&mut self, link: &str) {
        for process in self.processes.values_mut() {
            process.cut_off |= process.link == link && process.report.process == MSG_SERVER;
        }
    }

    /// Every process that is known, in no order.
    pub fn processes(&self) -> impl Iterator<Item = &Process> {
        self.processes.values()
    }

    /// The msg_servers that are dialled, by address.
    pub fn links(&self) -> impl Iterator<Item = (&str, Link)> {
        self.links.iter().map(|(address, link)| (address.as_str(), *link))
    }

    /// Reports that have come.
    pub fn reports(&self) -> u64 {
        self.reports
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEAT: Duration = Duration::from_secs(5);

    fn report(process: &str, uuid: &str, started: u64, messages: u64) -> Report {
        serde_json::from_value(serde_json::json!({
            "Process": process, "Uuid": uuid, "Addr": uuid, "Version": "1", "Pid": 1, "Started": started,
            "Ready": true, "Figures": {"MessagesInTotal": messages},
        }))
        .unwrap()
    }

    fn only(collection: &Collection) -> &Process {
        let mut all = collection.processes();
        let one = all.next().unwrap();
        assert!(all.next().is_none(), "more than one process");
        one
    }

    #[test]
    fn one_process_heard_over_two_msg_servers_is_one_and_its_rate_is_right() {
        let (mut collection, start) = (Collection::new(BEAT), Instant::now());
        for beat in 0..4u64 {
            let now = start + BEAT * beat as u32;
            collection.reported("a:1", report("router", "20000", 9, beat * 500), now);
            collection.reported(
                "b:1",
                report("router", "20000", 9, beat * 500 + 1),
                now + Duration::from_millis(7),
            );
        }
        assert_eq!(only(&collection).rates.per_second()["MessagesInPerSecond"], 100.0);
        assert_eq!(only(&collection).report.figures["MessagesInTotal"], 1501);
        assert_eq!(collection.reports(), 8);
    }

    #[test]
    fn processes_of_one_uuid_and_different_roles_are_two() {
        let (mut collection, now) = (Collection::new(BEAT), Instant::now());
        collection.reported("a:1", report("router", "1", 0, 0), now);
        collection.reported("a:1", report("manager", "1", 0, 0), now);
        assert_eq!(collection.processes().count(), 2);
    }

    #[test]
    fn a_process_that_began_anew_has_no_rate_from_before() {
        let (mut collection, now) = (Collection::new(BEAT), Instant::now());
        collection.reported("a:1", report("router", "1", 10, 100), now);
        collection.reported("a:1", report("router", "1", 20, 900), now + BEAT);
        assert!(only(&collection).rates.per_second().is_empty());
    }

    #[test]
    fn a_process_is_silent_after_three_beats_of_its_own_and_forgotten_after_an_hour() {
        let (mut collection, now) = (Collection::new(BEAT), Instant::now());
        let slow = Report { beat: 60_000, ..report("manager", "1", 0, 0) };
        collection.reported("a:1", slow, now);
        assert!(!only(&collection).is_silent(now + Duration::from_secs(180)));
        assert!(only(&collection).is_silent(now + Duration::from_secs(181)));
        collection.reported("a:1", report("manager", "1", 0, 0), now);
        assert!(!only(&collection).is_silent(now + 3 * BEAT));
        assert!(only(&collection).is_silent(now + 3 * BEAT + Duration::from_millis(1)));
        collection.forget(now + FORGET_AFTER);
        assert_eq!(collection.processes().count(), 1);
        collection.forget(now + FORGET_AFTER + Duration::from_secs(1));
        assert_eq!(collection.processes().count(), 0);
    }

    #[test]
    fn a_msg_server_is_silent_as_soon_as_its_link_breaks_and_others_are_not() {
        let (mut collection, now) = (Collection::new(BEAT), Instant::now());
        collection.link("a:1", true, now);
        collection.reported("a:1", report(MSG_SERVER, "a:1", 0, 0), now);
        collection.reported("a:1", report("router", "1", 0, 0), now);
        collection.link("a:1", false, now);
        let silent: Vec<_> = collection.processes().filter(|process| process.is_silent(now)).collect();
        assert_eq!((silent.len(), silent[0].report.process.as_str()), (1, MSG_SERVER));
        collection.reported("a:1", report(MSG_SERVER, "a:1", 0, 0), now);
        assert!(collection.processes().all(|process| !process.is_silent(now)));
        collection.link_gone("a:1");
        assert_eq!(collection.links().count(), 0);
    }

    #[test]
    fn no_more_processes_are_known_than_the_bound_and_the_longest_silent_goes_first() {
        let (mut collection, start) = (Collection::new(BEAT), Instant::now());
        for number in 0..MOST_PROCESSES as u64 + 5 {
            let now = start + Duration::from_micros(number);
            collection.reported("a:1", report("router", &number.to_string(), 0, 0), now);
        }
        assert_eq!(collection.processes().count(), MOST_PROCESSES);
        assert!(collection.processes().all(|process| process.report.uuid.parse::<u64>().unwrap() >= 5));
    }
}
