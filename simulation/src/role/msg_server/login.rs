//! Sessions: logging in, with a manager or without, and saying from where to read.

use std::collections::BTreeMap;
use std::time::Duration;

use mesh::link::LinkId;
use msg_server::client::seniority::{self, Rank, Witness};
use msg_server::follow::feed::From;
use msg_server::links::roster::SessionRow;
use protocol::code::DisconnectCode;
use protocol::ids::{DeviceId, LogName, UserId, Version};
use protocol::link::request::{LogState, Notice, Request as Ask};

use super::questions::Question;
use super::{Alarm, MsgServer};
use crate::message::Event;
use crate::net::Net;
use crate::planted::Planted;

/// Without a manager, a login is answered after this time.
const MANAGER_WITHIN: Duration = Duration::from_secs(5);
/// A login that found no manager tries again after this time.
const AGAIN: Duration = Duration::from_millis(100);

/// One client's connection.
pub struct Session {
    pub(super) user: UserId,
    pub(super) device: DeviceId,
    pub(super) inbox: LogName,
    pub(super) stamp: u64,
    /// Logs that it follows.
    pub(super) logs: Vec<LogName>,
    announced: bool,
    answered: bool,
    known: Option<Vec<LogState>>,
    resumed: Option<BTreeMap<LogName, Version>>,
    /// When its login came.
    began: Duration,
    /// When a manager was asked last.
    asked: Duration,
}

impl Session {
    /// When its login was made, as far as is known.
    fn stamp_of(&self, told: Option<&Told>, net: &Net) -> u64 {
        let since = |at: Duration| at.saturating_sub(self.began);
        let witness = told.map(|told| Witness {
            stamp: told.stamp,
            asked_after: since(self.asked),
            answered_after: since(net.now()),
        });
        if let Some(told) = told.filter(|_| net.has(Planted::LoginsOfTheirAnswers)) {
            return told.stamp;
        }
        seniority::stamp(self.began.as_micros() as u64, witness)
    }
}

/// What a manager told at a login.
pub struct Told {
    pub(super) stamp: u64,
    pub(super) logs: Vec<LogState>,
}

impl MsgServer {
    pub(super) fn log_in(&mut self, link: LinkId, user: UserId, device: DeviceId, net: &mut Net) {
        let session = Session {
            inbox: LogName::inbox(&user),
            user,
            device,
            stamp: 0,
            logs: Vec::new(),
            announced: false,
            answered: false,
            known: None,
            resumed: None,
            began: net.now(),
            asked: net.now(),
        };
        self.sessions.insert(link, session);
        self.ask_login(link, net);
    }

    pub(super) fn ask_login(&mut self, link: LinkId, net: &mut Net) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        session.asked = net.now();
        let request = Ask::Login { user: session.user.clone(), device: Some(session.device.clone()) };
        let inbox = session.inbox.clone();
        if !self.ask(&inbox, &request, Question::Login(link), net) {
            self.login_failed(link, net);
        }
    }

    pub(super) fn login_failed(&mut self, link: LinkId, net: &mut Net) {
        let Some(session) = self.sessions.get(&link) else { return };
        if !session.answered && net.now() >= session.began + MANAGER_WITHIN {
            self.admit(link, None, net);
        }
        self.alarms.set(net.now() + AGAIN, Alarm::Login(link));
    }

    /// A manager told: the login is answered, or what was asked for since is done now.
    pub(super) fn admit(&mut self, link: LinkId, told: Option<Told>, net: &mut Net) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        let stamp = session.stamp_of(told.as_ref(), net);
        if !std::mem::replace(&mut session.announced, true) || session.stamp != stamp {
            self.enter(link, stamp, net);
        }
        let Some(session) = self.sessions.get_mut(&link) else { return };
        let inbox = session.inbox.clone();
        let first = !std::mem::replace(&mut session.answered, true);
        let has_resumed = session.resumed.is_some();
        let logs = told.map(|told| told.logs);
        if logs.is_some() {
            session.known.clone_from(&logs);
        }
        if first {
            self.tell(link, Event::LoggedIn(logs), net);
        }
        self.follow(link, &inbox, From::Later, net);
        if !first && has_resumed {
            self.resume_known(link, net);
        }
    }

    /// The session is one of this msg_server's from now on; of one device's sessions the latest stays.
    fn enter(&mut self, link: LinkId, stamp: u64, net: &mut Net) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        session.stamp = stamp;
        let (user, device) = (session.user.clone(), session.device.clone());
        let row = SessionRow { inbox: session.inbox.clone(), device: Some(device.to_string()), stamp };
        let node = self.node;
        self.roster.session_begins(link.0, row, &mut |link, frame| net.frame(node, link, frame));
        if let Some(latest) = self.ranks(&user, &device).max() {
            let latest = (latest.stamp, latest.session);
            let outlived = |rank: &Rank<'_>| (rank.stamp, rank.session) < latest;
            let outlived: Vec<u64> =
                self.ranks(&user, &device).filter(outlived).map(|rank| rank.session).collect();
            self.replace(outlived, net);
        }
    }

    /// The places of the device's logins here.
    fn ranks(&self, user: &UserId, device: &DeviceId) -> impl Iterator<Item = Rank<'_>> {
        let of_device =
            move |session: &&Session| session.announced && session.user == *user && session.device == *device;
        let sessions = self.sessions.iter().filter(move |(_, session)| of_device(session));
        sessions.map(|(link, session)| Rank { stamp: session.stamp, at: &self.address, session: link.0 })
    }

    fn replace(&mut self, sessions: Vec<u64>, net: &mut Net) {
        for session in sessions.into_iter().map(LinkId) {
            self.tell(session, Event::Ended(DisconnectCode::Replaced), net);
            self.ending.insert(session);
        }
    }

    pub(super) fn logged_in_elsewhere(
        &mut self,
        user: UserId,
        device: DeviceId,
        login: Rank<'_>,
        net: &mut Net,
    ) {
        let replaced = self.ranks(&user, &device).filter(|rank| *rank < login).map(|rank| rank.session);
        let replaced: Vec<u64> = replaced.collect();
        let later = self.ranks(&user, &device).filter(|rank| *rank > login).max().map(|rank| rank.stamp);
        self.replace(replaced, net);
        if let Some(stamp) = later {
            let at = self.address.clone();
            self.notify(&Notice::SessionBegan { user, device: Some(device), stamp, at }, net);
        }
    }

    pub(super) fn resume(&mut self, link: LinkId, positions: BTreeMap<LogName, Version>, net: &mut Net) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        let known = session.known.iter().flatten();
        let beyond: Vec<LogName> = known
            .filter(|log| positions.get(&log.log).is_some_and(|at| *at > log.head))
            .map(|log| log.log.clone())
            .collect();
        match beyond.first() {
            None => self.resumes(link, positions, net),
            Some(first) => {
                let (first, request) = (first.clone(), Ask::Bounds { logs: beyond });
                let question = Question::Heads(link, positions.clone());
                if !self.ask(&first, &request, question, net) {
                    self.resumes(link, positions, net);
                }
            }
        }
    }

    /// The owner told the heads of logs that are resumed beyond where login said that they end.
    pub(super) fn learn_heads(
        &mut self,
        link: LinkId,
        heads: Vec<Version>,
        positions: BTreeMap<LogName, Version>,
        net: &mut Net,
    ) {
        if let Some(session) = self.sessions.get_mut(&link) {
            let known = session.known.iter_mut().flatten();
            let beyond = known.filter(|log| positions.get(&log.log).is_some_and(|at| *at > log.head));
            for (log, head) in beyond.zip(heads) {
                log.head = log.head.max(head);
            }
        }
        self.resumes(link, positions, net);
    }

    fn resumes(&mut self, link: LinkId, positions: BTreeMap<LogName, Version>, net: &mut Net) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        let beyond = |log: &LogState| positions.get(&log.log).is_some_and(|at| *at > log.head);
        if session.known.iter().flatten().any(beyond) {
            self.tell(link, Event::Resumed { refused: true }, net);
            return;
        }
        session.resumed = Some(positions);
        let is_known = session.known.is_some();
        self.tell(link, Event::Resumed { refused: false }, net);
        if is_known {
            self.resume_known(link, net);
        }
    }

    /// Follows every log from where the session said, or from the head that login told.
    fn resume_known(&mut self, link: LinkId, net: &mut Net) {
        let Some(session) = self.sessions.get(&link) else { return };
        let (known, named) =
            (session.known.clone().unwrap_or_default(), session.resumed.clone().unwrap_or_default());
        for log in known.iter().filter(|log| !log.volatile) {
            let after = named.get(&log.log).copied().unwrap_or(log.head);
            self.follow(link, &log.log, From::After(after), net);
        }
    }

    pub(super) fn session_ended(&mut self, link: LinkId, net: &mut Net) {
        let Some(session) = self.sessions.remove(&link) else { return };
        for log in &session.logs {
            self.leave(link, log, net);
        }
        if session.announced {
            let node = self.node;
            self.roster.session_ends(link.0, &mut |link, frame| net.frame(node, link, frame));
        }
    }
}
