//! A manager: the real edge, answers and stamps before the model store, whose content survives whoever dies.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use manager::answers::{self, IntoStored};
use manager::edge::{self, Checked};
use manager::holds::Holds;
use manager::stamps::Stamps;
use mesh::link::LinkId;
use protocol::access::Act;
use protocol::channel::Channel;
use protocol::code::ErrorCode;
use protocol::content::Content;
use protocol::event::Stored as Certain;
use protocol::ids::{LogName, Time, UserId, Version};
use protocol::link::request::{Reply, Request};
use protocol::link::{self, Frame, Page, PageEntry, Read};
use storage::conformance::ModelStore;
use storage::pair::complete_open_pairs;
use storage::{AppendError, LoggedIn, ReadRange, Store, TopicError};

use crate::alarms::Alarms;
use crate::message::Message;
use crate::net::Net;
use crate::node::Node;
use crate::planted::Planted;

/// A pair that is younger is still being written by whoever began it; and how often is looked.
const PAIRS: Duration = Duration::from_secs(5);
/// What the model store's clock shows when the virtual time begins, in milliseconds.
const STORE_EPOCH: u64 = 1_000_000;

/// One manager, from its start to its end.
pub struct Manager {
    node: Node,
    store: ModelStore,
    stamps: Stamps,
    /// Appends that came and are not committed.
    gathered: VecDeque<(LinkId, u64, Checked)>,
    /// What is committed or read, and not answered.
    answers: VecDeque<(LinkId, Bytes)>,
    busy: bool,
    draining: bool,
    alarms: Alarms<()>,
    rewritten: u64,
    /// What it holds over each link, since it refused something as too much.
    held: BTreeMap<LinkId, Holds>,
    /// Pairs that were completed without their msg_server: nobody publishes their second halves.
    pub completed: usize,
}

impl Manager {
    /// One that has just started before this store.
    pub fn new(node: Node, store: ModelStore, net: &Net) -> Self {
        let mut alarms = Alarms::default();
        alarms.set(net.now(), ());
        Self {
            node,
            store,
            stamps: Stamps::default(),
            gathered: VecDeque::new(),
            answers: VecDeque::new(),
            busy: false,
            draining: false,
            alarms,
            rewritten: 0,
            held: BTreeMap::new(),
            completed: 0,
        }
    }

    /// A link stands.
    pub fn up(&mut self, link: LinkId, net: &mut Net) {
        net.send(self.node, link, Message::Hello { uuid: self.node.uuid() });
        for channel in [Channel::StoreMessage, Channel::StoreClientInfo, Channel::StoreTopicInfo] {
            net.send(self.node, link, Message::Subscribe(channel));
        }
    }

    /// Takes a message.
    pub fn received(&mut self, link: LinkId, message: &Message, net: &mut Net) {
        let Message::Frame(whole) = message else { return };
        match Frame::parse(whole.get(4..).unwrap_or_default()) {
            Ok(Frame::Append(append)) => self.gather(link, &append, net),
            Ok(Frame::Confirm(confirm)) => {
                self.held.entry(link).or_default().confirmed(confirm.number);
            }
            Ok(Frame::Read(read)) => {
                let page = self.page(&read);
                self.answers.push_back((link, page));
            }
            Ok(Frame::Ask(ask, json)) => {
                if let Ok(request) = serde_json::from_slice(json) {
                    let reply = self.reply(request, net);
                    let json = serde_json::to_vec(&reply).unwrap_or_default();
                    self.answers.push_back((link, Frame::Answer(ask, &json).to_bytes()));
                }
            }
            _ => {}
        }
    }

    fn gather(&mut self, link: LinkId, append: &link::Append<'_>, net: &Net) {
        match edge::check(append) {
            _ if self.draining => self.refuse(link, append.ask, ErrorCode::Draining),
            _ if self.busy || self.holds(link, append.log, net) => {
                self.held.entry(link).or_default().refuse(append.log);
                self.refuse(link, append.ask, ErrorCode::Busy);
            }
            Ok(checked) if net.has(Planted::NoDedupe) => {
                let checked = self.renamed(checked);
                self.gathered.push_back((link, append.ask, checked));
            }
            Ok(checked) => self.gathered.push_back((link, append.ask, checked)),
            Err(_) => self.refuse(link, append.ask, ErrorCode::BadRequest),
        }
    }

    fn holds(&self, link: LinkId, log: &str, net: &Net) -> bool {
        let holds = self.held.get(&link).is_some_and(|held| held.has(log));
        holds && !net.has(Planted::RefusalsOvertaken)
    }

    fn refuse(&mut self, link: LinkId, ask: u64, code: ErrorCode) {
        let mut frame = Vec::new();
        answers::put_refusal(&mut frame, ask, code, code.meaning(), Certain::No);
        self.answers.push_back((link, frame.into()));
    }

    /// Gives the message an id that the store has not seen.
    fn renamed(&mut self, checked: Checked) -> Checked {
        self.rewritten += 1;
        let name = |content: &[u8], number| {
            let content = Content::parse(content).unwrap_or(Content::void());
            let id = format!("{}-{number}", content.id);
            Content { id: &id, ..content }.to_bytes()
        };
        let unique = format!("{}{}", self.node, self.rewritten);
        match checked {
            Checked::One(mut one) => {
                one.content = name(&one.content, unique);
                Checked::One(one)
            }
            Checked::Pair { content, to_oneself } => {
                Checked::Pair { content: name(&content, unique), to_oneself }
            }
        }
    }

    /// Whether it refuses everything as too much.
    pub fn is_busy(&self) -> bool {
        self.busy
    }

    /// It begins to refuse everything as too much, or ends that.
    pub fn set_busy(&mut self, busy: bool) {
        self.busy = busy;
    }

    /// From now on it takes nothing more.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// Whether it drains.
    pub fn is_draining(&self) -> bool {
        self.draining
    }

    /// How many appends wait to be committed.
    pub fn gathered(&self) -> usize {
        self.gathered.len()
    }

    /// Links whose appends wait to be committed.
    pub fn waiting_links(&self) -> BTreeSet<LinkId> {
        self.gathered.iter().map(|(link, ..)| *link).collect()
    }

    /// How many answers wait to be sent.
    pub fn answers(&self) -> usize {
        self.answers.len()
    }

    /// Has the store commit everything that was gathered, in order.
    pub fn commit(&mut self) {
        for (link, ask, checked) in std::mem::take(&mut self.gathered) {
            let mut frame = Vec::new();
            match checked {
                Checked::One(one) => put(&mut frame, ask, first(self.store.append(vec![one])), false),
                Checked::Pair { content, to_oneself } => {
                    put(&mut frame, ask, first(self.store.append_pair(vec![content])), to_oneself);
                }
            }
            self.answers.push_back((link, frame.into()));
        }
    }

    /// Sends one of the answers that wait; those of different tasks overtake one another.
    pub fn answer(&mut self, which: usize, net: &mut Net) {
        let length = self.answers.len().max(1);
        if let Some((link, frame)) = self.answers.remove(which % length) {
            net.frame(self.node, link, frame);
        }
    }

    fn page(&self, read: &Read<'_>) -> Bytes {
        let refuse = |code: ErrorCode| {
            Frame::Page(Page { ask: read.ask, refused: code.number(), ..Page::default() }).to_bytes()
        };
        if self.draining {
            return refuse(ErrorCode::Draining);
        }
        let Ok(log) = LogName::new(read.log) else { return refuse(ErrorCode::BadRequest) };
        let since = match read.reader.map_or(Ok(Version::ZERO), |reader| self.may_read(&log, reader)) {
            Ok(since) => since,
            Err(code) => return refuse(code),
        };
        let range = ReadRange {
            log,
            after: Version(read.after).max(since),
            max_entries: read.max_entries as usize,
            max_bytes: read.max_bytes as usize,
        };
        let Some(Ok(page)) = self.store.read(range).now_or_never() else {
            return refuse(ErrorCode::StoreFailed);
        };
        let entry =
            |entry: &'_ protocol::content::Entry| (entry.version.0, entry.time.0, entry.content.clone());
        let owned: Vec<_> = page.entries.iter().map(entry).collect();
        let entries = owned.iter().map(|(version, time, content)| PageEntry {
            version: *version,
            time: *time,
            content,
        });
        let page = Page {
            ask: read.ask,
            first: page.first.max(since.next()).0,
            head: page.head.0,
            entries: entries.collect(),
            refused: 0,
            revision: page.revision,
            since: since.0,
        };
        Frame::Page(page).to_bytes()
    }

    fn may_read(&self, log: &LogName, reader: &str) -> Result<Version, ErrorCode> {
        let reader = UserId::new(reader).map_err(|_| ErrorCode::BadRequest)?;
        match log.topic_name() {
            None if log.user().as_ref() == Some(&reader) => Ok(Version::ZERO),
            None => Err(ErrorCode::NotYourLog),
            Some(topic) => match self.store.may(Act::Read, topic, reader).now_or_never() {
                Some(Ok(since)) => Ok(since),
                Some(Err(TopicError::Refused(code))) => Err(code),
                Some(Err(TopicError::Store(_))) | None => Err(ErrorCode::StoreFailed),
            },
        }
    }

    fn reply(&mut self, request: Request, net: &Net) -> Reply {
        let failed = || Reply::refused(ErrorCode::StoreFailed);
        match request {
            _ if self.draining => Reply::refused(ErrorCode::Draining),
            Request::Login { user, device } => match self.store.log_in(user, device).now_or_never() {
                Some(Ok(found)) => {
                    let stamp = self.stamps.next(net.now().as_micros() as u64);
                    let LoggedIn { logs, revision, invites, .. } = found;
                    Reply::LoggedIn { stamp, logs, revision, invites, welcome: None }
                }
                _ => failed(),
            },
            Request::Bounds { logs } => match self.store.bounds(logs).now_or_never() {
                Some(Ok(bounds)) => Reply::Bounds { bounds },
                _ => failed(),
            },
            _ => Reply::refused(ErrorCode::UnknownCommand),
        }
    }

    /// When something is to be done next.
    pub fn next_alarm(&self) -> Option<Duration> {
        self.alarms.next()
    }

    /// Completes pairs that were left half, at the start and every few seconds.
    pub fn ring(&mut self, net: &mut Net) {
        if self.alarms.take(net.now()).is_none() {
            return;
        }
        self.alarms.set(net.now() + PAIRS, ());
        if net.has(Planted::PairsLeftHalf) {
            return;
        }
        let before =
            Time((STORE_EPOCH + net.now().as_millis() as u64).saturating_sub(PAIRS.as_millis() as u64));
        if let Some(Ok(done)) = complete_open_pairs(&self.store, before, 500).now_or_never() {
            self.completed += done.whole;
        }
    }
}

fn first<T: Clone + Send + 'static>(answer: storage::Answer<Vec<T>>) -> Option<T> {
    answer.now_or_never()?.pop()
}

fn put<T: IntoStored>(
    frame: &mut Vec<u8>,
    ask: u64,
    result: Option<Result<T, AppendError>>,
    to_oneself: bool,
) {
    match result {
        Some(Ok(stored)) => answers::put_stored(frame, ask, stored.into_stored(to_oneself)),
        Some(Err(error)) => answers::put_error(frame, ask, &error),
        // The model store answers at once.
        None => {}
    }
}
