//! The whole mesh: its processes, what is between them, and what happens to them.

use std::time::Duration;

use futures::FutureExt;
use protocol::ids::{LogName, Version};
use storage::conformance::{ModelStore, Subject};
use storage::{NewTopic, ReadRange, Store};

use crate::event::Event;
use crate::ledger::Ledger;
use crate::message::{Message, Request, Target};
use crate::net::Net;
use crate::node::Node;
use crate::planted::Planted;
use crate::role::client::Client;
use crate::role::manager::Manager;
use crate::role::msg_server::MsgServer;
use crate::role::router::Router;
use crate::shape::{Person, Shape};

/// Every event takes this long.
const MOMENT: Duration = Duration::from_millis(1);

/// A mesh in the middle of a history.
pub struct World {
    /// What it began with.
    pub shape: Shape,
    /// Everything between the processes.
    pub net: Net,
    /// What clients said and were told.
    pub ledger: Ledger,
    /// The clients.
    pub clients: Vec<Client>,
    /// The store, which survives whoever dies.
    pub store: ModelStore,
    pub(crate) msg_servers: Vec<Option<MsgServer>>,
    pub(crate) routers: Vec<Option<Router>>,
    pub(crate) managers: Vec<Option<Manager>>,
    /// Something was stored that nobody is left to publish: only the slow question finds it.
    pub orphans: bool,
    /// When the faults stopped.
    pub healed_at: Option<Duration>,
}

impl World {
    /// Everything runs, nothing is linked, and nobody is connected.
    pub fn new(shape: &Shape, planted: Planted, traced: bool) -> Self {
        let net = Net::new(planted, traced);
        let store = ModelStore::new(None);
        settle_in(shape, &store);
        let none = |count: u8| usize::from(count);
        let mut world = Self {
            clients: clients(shape),
            msg_servers: (0..none(shape.msg_servers)).map(|_| None).collect(),
            routers: (0..none(shape.routers)).map(|_| None).collect(),
            managers: (0..none(shape.managers)).map(|_| None).collect(),
            shape: shape.clone(),
            net,
            ledger: Ledger::default(),
            store,
            orphans: false,
            healed_at: None,
        };
        world.processes().into_iter().for_each(|node| world.start(node));
        if shape.warm {
            world.settle();
        }
        world
    }

    /// Every process, dead or alive.
    pub fn processes(&self) -> Vec<Node> {
        let msg_servers = (0..self.shape.msg_servers).map(Node::MsgServer);
        let routers = (0..self.shape.routers).map(Node::Router);
        let managers = (0..self.shape.managers).map(Node::Manager);
        msg_servers.chain(routers).chain(managers).collect()
    }

    /// Whether a process runs; clients always do.
    pub fn is_alive(&self, node: Node) -> bool {
        match node {
            Node::MsgServer(number) => self.msg_server(number).is_some(),
            Node::Router(number) => self.routers.get(usize::from(number)).is_some_and(Option::is_some),
            Node::Manager(number) => self.manager(number).is_some(),
            Node::Client(_) => true,
        }
    }

    fn msg_server(&self, number: u8) -> Option<&MsgServer> {
        self.msg_servers.get(usize::from(number))?.as_ref()
    }

    /// The manager, if it runs.
    pub fn manager(&self, number: u8) -> Option<&Manager> {
        self.managers.get(usize::from(number))?.as_ref()
    }

    /// Lets one thing happen.
    pub fn apply(&mut self, event: &Event) {
        if !matches!(event, Event::Deliver { .. }) {
            self.net.note(|| format!("* {event}"));
        }
        match *event {
            Event::Deliver { from, to, count } => self.deliver(from, to, count),
            Event::Connect { client, server } => self.connect(client, server),
            Event::Leave { client } => self.leave(client),
            Event::Send { client, to } => self.send(client, to),
            Event::Resend { client } => {
                if let Some(client) = self.clients.get_mut(usize::from(client)) {
                    client.resend(&mut self.ledger, &mut self.net);
                }
            }
            Event::Commit { manager } => self.commit(manager),
            Event::TornCommit { manager, writes } => self.torn_commit(manager, writes),
            Event::Answer { manager, which } => {
                if let Some(Some(manager)) = self.managers.get_mut(usize::from(manager)) {
                    manager.answer(usize::from(which), &mut self.net);
                }
            }
            Event::Busy { manager, busy } => {
                if let Some(Some(manager)) = self.managers.get_mut(usize::from(manager)) {
                    manager.set_busy(busy);
                }
            }
            Event::Drain { manager } => {
                if let Some(Some(manager)) = self.managers.get_mut(usize::from(manager)) {
                    manager.drain();
                }
            }
            Event::Kill { node, keep } => self.kill(node, keep),
            Event::Start { node } => self.start(node),
            Event::Break { dialer, server, keep } => {
                self.net.cut(dialer, Node::MsgServer(server), [usize::from(keep), 0]);
            }
            Event::Notice { at, of } => self.notice(at, of),
            Event::Dial { dialer, server } => self.dial(dialer, server),
            Event::Pass { ms } => self.pass(Duration::from_millis(u64::from(ms))),
            Event::Trim { log, keep } => self.trim(log, keep),
        }
        self.pass(MOMENT);
    }

    fn deliver(&mut self, from: Node, to: Node, count: u8) {
        for _ in 0..count.max(1) {
            let Some((link, message)) = self.net.take(from, to) else { return };
            match to {
                Node::MsgServer(number) => {
                    if let Message::Request(Request::Login { user, device }) = &message {
                        self.ledger.login_came(link, user, device, self.net.now());
                    }
                    if let Some(Some(msg_server)) = self.msg_servers.get_mut(usize::from(number)) {
                        msg_server.received(link, message, &mut self.net);
                        self.end_connections(number);
                    }
                }
                Node::Router(number) => {
                    if let Some(Some(router)) = self.routers.get_mut(usize::from(number)) {
                        router.received(link, &message, &mut self.net);
                        router.turn_ends(link, &mut self.net);
                    }
                }
                Node::Manager(number) => {
                    if let Some(Some(manager)) = self.managers.get_mut(usize::from(number)) {
                        manager.received(link, &message, &mut self.net);
                    }
                }
                Node::Client(number) => {
                    if let Some(client) = self.clients.get_mut(usize::from(number)) {
                        client.received(link, message, &mut self.ledger, &mut self.net);
                    }
                }
            }
        }
    }

    fn end_connections(&mut self, number: u8) {
        if let Some(Some(msg_server)) = self.msg_servers.get_mut(usize::from(number)) {
            for link in msg_server.take_ending() {
                msg_server.ended(link, &mut self.net);
            }
        }
    }

    fn connect(&mut self, client: u8, server: u8) {
        let at = Node::Client(client);
        let alive = self.is_alive(Node::MsgServer(server));
        let Some(client) = self.clients.get_mut(usize::from(client)) else { return };
        if alive && client.connection().is_none() {
            let link = self.net.dial(at, Node::MsgServer(server));
            client.up(link, &mut self.net);
        }
    }

    fn leave(&mut self, client: u8) {
        if let Some(client) = self.clients.get_mut(usize::from(client)) {
            client.wants_to_be_online = false;
            if let Some(link) = client.connection() {
                client.ended(link, &mut self.net);
            }
        }
    }

    /// To one of all that a client may send to: its topics, and all users.
    fn send(&mut self, client: u8, to: u8) {
        let users: Vec<_> = self.clients.iter().map(|client| client.person().user.clone()).collect();
        let Some(client) = self.clients.get_mut(usize::from(client)) else { return };
        let topics =
            client.logs().keys().filter(|log| log.topic_name().is_some()).cloned().map(Target::Topic);
        let targets: Vec<Target> = topics.chain(users.into_iter().map(Target::User)).collect();
        if let Some(target) = targets.get(usize::from(to) % targets.len().max(1)) {
            client.send(target.clone(), &mut self.ledger, &mut self.net);
        }
    }

    fn commit(&mut self, number: u8) {
        if let Some(Some(manager)) = self.managers.get_mut(usize::from(number)) {
            let net = &self.net;
            self.orphans |= manager.waiting_links().iter().any(|link| net.is_orphaned(*link));
            manager.commit();
        }
    }

    fn torn_commit(&mut self, number: u8, writes: u8) {
        self.store.crash_after(u64::from(writes));
        self.commit(number);
        if self.store.crashed() {
            self.orphans = true;
            self.kill(Node::Manager(number), 0);
        }
        // Only the manager died: the others find the store as it was left.
        let _ = self.store.restart().now_or_never();
    }

    fn kill(&mut self, node: Node, keep: u8) {
        if !self.is_alive(node) || matches!(node, Node::Client(_)) {
            return;
        }
        let mut other = u64::from(keep);
        self.net.kill(node, |_, length| {
            other += 1;
            match keep {
                0 => 0,
                16.. => length,
                _ => (other as usize * 7) % (length + 1),
            }
        });
        match node {
            Node::MsgServer(number) => self.msg_servers[usize::from(number)] = None,
            Node::Router(number) => self.routers[usize::from(number)] = None,
            Node::Manager(number) => self.managers[usize::from(number)] = None,
            Node::Client(_) => {}
        }
    }

    fn start(&mut self, node: Node) {
        if self.is_alive(node) {
            return;
        }
        match node {
            Node::MsgServer(number) => {
                let slowly = self.shape.asks_slowly;
                self.msg_servers[usize::from(number)] =
                    Some(MsgServer::new(node, self.shape.queue, slowly, &self.net));
            }
            Node::Router(number) => self.routers[usize::from(number)] = Some(Router::new(node)),
            Node::Manager(number) => {
                let manager = Manager::new(node, self.store.clone(), &self.net);
                self.managers[usize::from(number)] = Some(manager);
            }
            Node::Client(_) => {}
        }
    }

    /// The oldest dead link between the two is noticed at one of them.
    fn notice(&mut self, at: Node, of: Node) {
        let unnoticed = self.net.unnoticed(at);
        let Some((link, _)) = unnoticed.into_iter().find(|(_, other)| *other == of) else { return };
        let place = |number: u8| usize::from(number);
        match at {
            Node::MsgServer(number) => {
                if let Some(msg_server) = &mut self.msg_servers[place(number)] {
                    msg_server.ended(link, &mut self.net);
                }
                self.end_connections(number);
            }
            Node::Router(number) => {
                if let Some(router) = &mut self.routers[place(number)] {
                    router.ended(link, &mut self.net);
                }
            }
            Node::Manager(_) => self.net.shut(at, link),
            Node::Client(number) => self.clients[place(number)].ended(link, &mut self.net),
        }
    }

    /// Whether a router or a manager has no link to a msg_server, and could have one.
    pub fn may_dial(&self, dialer: Node, server: u8) -> bool {
        let server = Node::MsgServer(server);
        self.is_alive(dialer) && self.is_alive(server) && self.net.standing(dialer, server).is_none()
    }

    fn dial(&mut self, dialer: Node, server: u8) {
        if !self.may_dial(dialer, server) {
            return;
        }
        let server = Node::MsgServer(server);
        match dialer {
            Node::Router(number) => {
                if let Some(Some(router)) = self.routers.get_mut(usize::from(number)) {
                    let link = self.net.dial(dialer, server);
                    router.up(link, server, &mut self.net);
                }
            }
            Node::Manager(number) => {
                if let Some(Some(manager)) = self.managers.get_mut(usize::from(number)) {
                    let link = self.net.dial(dialer, server);
                    manager.up(link, &mut self.net);
                }
            }
            Node::MsgServer(_) | Node::Client(_) => {}
        }
    }

    fn trim(&mut self, log: u8, keep: u8) {
        let logs = self.shape.logs();
        let Some(log) = logs.get(usize::from(log) % logs.len().max(1)) else { return };
        let head = self.head(log);
        let before = Version((head.0 + 1).saturating_sub(u64::from(keep)));
        let _ = self.store.trim(log.clone(), before).now_or_never();
    }

    /// Where a log ends.
    pub fn head(&self, log: &LogName) -> Version {
        let range = ReadRange { log: log.clone(), after: Version(u64::MAX), max_entries: 1, max_bytes: 1 };
        self.store.read(range).now_or_never().and_then(Result::ok).map_or(Version::ZERO, |page| page.head)
    }

    /// When some process wants to do something next.
    pub fn next_alarm(&self) -> Option<Duration> {
        let msg_servers = self.msg_servers.iter().flatten().filter_map(MsgServer::next_alarm);
        let managers = self.managers.iter().flatten().filter_map(Manager::next_alarm);
        msg_servers.chain(managers).min()
    }

    /// Time passes, and everything that is due in it is done.
    pub fn pass(&mut self, time: Duration) {
        let end = self.net.now() + time;
        while let Some(at) = self.next_alarm().filter(|at| *at <= end) {
            self.move_to(at);
            for number in 0..self.shape.msg_servers {
                if let Some(msg_server) = &mut self.msg_servers[usize::from(number)] {
                    msg_server.ring(&mut self.net);
                    self.orphans |= msg_server.orphans > 0;
                }
            }
            for manager in self.managers.iter_mut().flatten() {
                manager.ring(&mut self.net);
                self.orphans |= manager.completed > 0;
            }
        }
        self.move_to(end);
    }

    fn move_to(&mut self, at: Duration) {
        let before = self.net.now();
        self.net.move_to(at);
        self.store.pass(self.net.now().saturating_sub(before));
    }
}

/// Accounts and topics are there from the beginning.
fn settle_in(shape: &Shape, store: &ModelStore) {
    for person in &shape.clients {
        let _ = store.log_in(person.user.clone(), Some(person.device.clone())).now_or_never();
    }
    for (topic, members) in &shape.topics {
        let creator = members.first().into_iter();
        for user in creator {
            let _ = store.create_topic(NewTopic::new(topic.clone(), user.clone())).now_or_never();
        }
        for user in members {
            let _ = store.join_topic(topic.clone(), user.clone(), None).now_or_never();
        }
    }
}

fn clients(shape: &Shape) -> Vec<Client> {
    let logs = |person: &Person| {
        let of = person.user.clone();
        let topics = shape.topics.iter().filter(move |(_, members)| members.contains(&of));
        let topics: Vec<LogName> = topics.map(|(topic, _)| LogName::topic(topic)).collect();
        [LogName::inbox(&person.user)].into_iter().chain(topics)
    };
    let numbered = shape.clients.iter().zip(0u8..);
    numbered
        .map(|(person, number)| {
            Client::new(Node::Client(number), person.clone(), logs(person), shape.ballast)
        })
        .collect()
}
