//! A msg_server: the real [`Feed`], [`Roster`] and [`Pending`], joined as the real shell joins them.

mod appends;
mod feeds;
mod links;
mod login;
mod questions;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mesh::link::LinkId;
use msg_server::append::pending::{ManagerLink, Pending};
use msg_server::follow::feed::Feed;
use msg_server::links::roster::Roster;
use protocol::ids::LogName;
use protocol::link::Frame;

use self::appends::{Origin, Said};
use self::links::Link;
use self::login::Session;
use self::questions::Question;
use crate::alarms::Alarms;
use crate::message::{Message, Request};
use crate::net::Net;
use crate::node::Node;
use crate::planted::Planted;

/// How long an early entry waits, as configured unless said otherwise.
const HOLE_WAIT: Duration = Duration::from_millis(50);
/// How often every followed log is asked for.
pub const ASK_INTERVAL: Duration = Duration::from_secs(60);

/// One msg_server, from its start to its end.
pub struct MsgServer {
    node: Node,
    /// By which clients and others reach it.
    address: String,
    /// How many messages wait for a session at most.
    queue: usize,
    links: BTreeMap<LinkId, Link>,
    roster: Roster<Follower>,
    managers: Vec<ManagerLink>,
    pending: Pending<Origin>,
    submitted: u64,
    asked: u64,
    questions: BTreeMap<u64, (LinkId, Question)>,
    /// Logs whose owner is to be asked as soon as there is one.
    unasked: Vec<Follower>,
    followed: BTreeMap<LogName, Followed>,
    incarnations: u64,
    sessions: BTreeMap<LinkId, Session>,
    alarms: Alarms<Alarm>,
    /// Connections that were told to end.
    ending: BTreeSet<LinkId>,
    /// Appends that were given up although they may be stored: nobody publishes them.
    pub orphans: u64,
}

/// One incarnation of a followed log.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Follower {
    log: LogName,
    incarnation: u64,
}

struct Followed {
    incarnation: u64,
    feed: Feed<LinkId>,
}

/// What is done later.
#[derive(Debug)]
enum Alarm {
    /// A hole has waited.
    Hole(Follower),
    /// A question that failed is asked again.
    Ask(Follower),
    /// A page that could not be read is read again.
    Read(questions::Reading),
    /// A login that found no manager tries again.
    Login(LinkId),
    /// A question took too long.
    Unanswered(u64),
    /// Appends may be too old.
    Expire,
    /// The slow question.
    Slow,
}

impl MsgServer {
    /// One that has just started; without `slowly` it does not ask the slow question by itself.
    pub fn new(node: Node, queue: usize, slowly: bool, net: &Net) -> Self {
        let mut alarms = Alarms::default();
        if slowly && !net.has(Planted::NoSlowQuestion) {
            alarms.set(net.now() + ASK_INTERVAL, Alarm::Slow);
        }
        Self {
            node,
            address: node.uuid(),
            queue,
            links: BTreeMap::new(),
            roster: Roster::default(),
            managers: Vec::new(),
            pending: Pending::new(appends::APPEND_WINDOW),
            submitted: 0,
            asked: 0,
            questions: BTreeMap::new(),
            unasked: Vec::new(),
            followed: BTreeMap::new(),
            incarnations: 0,
            sessions: BTreeMap::new(),
            alarms,
            ending: BTreeSet::new(),
            orphans: 0,
        }
    }

    /// Takes a message.
    pub fn received(&mut self, link: LinkId, message: Message, net: &mut Net) {
        match message {
            Message::Hello { uuid } => {
                self.links.insert(link, Link::new(uuid));
            }
            Message::Subscribe(channel) => self.subscribe(link, channel, net),
            Message::Frame(frame) => self.frame(link, &frame, net),
            Message::Request(request) => self.request(link, request, net),
            Message::Event(_) => {}
        }
    }

    fn frame(&mut self, link: LinkId, whole: &[u8], net: &mut Net) {
        let Ok(frame) = Frame::parse(whole.get(4..).unwrap_or_default()) else { return };
        match frame {
            Frame::Send(send) => self.forwarded(&send, net),
            Frame::Appended(appended) => self.appended(link, &appended, net),
            Frame::Page(page) => self.paged(&page, net),
            Frame::Answer(ask, json) => self.replied(ask, json, net),
            Frame::Confirm(confirm) => {
                let confirmed = self.roster.confirm(link, confirm);
                self.confirmed(confirmed, net);
            }
            Frame::Notice(json) => self.noticed(json, net),
            _ => {}
        }
    }

    fn request(&mut self, link: LinkId, request: Request, net: &mut Net) {
        match request {
            Request::Login { user, device } => self.log_in(link, user, device, net),
            Request::Resume(positions) => self.resume(link, positions, net),
            Request::Send { seq, id, to, ballast } => self.send(link, Said { seq, id, to, ballast }, net),
        }
    }

    /// A connection is known to be dead.
    pub fn ended(&mut self, link: LinkId, net: &mut Net) {
        net.shut(self.node, link);
        self.ending.remove(&link);
        if self.links.remove(&link).is_some() {
            self.link_ended(link, net);
        } else {
            self.session_ended(link, net);
        }
    }

    /// When something is to be done next.
    pub fn next_alarm(&self) -> Option<Duration> {
        self.alarms.next()
    }

    /// Does one thing that is due.
    pub fn ring(&mut self, net: &mut Net) {
        match self.alarms.take(net.now()) {
            Some(Alarm::Hole(follower)) => {
                let now = net.instant();
                self.with(&follower, net, |feed, steps| feed.tick(now, steps));
            }
            Some(Alarm::Ask(follower)) => {
                self.unasked.push(follower);
                self.ask_owners(net);
            }
            Some(Alarm::Read(reading)) => self.read(reading, net),
            Some(Alarm::Login(session)) => self.ask_login(session, net),
            Some(Alarm::Unanswered(ask)) => self.failed(ask, net),
            Some(Alarm::Expire) => self.give_up_late_appends(net),
            Some(Alarm::Slow) => {
                net.note(|| format!("{} asks the slow question", self.node));
                self.alarms.set(net.now() + ASK_INTERVAL, Alarm::Slow);
                self.recheck_all(net);
            }
            None => {}
        }
    }

    /// Asks the slow question now.
    pub fn ask_slowly(&mut self, net: &mut Net) {
        if !net.has(Planted::NoSlowQuestion) {
            self.recheck_all(net);
        }
    }

    /// Connections that are to be shut, since they were told to end.
    pub fn take_ending(&mut self) -> Vec<LinkId> {
        std::mem::take(&mut self.ending).into_iter().collect()
    }
}
