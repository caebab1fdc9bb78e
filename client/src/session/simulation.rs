//! Random histories against a model of the mesh: connections that break, answers that come early, late or never,
//! refusals, repeats. Whatever happens, each message is told once and in order, and each send is stored once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use proptest::prelude::*;
use protocol::command::Packet;
use protocol::ids::{LogName, MessageId, TopicName, UserId, Version};
use protocol::packet;
use serde_json::{Value, json};

use super::{Action, Now, Session};
use crate::outbox::{Outgoing, Ticket};
use crate::{Event, Options, Sent, Target};

const LOGS: [&str; 2] = ["u/amy", "t/x"];

/// How the model answers the next send.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Ok,
    OkAndPushedToo,
    NotNow,
    MaybeStored,
    MaybeNotStored,
    StoredThenBroken,
}

#[derive(Debug, Clone)]
enum Step {
    Send(usize),
    PeerSends(usize),
    ServerTakes(usize),
    ClientTakesPushes(usize),
    ClientTakesAnswers(usize),
    Repeat(usize),
    Break,
    Wait(u64),
    ProgramHandles(usize),
    Fate(Fate),
}

struct Stored {
    from: &'static str,
    id: String,
    text: String,
    /// By which connection, where it was this client.
    by: u64,
}

#[derive(Default)]
struct Connection {
    to_server: Vec<u8>,
    pushes: VecDeque<Value>,
    answers: VecDeque<Value>,
    /// Per log, up to where entries were pushed.
    pushed: Option<BTreeMap<String, usize>>,
}

struct World {
    session: Session,
    now: Now,
    logs: BTreeMap<&'static str, Vec<Stored>>,
    cursors: BTreeMap<String, u64>,
    connection: Option<Connection>,
    connections: u64,
    dialing: bool,
    fate: Fate,
    refused: bool,
    queue: VecDeque<Event>,
    told: BTreeMap<String, Vec<u64>>,
    sent: Vec<(Ticket, String)>,
    resolved: BTreeMap<Ticket, Sent>,
}

impl World {
    fn new() -> Self {
        let options = Options::new("gateway", UserId::new("amy").unwrap());
        Self {
            session: Session::new(options, 7),
            now: Now::ZERO,
            logs: LOGS.map(|log| (log, Vec::new())).into(),
            cursors: BTreeMap::new(),
            connection: None,
            connections: 0,
            dialing: false,
            fate: Fate::Ok,
            refused: false,
            queue: VecDeque::new(),
            told: BTreeMap::new(),
            sent: Vec::new(),
            resolved: BTreeMap::new(),
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Send(log) => self.send(*log),
            Step::PeerSends(log) => {
                let entries = self.logs.get_mut(LOGS[*log]).unwrap();
                let text = format!("{}", entries.len());
                entries.push(Stored { from: "bob", id: format!("bob-{log}-{text}"), text, by: 0 });
            }
            Step::ServerTakes(count) => (0..*count).for_each(|_| self.server_takes()),
            Step::ClientTakesPushes(count) => self.client_takes(*count, |connection| &mut connection.pushes),
            Step::ClientTakesAnswers(count) => {
                self.client_takes(*count, |connection| &mut connection.answers)
            }
            Step::Repeat(log) => self.repeat(*log),
            Step::Break => self.break_connection(),
            Step::Wait(ms) => self.wait(*ms),
            Step::ProgramHandles(count) => (0..*count).for_each(|_| self.program_handles()),
            Step::Fate(fate) => self.fate = *fate,
        }
        self.settle();
    }

    fn send(&mut self, log: usize) {
        let ticket = self.sent.len() as Ticket + 1;
        let id = format!("amy-{ticket}");
        let target = if log == 0 {
            Target::User(UserId::new("bob").unwrap())
        } else {
            Target::Topic(TopicName::new("x").unwrap())
        };
        self.sent.push((ticket, id.clone()));
        let outgoing = Outgoing { target, id: MessageId::new(&id).unwrap(), body: id.as_str().into() };
        self.session.send(self.now, ticket, outgoing);
    }

    fn settle(&mut self) {
        while let Some(action) = self.session.next_action() {
            match action {
                Action::Dial(_) => {
                    self.connection = Some(Connection::default());
                    self.connections += 1;
                    self.dialing = true;
                }
                Action::Hangup => self.connection = None,
                Action::Tell(event) => self.queue.push_back(event),
                Action::Sent(ticket, result) => {
                    assert!(self.resolved.insert(ticket, result.unwrap()).is_none(), "answered twice");
                }
                Action::Answered(..) => unreachable!("nothing was asked"),
            }
        }
        let output = std::mem::take(self.session.output());
        if let Some(connection) = &mut self.connection {
            connection.to_server.extend(output);
        }
        self.push();
    }

    /// Queues what the connection has to be pushed: all but its own sends.
    fn push(&mut self) {
        let (logs, by) = (&self.logs, self.connections);
        let Some(connection) = &mut self.connection else { return };
        let Some(pushed) = &mut connection.pushed else { return };
        for (log, upto) in pushed.iter_mut() {
            let entries = &logs[log.as_str()];
            while *upto < entries.len() {
                *upto += 1;
                if entries[*upto - 1].by != by {
                    connection.pushes.push_back(push(log, *upto, &entries[*upto - 1]));
                }
            }
        }
    }

    fn break_connection(&mut self) {
        if self.connection.take().is_some() {
            self.dialing = false;
            self.session.lost(self.now, crate::Reason::Broken("cut".into()));
        }
    }

    fn wait(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
        if std::mem::take(&mut self.dialing) && self.connection.is_some() {
            self.session.dialed(self.now);
        }
        self.session.tick(self.now);
    }

    fn client_takes(&mut self, count: usize, queue: impl Fn(&mut Connection) -> &mut VecDeque<Value>) {
        for _ in 0..count {
            let Some(packet) = self.connection.as_mut().and_then(|connection| queue(connection).pop_front())
            else {
                return;
            };
            self.session.received(self.now, packet.to_string().as_bytes());
            self.settle();
        }
    }

    fn repeat(&mut self, log: usize) {
        let entries = &self.logs[LOGS[log]];
        if let Some(connection) = &mut self.connection
            && let Some(upto) = connection.pushed.as_ref().and_then(|pushed| pushed.get(LOGS[log]))
            && *upto > 0
        {
            connection.pushes.push_back(push(LOGS[log], *upto, &entries[*upto - 1]));
        }
    }

    fn program_handles(&mut self) {
        if let Some(Event::Message(message)) = self.queue.pop_front() {
            let version = message.version.unwrap();
            self.told.entry(message.log.to_string()).or_default().push(version.0);
            self.session.handled(self.now, &message.log, version);
        }
    }

    fn server_takes(&mut self) {
        let Some(connection) = &mut self.connection else { return };
        let Ok(Some((body, used))) = packet::split(&connection.to_server, 1 << 20) else { return };
        let body = body.to_vec();
        connection.to_server.drain(..used);
        let packet = Packet::parse(&body).unwrap();
        let seq = packet.seq.unwrap();
        let answer = match &*packet.cmd_name {
            "REQ_MSG_SERVER" => json!({"CmdName": "OK", "Seq": seq, "Addr": "server"}),
            "SEND_CLIENT_ID" => self.login(seq),
            "RESUME" => {
                let logs: BTreeMap<String, usize> = serde_json::from_str(packet.logs.unwrap().get()).unwrap();
                assert_eq!(logs.len(), 2);
                connection.pushed = Some(logs);
                json!({"CmdName": "OK", "Seq": seq})
            }
            "ACK" => {
                let (log, version) = (packet.args.get(0).unwrap(), packet.args.get(1).unwrap());
                self.acknowledged(log, version.parse().unwrap());
                json!({"CmdName": "OK", "Seq": seq})
            }
            "SEND_PING" => json!({"CmdName": "OK", "Seq": seq}),
            "SEND_MESSAGE_P2P" | "SEND_MESSAGE_TOPIC" => match self.take_send(&packet) {
                Some(answer) => answer,
                None => return self.break_connection(),
            },
            other => unreachable!("{other}"),
        };
        if let Some(connection) = &mut self.connection {
            connection.answers.push_back(answer);
        }
    }

    /// What is acknowledged is there, and the program has handled it.
    fn acknowledged(&mut self, log: &str, version: u64) {
        let entries = &self.logs[log][..version as usize];
        let told = self.told.get(log).map_or(&[][..], Vec::as_slice);
        for (version, entry) in (1..).zip(entries) {
            assert!(entry.from == "amy" || told.contains(&version), "{version} of {log} is not handled");
        }
        let cursor = self.cursors.entry(log.to_owned()).or_default();
        *cursor = version.max(*cursor);
    }

    fn login(&self, seq: u64) -> Value {
        let logs = LOGS.map(|log| {
            let cursor = self.cursors.get(log).copied().unwrap_or(0);
            json!({"Log": log, "First": 1, "Head": self.logs[log].len(), "Cursor": cursor, "Read": 0})
        });
        json!({"CmdName": "OK", "Seq": seq, "Logs": logs})
    }

    /// `None`: the connection breaks.
    fn take_send(&mut self, packet: &Packet<'_>) -> Option<Value> {
        let log = if &*packet.cmd_name == "SEND_MESSAGE_P2P" { LOGS[0] } else { LOGS[1] };
        let seq = packet.seq.unwrap();
        let fate = std::mem::replace(&mut self.fate, Fate::Ok);
        let error = |code: u16, stored| json!({"CmdName": "ERROR", "Args": ["x", "5001", ""], "Seq": seq, "Code": code, "Retry": 1000, "Stored": stored});
        match fate {
            Fate::NotNow | Fate::MaybeNotStored => {
                self.refused = true;
                return Some(error(5001, if fate == Fate::NotNow { "no" } else { "maybe" }));
            }
            _ => {}
        }
        let version = self.store(log, packet);
        match fate {
            Fate::StoredThenBroken => return None,
            Fate::MaybeStored => {
                self.refused = true;
                return Some(error(5004, "maybe"));
            }
            Fate::OkAndPushedToo => {
                self.push();
                let entry = push(log, version, &self.logs[log][version - 1]);
                self.connection.as_mut()?.pushes.push_back(entry);
            }
            _ => {}
        }
        Some(json!({"CmdName": "OK", "Seq": seq, "Log": log, "Version": version, "Time": 5}))
    }

    fn store(&mut self, log: &'static str, packet: &Packet<'_>) -> usize {
        let (id, text) =
            (packet.msg_id.as_deref().unwrap().to_owned(), packet.args.get(1).unwrap().to_owned());
        let entries = self.logs.get_mut(log).unwrap();
        if let Some(at) = entries.iter().position(|entry| entry.id == id) {
            return at + 1;
        }
        entries.push(Stored { from: "amy", id, text, by: self.connections });
        entries.len()
    }

    /// No more trouble: everything comes to rest.
    fn calm(&mut self) {
        self.fate = Fate::Ok;
        for _ in 0..300 {
            for step in [
                Step::Wait(100),
                Step::ServerTakes(100),
                Step::ClientTakesAnswers(100),
                Step::ClientTakesPushes(100),
                Step::ProgramHandles(100),
            ] {
                self.step(&step);
            }
        }
    }

    fn check(&self) {
        for (log, entries) in &self.logs {
            let told = self.told.get(*log).cloned().unwrap_or_default();
            let others =
                (1..).zip(entries).filter(|(_, entry)| entry.from == "bob").map(|(version, _)| version);
            assert_eq!(told, others.collect::<Vec<u64>>(), "each message of {log} once, in order");
            let head = entries.len() as u64;
            assert_eq!(self.cursors.get(*log).copied().unwrap_or(0), head, "{log} is acknowledged");
            let name = LogName::new(log).unwrap();
            assert_eq!(self.session.positions().get(&name), Some(Version(head)));
        }
        let stored: Vec<&String> = self.logs.values().flatten().map(|entry| &entry.id).collect();
        assert_eq!(stored.len(), stored.iter().collect::<BTreeSet<_>>().len(), "each send is stored once");
        let mut last: BTreeMap<&LogName, Version> = BTreeMap::new();
        for (ticket, id) in &self.sent {
            let sent = &self.resolved[ticket];
            let entry = &self.logs[sent.log.as_str()][sent.version.0 as usize - 1];
            assert_eq!((&entry.id, &entry.text), (id, id));
            let before = last.insert(&sent.log, sent.version);
            assert!(self.refused || before < Some(sent.version), "in the order sent");
        }
    }
}

fn push(log: &str, version: usize, entry: &Stored) -> Value {
    let (command, args) = match log {
        "u/amy" => ("RESP_MESSAGE_P2P", json!([entry.text, entry.from, "uuid"])),
        _ => ("RESP_MESSAGE_TOPIC", json!(["x", entry.text, entry.from])),
    };
    json!({"CmdName": command, "Args": args, "Log": log, "Version": version, "MsgId": entry.id, "Time": 5})
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..2usize).prop_map(Step::Send),
        3 => (0..2usize).prop_map(Step::PeerSends),
        6 => (1..6usize).prop_map(Step::ServerTakes),
        5 => (1..5usize).prop_map(Step::ClientTakesPushes),
        5 => (1..5usize).prop_map(Step::ClientTakesAnswers),
        2 => (0..2usize).prop_map(Step::Repeat),
        1 => Just(Step::Break),
        6 => (1..900u64).prop_map(Step::Wait),
        3 => (1..5usize).prop_map(Step::ProgramHandles),
        2 => prop_oneof![
            Just(Fate::OkAndPushedToo), Just(Fate::NotNow), Just(Fate::MaybeStored),
            Just(Fate::MaybeNotStored), Just(Fate::StoredThenBroken),
        ].prop_map(Step::Fate),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn each_message_is_told_once_in_order_and_each_send_stored_once(
        steps in prop::collection::vec(step(), 0..150),
        break_at_the_end: bool,
    ) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        if break_at_the_end {
            world.step(&Step::Break);
        }
        world.calm();
        world.check();
    }
}
