//! What the page and `GET /api/mesh` show, at one moment.

use std::collections::BTreeMap;
use std::time::Instant;

use mesh::report::Report;
use serde::Serialize;

use crate::collect::{Collection, MSG_SERVER, Process};

/// The mesh at one moment. Times are milliseconds; moments are milliseconds since 1970 by the monitor's clock.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct MeshView {
    /// This moment.
    pub now: u64,
    /// Sums over the processes that are not silent.
    pub totals: Totals,
    /// The msg_servers that the monitor dials.
    pub links: Vec<LinkView>,
    /// Every process that was heard of within the hour: by role, then by address.
    pub processes: Vec<ProcessView>,
}

/// Sums over the processes that are not silent.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Totals {
    /// Processes that are known, silent ones too.
    pub processes: usize,
    /// Of those, silent ones.
    pub silent: usize,
    /// Of those, ones that say what is wrong with them, or that take no work.
    pub troubled: usize,
    /// Connections to msg_servers, links of other processes among them.
    pub connections: u64,
    /// Clients that are logged in.
    pub sessions: u64,
    /// Messages that msg_servers took from clients, per second; absent until two reports have come.
    pub messages_in_per_second: Option<f64>,
    /// Messages that msg_servers handed to sessions, per second.
    pub messages_out_per_second: Option<f64>,
    /// Mean time from a durable message's arrival to its ack, in milliseconds; absent where none was acked lately.
    pub ack_millis: Option<f64>,
}

/// The link to one msg_server.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct LinkView {
    /// Where it is dialled.
    pub addr: String,
    /// Whether the link stands.
    pub up: bool,
    /// Since when.
    pub since: u64,
}

/// How a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It works.
    Well,
    /// It says what is wrong.
    Troubled,
    /// It takes no work: it starts, or it drains.
    Unready,
    /// Nothing was heard of it for three beats, or the link to it is down.
    Silent,
}

/// One process.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ProcessView {
    /// Its newest report.
    #[serde(flatten)]
    pub report: Report,
    /// How it is.
    pub state: State,
    /// How fast its counters rise; empty while it is silent.
    pub rates: BTreeMap<String, f64>,
    /// How long ago it reported.
    pub heard_ago: u64,
    /// Its last report, where it is silent.
    pub silent_since: Option<u64>,
}

impl MeshView {
    /// What `collection` shows at `now`, which is `clock` in milliseconds since 1970.
    pub fn new(collection: &Collection, now: Instant, clock: u64) -> Self {
        let mut processes: Vec<_> =
            collection.processes().map(|process| ProcessView::new(process, now, clock)).collect();
        processes.sort_by(|one, other| one.place().cmp(&other.place()));
        let since =
            |link: Instant| clock.saturating_sub(now.saturating_duration_since(link).as_millis() as u64);
        let links = collection.links().map(|(addr, link)| LinkView {
            addr: addr.to_owned(),
            up: link.up,
            since: since(link.since),
        });
        Self { now: clock, totals: Totals::of(&processes), links: links.collect(), processes }
    }
}

/// The roles in the order in which a message meets them.
const ROLES: [&str; 5] = ["gateway", MSG_SERVER, "router", "manager", "monitor"];

impl ProcessView {
    fn new(process: &Process, now: Instant, clock: u64) -> Self {
        let heard_ago = process.age(now).as_millis() as u64;
        let silent = process.is_silent(now);
        Self {
            state: state(&process.report, silent),
            rates: if silent { BTreeMap::new() } else { process.rates.per_second().clone() },
            heard_ago,
            silent_since: silent.then(|| clock.saturating_sub(heard_ago)),
            report: process.report.clone(),
        }
    }

    fn place(&self) -> (usize, &str, usize, &str, &str) {
        let role = ROLES.iter().position(|role| *role == self.report.process).unwrap_or(ROLES.len());
        // A shorter address first, so that port 9000 comes before port 19000.
        (role, &self.report.process, self.report.addr.len(), &self.report.addr, &self.report.uuid)
    }

    fn is_live_msg_server(&self) -> bool {
        self.report.process == MSG_SERVER && self.state != State::Silent
    }

    fn rate(&self, name: &str) -> Option<f64> {
        self.rates.get(name).copied()
    }
}

fn state(report: &Report, silent: bool) -> State {
    match (silent, report.troubles.is_empty(), report.ready) {
        (true, _, _) => State::Silent,
        (false, false, _) => State::Troubled,
        (false, true, false) => State::Unready,
        (false, true, true) => State::Well,
    }
}

impl Totals {
    fn of(processes: &[ProcessView]) -> Self {
        let count =
            |wanted: fn(State) -> bool| processes.iter().filter(|process| wanted(process.state)).count();
        let servers = || processes.iter().filter(|process| process.is_live_msg_server());
        let figure = |name: &str| {
            let of = |process: &ProcessView| process.report.figures.get(name)?.as_u64();
            servers().filter_map(of).fold(0, u64::saturating_add)
        };
        let rate = |name: &str| sum(servers().filter_map(|process| process.rate(name)));
        let acked = rate("AckedPerSecond").filter(|acked| *acked > 0.0);
        Self {
            processes: processes.len(),
            silent: count(|state| state == State::Silent),
            troubled: count(|state| matches!(state, State::Troubled | State::Unready)),
            connections: figure("Connections"),
            sessions: figure("Sessions"),
            messages_in_per_second: rate("MessagesInPerSecond"),
            messages_out_per_second: rate("DeliveriesPerSecond"),
            ack_millis: rate("AckMicrosPerSecond").zip(acked).map(|(micros, acked)| micros / acked / 1000.0),
        }
    }
}

/// `None` for the sum of nothing: it is not known, which is another thing than 0.
fn sum(rates: impl Iterator<Item = f64>) -> Option<f64> {
    rates.fold(None, |sum, rate| Some(sum.unwrap_or(0.0) + rate))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;

    const BEAT: Duration = Duration::from_secs(5);

    fn report(process: &str, addr: &str, figures: Value) -> Report {
        serde_json::from_value(json!({
            "Process": process, "Uuid": addr, "Addr": addr, "Version": "1", "Pid": 1, "Started": 0,
            "Ready": true, "Figures": figures,
        }))
        .unwrap()
    }

    fn counted(connections: u64, count: u64) -> Value {
        json!({"Connections": connections, "Sessions": connections - 1, "MessagesInTotal": count, "DeliveriesTotal": 3 * count,
               "AckedTotal": count, "AckMicrosTotal": 2_500 * count})
    }

    #[test]
    fn totals_are_over_msg_servers_that_are_not_silent() {
        let (mut collection, start) = (Collection::new(BEAT), Instant::now());
        collection.reported("c:1", report(MSG_SERVER, "c:1", counted(900, 0)), start);
        for (beat, count) in [(0, 0), (4, 200)] {
            let now = start + BEAT * beat;
            collection.reported("a:1", report(MSG_SERVER, "a:1", counted(5, count)), now);
            collection.reported("b:1", report(MSG_SERVER, "b:1", counted(6, 2 * count)), now);
            collection.reported("b:1", report("router", "r:1", counted(77, 9 * count)), now);
        }
        let totals = MeshView::new(&collection, start + BEAT * 4, 1_000_000).totals;
        let expected = Totals {
            processes: 4,
            silent: 1,
            troubled: 0,
            connections: 11,
            sessions: 9,
            messages_in_per_second: Some(30.0),
            messages_out_per_second: Some(90.0),
            ack_millis: Some(2.5),
        };
        assert_eq!(totals, expected);
    }

    #[test]
    fn what_is_not_known_is_absent_and_no_zero() {
        let (mut collection, now) = (Collection::new(BEAT), Instant::now());
        collection.reported("a:1", report(MSG_SERVER, "a:1", counted(5, 1)), now);
        let view = serde_json::to_value(MeshView::new(&collection, now, 5)).unwrap();
        assert_eq!(view["Totals"]["MessagesInPerSecond"], Value::Null);
        assert_eq!(view["Totals"]["AckMillis"], Value::Null);
    }

    #[test]
    fn processes_stand_in_the_order_of_their_roles_and_ports() {
        let (mut collection, now) = (Collection::new(BEAT), Instant::now());
        for (process, addr) in [
            ("later", "x:1"),
            ("manager", "m:1"),
            (MSG_SERVER, "s:19000"),
            ("gateway", "g:1"),
            (MSG_SERVER, "s:9000"),
        ] {
            collection.reported("s", report(process, addr, json!({})), now);
        }
        let view = MeshView::new(&collection, now, 5);
        let order: Vec<_> = view.processes.iter().map(|process| process.report.addr.as_str()).collect();
        assert_eq!(order, ["g:1", "s:9000", "s:19000", "m:1", "x:1"]);
    }

    #[test]
    fn a_state_is_told_from_silence_troubles_and_readiness() {
        let well = report("router", "r", json!({}));
        let troubled = Report { troubles: vec!["no disk".into()], ready: false, ..well.clone() };
        let unready = Report { ready: false, ..well.clone() };
        assert_eq!(state(&well, false), State::Well);
        assert_eq!(state(&troubled, false), State::Troubled);
        assert_eq!(state(&unready, false), State::Unready);
        assert_eq!(state(&troubled, true), State::Silent);
    }

    #[test]
    fn a_silent_process_says_since_when_and_has_no_rates() {
        let (mut collection, start) = (Collection::new(BEAT), Instant::now());
        collection.link("a:1", true, start);
        for beat in 0..2 {
            collection.reported(
                "a:1",
                report(MSG_SERVER, "a:1", counted(1, u64::from(beat))),
                start + BEAT * beat,
            );
        }
        let view = MeshView::new(&collection, start + Duration::from_secs(65), 1_000_000);
        let process = &view.processes[0];
        assert_eq!(
            (process.state, process.silent_since, process.heard_ago),
            (State::Silent, Some(940_000), 60_000)
        );
        assert!(process.rates.is_empty());
        assert_eq!(view.links, [LinkView { addr: "a:1".into(), up: true, since: 935_000 }]);
    }
}
