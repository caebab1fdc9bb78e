//! What managers are asked, and asked again.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use mesh::link::LinkId;
use msg_server::follow::feed::Whom;
use msg_server::follow::pages::{Verdict, verdict};
use protocol::content::Entry;
use protocol::ids::{LogName, Time, Version};
use protocol::link::request::{Reply, Request};
use protocol::link::{Frame, Page, Read};
use protocol::ownership;

use super::login::Told;
use super::{Alarm, Follower, MsgServer};
use crate::net::Net;

/// A question may take this long.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// A question about bounds that failed is asked again after this time.
const AGAIN: Duration = Duration::from_millis(100);
/// Waits between attempts to read a page.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// So often is looked whether a session has room.
const LOOK_FOR_ROOM: Duration = Duration::from_millis(20);
/// Entries of one page: few, so that short histories have several pages.
const PAGE_ENTRIES: u64 = 3;

/// A question whose answer is waited for, and over which link it went.
pub enum Question {
    /// Bounds of logs.
    Bounds(Vec<Follower>),
    /// A page.
    Page(Reading),
    /// A login.
    Login(LinkId),
    /// Heads, before a session may resume there.
    Heads(LinkId, BTreeMap<LogName, Version>),
}

/// A page that a feed wants.
#[derive(Debug, Clone)]
pub struct Reading {
    follower: Follower,
    whom: Whom<LinkId>,
    after: Version,
    wait: Duration,
}

impl Reading {
    pub(super) fn new(follower: Follower, whom: Whom<LinkId>, after: Version) -> Self {
        Self { follower, whom, after, wait: FIRST_WAIT }
    }
}

impl MsgServer {
    /// Asks the owner of a log. False if no manager is linked.
    pub(super) fn ask(
        &mut self,
        log: &LogName,
        request: &Request,
        question: Question,
        net: &mut Net,
    ) -> bool {
        let json = serde_json::to_vec(request).unwrap_or_default();
        self.exchange(log, question, |ask| Frame::Ask(ask, &json).to_bytes(), net)
    }

    fn exchange(
        &mut self,
        log: &LogName,
        question: Question,
        frame: impl FnOnce(u64) -> Bytes,
        net: &mut Net,
    ) -> bool {
        let Some(manager) = ownership::owner(log, &self.managers, |manager| &manager.uuid) else {
            return false;
        };
        self.asked += 1;
        // Asks are numbered for all managers alike, so that an answer finds its question whoever gives it.
        self.questions.insert(self.asked, (manager.link, question));
        self.alarms.set(net.now() + ANSWER_WITHIN, Alarm::Unanswered(self.asked));
        net.frame(self.node, manager.link, frame(self.asked));
        true
    }

    /// Asks for whatever waits, if there is a manager; in batches by owner.
    pub(super) fn ask_owners(&mut self, net: &mut Net) {
        if self.managers.is_empty() {
            return;
        }
        let mut by_owner: BTreeMap<Option<LinkId>, Vec<Follower>> = BTreeMap::new();
        for follower in std::mem::take(&mut self.unasked) {
            let owner = ownership::owner(&follower.log, &self.managers, |manager| &manager.uuid);
            by_owner.entry(owner.map(|owner| owner.link)).or_default().push(follower);
        }
        for followers in by_owner.into_values() {
            let logs = followers.iter().map(|follower| follower.log.clone()).collect();
            let first = followers[0].log.clone();
            self.ask(&first, &Request::Bounds { logs }, Question::Bounds(followers), net);
        }
    }

    pub(super) fn read(&mut self, reading: Reading, net: &mut Net) {
        let (log, after) = (reading.follower.log.clone(), reading.after);
        let reader = match reading.whom {
            Whom::Feed => None,
            // Pages are read when the session has taken what waits for it.
            Whom::Reader(session) if net.on_the_way(self.node, session) > 0 => {
                return self.alarms.set(net.now() + LOOK_FOR_ROOM, Alarm::Read(reading));
            }
            Whom::Reader(session) => match self.sessions.get(&session) {
                Some(session) => Some(session.user.clone()),
                None => return,
            },
        };
        let frame = |ask| {
            let (log, reader) = (log.as_str(), reader.as_ref().map(|user| user.as_str()));
            let read =
                Read { ask, log, reader, after: after.0, max_entries: PAGE_ENTRIES, max_bytes: 1 << 20 };
            Frame::Read(read).to_bytes()
        };
        if !self.exchange(&log, Question::Page(reading.clone()), frame, net) {
            self.read_later(reading, net);
        }
    }

    fn read_later(&mut self, mut reading: Reading, net: &mut Net) {
        if self.with(&reading.follower.clone(), net, |_, _| {}) {
            let at = net.now() + reading.wait;
            reading.wait = (reading.wait * 2).min(LONGEST_WAIT);
            self.alarms.set(at, Alarm::Read(reading));
        }
    }

    pub(super) fn paged(&mut self, page: &Page<'_>, net: &mut Net) {
        let Some((_, Question::Page(reading))) = self.questions.remove(&page.ask) else { return };
        let head = Version(page.head);
        match verdict(reading.after, page.entries.len(), head, page.refused) {
            Verdict::Again => self.read_later(reading, net),
            Verdict::Refused => {
                if let Whom::Reader(session) = reading.whom {
                    self.leave(session, &reading.follower.log, net);
                }
            }
            Verdict::Hand => {
                let entries: Vec<Entry> = page
                    .entries
                    .iter()
                    .map(|entry| Entry {
                        version: Version(entry.version),
                        time: Time(entry.time),
                        content: Bytes::copy_from_slice(entry.content),
                    })
                    .collect();
                let now = net.instant();
                self.with(&reading.follower, net, |feed, steps| {
                    feed.page(reading.whom, &entries, head, now, steps)
                });
            }
        }
    }

    pub(super) fn replied(&mut self, ask: u64, json: &[u8], net: &mut Net) {
        let Ok(reply) = serde_json::from_slice::<Reply>(json) else { return };
        let Some((_, question)) = self.questions.remove(&ask) else { return };
        match (question, reply) {
            (Question::Bounds(followers), Reply::Bounds { bounds }) if bounds.len() == followers.len() => {
                let now = net.instant();
                for (follower, bounds) in followers.iter().zip(bounds) {
                    self.with(follower, net, |feed, steps| feed.bounds(bounds.head, now, steps));
                }
            }
            (Question::Login(session), Reply::LoggedIn { stamp, logs, .. }) => {
                self.admit(session, Some(Told { stamp, logs }), net);
            }
            (Question::Heads(session, positions), Reply::Bounds { bounds }) => {
                let heads = bounds.iter().map(|bounds| bounds.head).collect();
                self.learn_heads(session, heads, positions, net);
            }
            (question, _) => self.question_failed(question, net),
        }
    }

    /// A question was not answered in time, or its link ended.
    pub(super) fn failed(&mut self, ask: u64, net: &mut Net) {
        if let Some((_, question)) = self.questions.remove(&ask) {
            self.question_failed(question, net);
        }
    }

    fn question_failed(&mut self, question: Question, net: &mut Net) {
        match question {
            Question::Bounds(followers) => {
                for follower in followers {
                    self.alarms.set(net.now() + AGAIN, Alarm::Ask(follower));
                }
            }
            Question::Page(reading) => self.read_later(reading, net),
            Question::Login(session) => self.login_failed(session, net),
            Question::Heads(session, positions) => self.learn_heads(session, Vec::new(), positions, net),
        }
    }

    pub(super) fn fail_questions_of(&mut self, link: LinkId, net: &mut Net) {
        let over = self.questions.iter().filter(|(_, (over, _))| *over == link);
        let failed: Vec<u64> = over.map(|(ask, _)| *ask).collect();
        for ask in failed {
            self.failed(ask, net);
        }
    }
}
