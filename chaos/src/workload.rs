//! Who talks to whom, and who is in which topic: made from the seed alone.

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use crate::history::{self, LogNo};
use crate::message;
use crate::settings::Settings;

/// One in so many topic messages goes to the topic of everybody.
const TO_EVERYBODY: u32 = 100;

/// Who talks to whom. The inbox of client `n` is log `n`; the topics' logs come after the inboxes, first that of everybody.
#[derive(Debug, Clone)]
pub struct Workload {
    /// Members of each topic.
    pub topics: Vec<Vec<usize>>,
    /// How many clients there are.
    pub clients: usize,
    /// Messages a second of one client.
    pub rate: f64,
    /// Unanswered messages beyond which a client waits.
    pub window: usize,
    /// Bytes of a text.
    pub bytes: usize,
    topic_percent: u32,
    seed: u64,
}

impl Workload {
    /// The workload of these settings.
    pub fn new(settings: &Settings) -> Self {
        let mut order: Vec<usize> = (0..settings.clients).collect();
        let mut topics = vec![order.clone()];
        order.shuffle(&mut StdRng::seed_from_u64(settings.seed));
        topics.extend(order.chunks(settings.members.max(1)).map(<[usize]>::to_vec));
        Self {
            topics,
            clients: settings.clients,
            rate: settings.rate as f64 / settings.clients.max(1) as f64,
            window: settings.window.max(1),
            bytes: settings.bytes,
            topic_percent: settings.topic_percent,
            seed: settings.seed,
        }
    }

    /// Whom a client writes to.
    pub fn partner(&self, client: usize) -> usize {
        let other = client ^ 1;
        if other < self.clients { other } else { 0 }
    }

    /// The topics of a client.
    pub fn topics_of(&self, client: usize) -> impl Iterator<Item = usize> {
        self.topics.iter().enumerate().filter(move |(_, members)| members.contains(&client)).map(|(at, _)| at)
    }

    /// A topic's log.
    pub fn topic_log(&self, topic: usize) -> LogNo {
        (self.clients + topic) as LogNo
    }

    /// The log of this name, if it is one of the run's.
    pub fn log_named(&self, name: &str) -> Option<LogNo> {
        let (prefix, count, first) = match name.get(..3)? {
            "u/c" => ("u/c", self.clients, 0),
            _ => ("t/t", self.topics.len(), self.clients),
        };
        let number: usize = name.strip_prefix(prefix)?.parse().ok()?;
        (number < count).then_some((first + number) as LogNo)
    }

    /// The logs, nothing read yet.
    pub fn logs(&self) -> Vec<history::Log> {
        let inboxes = (0..self.clients).map(|client| format!("u/{}", message::user(client)));
        let topics = (0..self.topics.len()).map(|topic| format!("t/{}", message::topic(topic)));
        inboxes.chain(topics).map(|name| history::Log { name, ..history::Log::default() }).collect()
    }

    /// The name on the wire of a log.
    pub fn log_name(&self, log: LogNo) -> String {
        match (log as usize).checked_sub(self.clients) {
            None => format!("u/{}", message::user(log as usize)),
            Some(topic) => format!("t/{}", message::topic(topic)),
        }
    }

    /// What a client says to whom, one after another.
    pub fn targets(&self, client: usize) -> Targets {
        let mut topics: Vec<_> = self.topics_of(client).collect();
        let everybody = topics.first().copied().filter(|_| topics.len() > 1);
        if everybody.is_some() {
            topics.remove(0);
        }
        let random =
            StdRng::seed_from_u64(self.seed.wrapping_mul(0x9e37_79b9).wrapping_add(client as u64 + 1));
        Targets { partner: self.partner(client), topics, everybody, percent: self.topic_percent, random }
    }
}

/// Whom a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// One client.
    Client(usize),
    /// A topic's members.
    Topic(usize),
}

/// Whom one client's messages are for.
#[derive(Debug)]
pub struct Targets {
    partner: usize,
    topics: Vec<usize>,
    everybody: Option<usize>,
    percent: u32,
    random: StdRng,
}

impl Targets {
    /// Whom the next message is for.
    pub fn pick(&mut self) -> Target {
        if self.topics.is_empty() || !self.random.random_ratio(self.percent.min(100), 100) {
            return Target::Client(self.partner);
        }
        match self.everybody {
            Some(everybody) if self.random.random_ratio(1, TO_EVERYBODY) => Target::Topic(everybody),
            _ => Target::Topic(self.topics[self.random.random_range(0..self.topics.len())]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_in_two_topics_and_logs_are_found_by_name() {
        let workload = Workload::new(&Settings { clients: 25, members: 10, ..Settings::default() });
        assert_eq!(workload.topics.iter().map(Vec::len).collect::<Vec<_>>(), [25, 10, 10, 5]);
        for client in 0..25 {
            assert_eq!(workload.topics_of(client).count(), 2);
        }
        for (number, log) in workload.logs().iter().enumerate() {
            assert_eq!(workload.log_named(&log.name), Some(number as LogNo));
            assert_eq!(workload.log_name(number as LogNo), log.name);
        }
        for name in ["u/c25", "t/t4", "u/bob", "t/t", ""] {
            assert_eq!(workload.log_named(name), None, "{name}");
        }
    }

    #[test]
    fn the_same_seed_says_the_same() {
        let workload = Workload::new(&Settings { clients: 30, ..Settings::default() });
        let said = |client| -> Vec<_> {
            let mut targets = workload.targets(client);
            (0..500).map(|_| targets.pick()).collect()
        };
        assert_eq!(said(7), said(7));
        assert!(said(7).contains(&Target::Client(6)));
        assert!(said(7).contains(&Target::Topic(0)));
    }
}
