//! Which msg_server a client is sent to.
//!
//! Invariants:
//! - only a live one is picked: its link stands, it said that it is ready, and it was not silent for three beats;
//! - one that no manager is linked to, and that can store nothing, is picked only where that is so of all;
//! - of two random ones the less loaded is picked. Load is the connections that it last reported, and what was
//!   handed out since: so a burst between two reports spreads too, and no two gateways need to agree on anything.

use std::time::{Duration, Instant};

use mesh::report::Report;
use rand::{Rng, RngExt};

/// Beats without a report after which a msg_server is passed over.
const SILENT_BEATS: u32 = 3;

/// The longest beat that is believed.
const LONGEST_BEAT: Duration = Duration::from_secs(3600);

/// The figure of a msg_server's report that says how many connections it holds.
const CONNECTIONS: &str = "Connections";

/// The figure that says how many managers are linked to it.
const MANAGERS: &str = "Managers";

/// What is known of the msg_servers. Each is known by the `Link` over which it is heard.
#[derive(Debug)]
pub struct Picker<Link> {
    /// The beat of a msg_server that does not say its own.
    beat: Duration,
    servers: Vec<Server<Link>>,
}

#[derive(Debug)]
struct Server<Link> {
    link: Link,
    addr: String,
    ready: bool,
    /// It can have messages stored.
    stores: bool,
    connections: u64,
    handed_out: u64,
    heard: Instant,
    beat: Duration,
}

impl<Link> Server<Link> {
    fn is_live(&self, now: Instant) -> bool {
        self.ready && now.saturating_duration_since(self.heard) <= self.beat * SILENT_BEATS
    }

    fn load(&self) -> u64 {
        self.connections.saturating_add(self.handed_out)
    }
}

impl<Link: PartialEq> Picker<Link> {
    /// Nothing is known yet; a msg_server that does not say how often it reports does so every `beat`.
    pub fn new(beat: Duration) -> Self {
        Self { beat, servers: Vec::new() }
    }

    /// The msg_server at the other end of `link` reported. An address is known over one link, the last that it was
    /// heard on, so that a msg_server which is dialled by two names is not picked twice as often.
    pub fn reported(&mut self, link: Link, report: &Report, now: Instant) {
        if report.addr.is_empty() {
            return;
        }
        self.servers.retain(|server| server.link != link && server.addr != report.addr);
        self.servers.push(Server {
            link,
            addr: report.addr.clone(),
            ready: report.ready,
            // One that does not say it is of another version, and believed to.
            stores: figure(report, MANAGERS) != Some(0),
            connections: figure(report, CONNECTIONS).unwrap_or(0),
            handed_out: 0,
            heard: now,
            beat: self.beat_of(report),
        });
    }

    fn beat_of(&self, report: &Report) -> Duration {
        match report.beat {
            0 => self.beat,
            beat => Duration::from_millis(beat).min(LONGEST_BEAT),
        }
    }

    /// The link is down, and with it what was known over it.
    pub fn link_down(&mut self, link: &Link) {
        self.servers.retain(|server| server.link != *link);
    }

    /// How many msg_servers are live.
    pub fn live(&self, now: Instant) -> usize {
        self.servers.iter().filter(|server| server.is_live(now)).count()
    }

    /// The address to hand out, exactly as its msg_server said it, and counts it as handed out; `None` where no
    /// msg_server is live.
    pub fn pick(&mut self, now: Instant, random: &mut impl Rng) -> Option<&str> {
        let mut live: Vec<usize> =
            (0..self.servers.len()).filter(|&at| self.servers[at].is_live(now)).collect();
        if live.iter().any(|&at| self.servers[at].stores) {
            live.retain(|&at| self.servers[at].stores);
        }
        let chosen = self.better_of_two(&live, random)?;
        let server = &mut self.servers[chosen];
        server.handed_out += 1;
        Some(&server.addr)
    }

    fn better_of_two(&self, live: &[usize], random: &mut impl Rng) -> Option<usize> {
        match *live {
            [] => None,
            [only] => Some(only),
            _ => {
                let first = random.random_range(0..live.len());
                // Any of the others, so that the two are never the same one.
                let second = (first + random.random_range(1..live.len())) % live.len();
                [live[first], live[second]].into_iter().min_by_key(|&at| self.servers[at].load())
            }
        }
    }
}

fn figure(report: &Report, name: &str) -> Option<u64> {
    report.figures.get(name).and_then(serde_json::Value::as_u64)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;

    const BEAT: Duration = Duration::from_secs(5);

    fn report(addr: &str, connections: u64, ready: bool) -> Report {
        serde_json::from_value(serde_json::json!({
            "Process": "msg_server", "Uuid": addr, "Addr": addr, "Version": "1", "Pid": 1, "Started": 0,
            "Ready": ready, "Figures": {"Connections": connections},
        }))
        .unwrap()
    }

    fn picker(servers: &[(&str, u64)], now: Instant) -> Picker<String> {
        let mut picker = Picker::new(BEAT);
        for (addr, connections) in servers {
            picker.reported((*addr).to_owned(), &report(addr, *connections, true), now);
        }
        picker
    }

    fn tally(picker: &mut Picker<String>, now: Instant, picks: usize) -> HashMap<String, usize> {
        let mut random = SmallRng::seed_from_u64(7);
        let mut tally = HashMap::new();
        for _ in 0..picks {
            *tally.entry(picker.pick(now, &mut random).unwrap().to_owned()).or_default() += 1;
        }
        tally
    }

    #[test]
    fn where_nothing_is_known_nothing_is_picked() {
        let mut picker = picker(&[], Instant::now());
        assert_eq!(picker.pick(Instant::now(), &mut rand::rng()), None);
    }

    #[test]
    fn two_equally_loaded_servers_share_what_is_handed_out_between_beats() {
        let now = Instant::now();
        let tally = tally(&mut picker(&[("a:1", 40), ("b:1", 40)], now), now, 100);
        assert_eq!((tally["a:1"], tally["b:1"]), (50, 50));
    }

    #[test]
    fn the_emptier_of_two_is_filled_first_and_then_both() {
        let now = Instant::now();
        let mut picker = picker(&[("a:1", 1000), ("b:1", 0)], now);
        assert_eq!(tally(&mut picker, now, 1000), HashMap::from([("b:1".to_owned(), 1000)]));
        let tally = tally(&mut picker, now, 1000);
        assert_eq!((tally["a:1"], tally["b:1"]), (500, 500));
    }

    #[test]
    fn a_report_takes_the_place_of_what_was_handed_out_before_it() {
        let now = Instant::now();
        let mut picker = picker(&[("a:1", 0), ("b:1", 0)], now);
        tally(&mut picker, now, 100);
        picker.reported("a:1".into(), &report("a:1", 30, true), now);
        assert_eq!(tally(&mut picker, now, 20), HashMap::from([("a:1".to_owned(), 20)]));
    }

    #[test]
    fn a_server_that_drains_or_whose_link_broke_is_out_at_once_and_comes_back_with_a_report() {
        let now = Instant::now();
        let mut picker = picker(&[("a:1", 0), ("b:1", 0)], now);
        picker.reported("a:1".into(), &report("a:1", 0, false), now);
        assert_eq!(tally(&mut picker, now, 10), HashMap::from([("b:1".to_owned(), 10)]));
        picker.link_down(&"b:1".into());
        assert_eq!((picker.live(now), picker.pick(now, &mut rand::rng())), (0, None));
        picker.reported("a:1".into(), &report("a:1", 0, true), now);
        assert_eq!(picker.pick(now, &mut rand::rng()), Some("a:1"));
    }

    #[test]
    fn one_without_a_manager_is_picked_only_where_none_has_one() {
        let now = Instant::now();
        let mut picker = Picker::new(BEAT);
        let with = |addr: &str, managers: u64| {
            let mut report = report(addr, 0, true);
            report.figures.insert(MANAGERS.into(), managers.into());
            report
        };
        picker.reported("a:1".to_owned(), &with("a:1", 0), now);
        picker.reported("b:1".to_owned(), &with("b:1", 0), now);
        assert_eq!(tally(&mut picker, now, 20).len(), 2);
        picker.reported("b:1".to_owned(), &with("b:1", 1), now);
        assert_eq!(tally(&mut picker, now, 20), HashMap::from([("b:1".to_owned(), 20)]));
        picker.reported("b:1".to_owned(), &report("b:1", 0, false), now);
        assert_eq!(tally(&mut picker, now, 20), HashMap::from([("a:1".to_owned(), 20)]));
    }

    #[test]
    fn a_server_is_out_after_three_silent_beats_of_its_own() {
        let now = Instant::now();
        let mut picker = picker(&[("a:1", 0)], now);
        let mut slow = report("b:1", 0, true);
        slow.beat = 20_000;
        picker.reported("b:1".into(), &slow, now);
        assert_eq!(picker.live(now + 3 * BEAT), 2);
        assert_eq!(picker.live(now + 3 * BEAT + Duration::from_millis(1)), 1);
        assert_eq!(picker.live(now + Duration::from_secs(60)), 1);
        assert_eq!(picker.live(now + Duration::from_secs(61)), 0);
    }

    #[test]
    fn one_server_under_two_names_counts_once_and_is_handed_out_as_it_calls_itself() {
        let now = Instant::now();
        let mut picker = Picker::new(BEAT);
        picker.reported("localhost:1", &report("Chat.Example:1", 5, true), now);
        picker.reported("127.0.0.1:1", &report("Chat.Example:1", 5, true), now);
        assert_eq!(picker.live(now), 1);
        assert_eq!(picker.pick(now, &mut rand::rng()), Some("Chat.Example:1"));
    }

    #[test]
    fn many_servers_end_up_evenly_loaded() {
        let now = Instant::now();
        let names: Vec<String> = (0..50).map(|n| format!("s:{n}")).collect();
        let servers: Vec<_> = names.iter().map(|name| (name.as_str(), 100)).collect();
        let tally = tally(&mut picker(&servers, now), now, 10_000);
        let (least, most) = (tally.values().min().unwrap(), tally.values().max().unwrap());
        assert!(most - least <= 12, "from {least} to {most} of 200 each");
    }

    #[derive(Debug, Clone)]
    enum Event {
        Report { server: usize, connections: u64, ready: bool },
        Down { server: usize },
        Wait { ms: u64 },
        Pick,
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            (0..6usize, 0..500u64, prop::bool::weighted(0.8))
                .prop_map(|(server, connections, ready)| Event::Report { server, connections, ready }),
            (0..6usize).prop_map(|server| Event::Down { server }),
            (0..9_000u64).prop_map(|ms| Event::Wait { ms }),
            Just(Event::Pick),
            Just(Event::Pick),
        ]
    }

    proptest! {
        #[test]
        fn whatever_happens_only_live_servers_are_picked_and_one_always_is(events in prop::collection::vec(event(), 1..120), seed: u64) {
            let mut random = SmallRng::seed_from_u64(seed);
            let mut picker = Picker::new(BEAT);
            let mut now = Instant::now();
            let mut live: HashMap<usize, (bool, Instant)> = HashMap::new();
            for event in events {
                match event {
                    Event::Report { server, connections, ready } => {
                        picker.reported(server, &report(&server.to_string(), connections, ready), now);
                        live.insert(server, (ready, now));
                    }
                    Event::Down { server } => {
                        picker.link_down(&server);
                        live.remove(&server);
                    }
                    Event::Wait { ms } => now += Duration::from_millis(ms),
                    Event::Pick => {
                        let is_live = |(ready, heard): &(bool, Instant)| *ready && now - *heard <= 3 * BEAT;
                        let expected = live.values().filter(|server| is_live(server)).count();
                        prop_assert_eq!(picker.live(now), expected);
                        let picked = picker.pick(now, &mut random).map(|addr| addr.parse::<usize>().unwrap());
                        prop_assert_eq!(picked.is_some(), expected > 0);
                        if let Some(server) = picked {
                            prop_assert!(is_live(&live[&server]));
                        }
                    }
                }
            }
        }
    }
}
