//! A client: keeps where it is in each of its logs, sends, sends again, comes back elsewhere; and watches that it is pushed
//! what it was promised.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mesh::link::LinkId;
use protocol::code::DisconnectCode;
use protocol::content::Entry;
use protocol::event::Stored;
use protocol::ids::{LogName, Version};
use protocol::link::request::LogState;

use crate::ledger::{Ledger, Outcome};
use crate::message::{Event, Message, Request, Target, id_of};
use crate::net::Net;
use crate::node::Node;
use crate::shape::Person;

/// One client, through all its connections.
pub struct Client {
    node: Node,
    person: Person,
    /// Bytes that its messages have besides their text.
    ballast: usize,
    /// Whether it wants to be connected.
    pub wants_to_be_online: bool,
    connection: Option<Connection>,
    logs: BTreeMap<LogName, Progress>,
    /// What was sent and not answered, in order.
    unanswered: Vec<(String, Target)>,
}

struct Connection {
    link: LinkId,
    resumed: bool,
    /// No manager told its login where its logs end: it may be pushed what it sent before one came.
    began_alone: bool,
    /// The requests that are not answered, by their number.
    requests: BTreeMap<u64, String>,
    asked: u64,
}

/// Where a client is in one log.
#[derive(Debug, Default)]
pub struct Progress {
    /// From where on everything is owed to it; `None` before its first login.
    pub start: Option<Version>,
    /// It has everything from `start` up to here.
    pub upto: Version,
    /// Its own messages beyond that which this connection acknowledged.
    own: BTreeSet<Version>,
    /// Its own messages that were acknowledged before its connection knew a manager: those may be pushed as well.
    acked_alone: BTreeSet<Version>,
    /// What it was pushed or acknowledged, by version.
    pub seen: BTreeMap<Version, String>,
    /// What it was told to be gone.
    pub gone: Vec<(Version, Version)>,
}

impl Client {
    /// One that is away, and reads these logs.
    pub fn new(node: Node, person: Person, logs: impl IntoIterator<Item = LogName>, ballast: usize) -> Self {
        let logs = logs.into_iter().map(|log| (log, Progress::default())).collect();
        Self {
            node,
            person,
            ballast,
            wants_to_be_online: false,
            connection: None,
            logs,
            unanswered: Vec::new(),
        }
    }

    /// Its logs, and where it is in them.
    pub fn logs(&self) -> &BTreeMap<LogName, Progress> {
        &self.logs
    }

    /// Who it is.
    pub fn person(&self) -> &Person {
        &self.person
    }

    /// Its connection, as far as it knows.
    pub fn connection(&self) -> Option<LinkId> {
        self.connection.as_ref().map(|connection| connection.link)
    }

    /// Whether it is connected and has resumed.
    pub fn is_attached(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.resumed)
    }

    /// A connection stands.
    pub fn up(&mut self, link: LinkId, net: &mut Net) {
        self.wants_to_be_online = true;
        self.connection = Some(Connection {
            link,
            resumed: false,
            began_alone: false,
            requests: BTreeMap::new(),
            asked: 0,
        });
        for progress in self.logs.values_mut() {
            progress.own.clear();
            progress.acked_alone.clear();
        }
        let login = Request::Login { user: self.person.user.clone(), device: self.person.device.clone() };
        net.send(self.node, link, Message::Request(login));
    }

    /// Its connection is known to be dead, or it ends it.
    pub fn ended(&mut self, link: LinkId, net: &mut Net) {
        net.shut(self.node, link);
        if self.connection() == Some(link) {
            self.connection = None;
        }
    }

    /// Sends a new message; nothing while it is not attached.
    pub fn send(&mut self, to: Target, ledger: &mut Ledger, net: &mut Net) {
        if !self.is_attached() {
            return;
        }
        let inbox = LogName::inbox(&self.person.user);
        let (log, peer) = match &to {
            Target::Topic(log) => (log.clone(), None),
            Target::User(user) => (inbox, (*user != self.person.user).then(|| LogName::inbox(user))),
        };
        let id = ledger.invent(self.node, log, peer);
        self.unanswered.push((id.clone(), to.clone()));
        self.transmit(id, to, ledger, net);
    }

    /// Sends again what was not answered, in order, though the connection may bring the answers yet.
    pub fn resend(&mut self, ledger: &mut Ledger, net: &mut Net) {
        if self.is_attached() && self.person.resends {
            for (id, to) in self.unanswered.clone() {
                self.transmit(id, to, ledger, net);
            }
        }
    }

    fn transmit(&mut self, id: String, to: Target, ledger: &mut Ledger, net: &mut Net) {
        let Some(connection) = &mut self.connection else { return };
        connection.asked += 1;
        connection.requests.insert(connection.asked, id.clone());
        ledger.sent(&id, connection.link, net.now());
        let send = Request::Send { seq: connection.asked, id, to, ballast: self.ballast };
        net.send(self.node, connection.link, Message::Request(send));
    }

    /// Takes a message.
    pub fn received(&mut self, link: LinkId, message: Message, ledger: &mut Ledger, net: &mut Net) {
        let Message::Event(event) = message else { return };
        if self.connection() != Some(link) {
            return;
        }
        match event {
            Event::Ended(code) => {
                if code == DisconnectCode::Replaced {
                    ledger.replaced(self.node, link);
                }
                self.wants_to_be_online = code.come_back();
                self.ended(link, net);
            }
            Event::LoggedIn(logs) => self.resume(link, logs.as_deref(), net),
            Event::Resumed { refused: true } => {
                ledger.broken(|| format!("{} may not resume from where it is", self.node));
            }
            Event::Resumed { refused: false } => self.resumed(ledger, net),
            Event::Acked { seq, log, version } => self.acked(seq, &log, version, ledger, net.now()),
            Event::Refused { seq, stored } => self.refused(seq, stored, ledger, net.now()),
            Event::Push(log, entry) => self.pushed(&log, &entry, ledger),
            Event::Gap(log, after, upto) => self.told_gone(&log, after, upto, ledger),
        }
    }

    fn resume(&mut self, link: LinkId, told: Option<&[LogState]>, net: &mut Net) {
        if let Some(connection) = &mut self.connection {
            connection.began_alone = told.is_none();
        }
        let mut positions = BTreeMap::new();
        for (log, progress) in &mut self.logs {
            let head =
                told.and_then(|told| told.iter().find(|state| state.log == *log)).map(|state| state.head);
            match (progress.start, head) {
                (None, Some(head)) if !self.person.from_start => {
                    // Not named: it starts at its head.
                    (progress.start, progress.upto) = (Some(head), head);
                    continue;
                }
                (None, _) => progress.start = Some(Version::ZERO),
                (Some(_), _) => {}
            }
            positions.insert(log.clone(), progress.upto);
        }
        net.send(self.node, link, Message::Request(Request::Resume(positions)));
    }

    fn resumed(&mut self, ledger: &mut Ledger, net: &mut Net) {
        if let Some(connection) = &mut self.connection {
            connection.resumed = true;
        }
        match self.person.resends {
            true => self.resend(ledger, net),
            false => self.unanswered.clear(),
        }
    }

    fn answered(&mut self, seq: u64) -> Option<(LinkId, String)> {
        let connection = self.connection.as_mut()?;
        Some((connection.link, connection.requests.remove(&seq)?))
    }

    fn acked(&mut self, seq: u64, log: &LogName, version: Version, ledger: &mut Ledger, now: Duration) {
        let Some((link, id)) = self.answered(seq) else { return };
        self.unanswered.retain(|(unanswered, _)| *unanswered != id);
        ledger.answered(&id, link, Outcome::Acked(version), now);
        let began_alone = self.connection.as_ref().is_some_and(|connection| connection.began_alone);
        let Some(progress) = self.logs.get_mut(log).filter(|progress| progress.start.is_some()) else {
            return;
        };
        if version > progress.upto {
            if began_alone {
                progress.acked_alone.insert(version);
            }
            progress.own.insert(version);
            progress.seen.insert(version, id);
            progress.close_ranks();
        }
    }

    fn refused(&mut self, seq: u64, stored: Stored, ledger: &mut Ledger, now: Duration) {
        let Some((link, id)) = self.answered(seq) else { return };
        ledger.answered(&id, link, Outcome::Refused(stored), now);
        if stored == Stored::No || !self.person.resends {
            self.unanswered.retain(|(unanswered, _)| *unanswered != id);
        }
    }

    fn pushed(&mut self, log: &LogName, entry: &Entry, ledger: &mut Ledger) {
        let (node, version) = (self.node, entry.version);
        let Some(progress) = self.logs.get_mut(log) else {
            return ledger.broken(|| format!("{node} is pushed {log}, which it does not read"));
        };
        if progress.acked_alone.remove(&version) {
            return;
        }
        if version <= progress.upto {
            ledger.broken(|| format!("{node} is pushed {log} version {version} again"));
        } else if progress.own.contains(&version) {
            ledger.broken(|| {
                format!("{node} is pushed {log} version {version}, its own that was acknowledged")
            });
        } else if let Some(missing) = progress.missing_before(version) {
            ledger.broken(|| format!("{node} is pushed {log} version {version} before version {missing}"));
        }
        progress.seen.insert(version, id_of(&entry.content));
        progress.upto = progress.upto.max(version);
        progress.close_ranks();
    }

    fn told_gone(&mut self, log: &LogName, after: Version, upto: Version, ledger: &mut Ledger) {
        let node = self.node;
        let Some(progress) = self.logs.get_mut(log) else { return };
        if after > progress.upto && progress.missing_before(after.next()).is_some() {
            ledger.broken(|| format!("{node} is told that {log} is gone after {after}, and has less"));
        }
        progress.gone.push((after, upto));
        progress.upto = progress.upto.max(upto);
        progress.close_ranks();
    }
}

impl Progress {
    /// What it has beyond a hole joins what is before once the hole is filled.
    fn close_ranks(&mut self) {
        while self.own.remove(&self.upto.next()) {
            self.upto = self.upto.next();
        }
        let upto = self.upto;
        self.own.retain(|own| *own > upto);
    }

    /// The first version before this one that it has not.
    fn missing_before(&self, version: Version) -> Option<Version> {
        (self.upto.0 + 1..version.0).map(Version).find(|before| !self.own.contains(before))
    }
}
