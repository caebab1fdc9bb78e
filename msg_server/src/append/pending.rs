//! Appends that no manager has answered yet: in order for each log, sent again when the owner changes. Plain code: events and
//! time in, frames to send out.
//!
//! Invariants:
//! - the appends of one log are sent to one manager at a time, in the order in which they were submitted;
//! - when that manager's link ends, or another becomes the owner, all that are unanswered go to the new owner, in order
//!   (sending again is harmless: the store knows sender and id);
//! - of what a manager was sent, at most a window of bytes is unanswered, or one append that alone is larger; what does not
//!   fit waits in order, so that a manager that comes back to much finds a link that stands;
//! - after its bounded wait an append is given up and says whether it may have been stored; if it may, and its answer comes
//!   yet, it is still known what was stored, so that it can be published;
//! - a refusal counts if it comes from where the append was sent to last; one that was sent twice may be stored all the same.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use bytes::Bytes;
use mesh::link::LinkId;
use protocol::event::Stored;
use protocol::ids::LogName;
use protocol::ownership;

/// A manager that is linked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagerLink {
    /// This incarnation of its link.
    pub link: LinkId,
    /// Its configured `UUID`, by which ownership is decided.
    pub uuid: String,
}

/// Bytes of frames that are kept for late answers; of what is beyond, the oldest are forgotten.
const LATE_BYTES: usize = 1024 * 1024;

/// One append that waits for its answer.
#[derive(Debug)]
pub struct Unanswered<O> {
    /// The log, or the sender's inbox.
    pub log: LogName,
    /// The whole frame, as it is sent and sent again.
    pub frame: Bytes,
    /// Whom the answer is for.
    pub origin: O,
    /// When it is given up.
    pub deadline: Instant,
    /// It was: only what is stored of it concerns anybody now.
    pub given_up: bool,
    sent_to: Option<LinkId>,
    sendings: u32,
}

impl<O> Unanswered<O> {
    /// Whether it may have been stored although nobody answered.
    fn stored(&self) -> Stored {
        if self.sendings > 0 { Stored::Maybe } else { Stored::No }
    }

    /// Whether it may have been stored, where a manager refused it and says so: what another manager did with it before,
    /// this one does not know.
    pub fn certainty(&self, said: Stored) -> Stored {
        if self.sendings > 1 { Stored::Maybe } else { said }
    }
}

/// An append that nobody answered in time.
#[derive(Debug)]
pub struct GivenUp<O> {
    /// Whom the answer was for.
    pub origin: O,
    /// Whether it may have been stored.
    pub stored: Stored,
}

/// A frame for a manager.
pub type Outgoing = (LinkId, Bytes);

/// The unanswered appends of a share of the logs.
#[derive(Debug)]
pub struct Pending<O> {
    window: usize,
    managers: Vec<ManagerLink>,
    lanes: Vec<Lane>,
    unanswered: BTreeMap<u64, Unanswered<O>>,
    /// Given up, and sent to a manager that may answer yet.
    late: BTreeMap<u64, Unanswered<O>>,
    late_bytes: usize,
}

/// What one manager has to answer before it is sent more.
#[derive(Debug)]
struct Lane {
    link: LinkId,
    /// Bytes that it was sent and has not answered.
    in_flight: usize,
    /// What waits for its turn, in order. Some of it may have been given up since.
    held: VecDeque<u64>,
}

/// What is no longer waited for, and what is to be sent, in order, now that it is not.
pub type Settled<T> = (T, Vec<Outgoing>);

impl<O: Clone> Pending<O> {
    /// None yet. Each manager is sent at most `window` bytes that it has not answered.
    pub fn new(window: usize) -> Self {
        let (unanswered, late) = (BTreeMap::new(), BTreeMap::new());
        Self { window, managers: Vec::new(), lanes: Vec::new(), unanswered, late, late_bytes: 0 }
    }

    /// Takes an append under its number, which is greater than that of any before. Returns what to send, if there is an owner
    /// that has room.
    pub fn submit(
        &mut self,
        ask: u64,
        log: LogName,
        frame: Bytes,
        origin: O,
        deadline: Instant,
    ) -> Option<Outgoing> {
        let given_up = false;
        let append = Unanswered { log, frame, origin, deadline, given_up, sent_to: None, sendings: 0 };
        self.unanswered.insert(ask, append);
        self.offer(ask)
    }

    /// It was stored: settles the append, unless that was answered before.
    pub fn answered(&mut self, ask: u64) -> Settled<Option<Unanswered<O>>> {
        match self.forget(ask) {
            Some(late) => (Some(late), Vec::new()),
            None => self.settle(ask),
        }
    }

    /// A refusal came over this link: settles the append it is for, unless that was given up, or another manager has it by now,
    /// whose answer is the one that counts.
    pub fn refused(&mut self, ask: u64, link: LinkId) -> Settled<Option<Unanswered<O>>> {
        self.forget(ask);
        match self.unanswered.get(&ask) {
            Some(append) if append.sent_to == Some(link) => self.settle(ask),
            _ => (None, Vec::new()),
        }
    }

    /// Gives up what has waited too long.
    pub fn expire(&mut self, now: Instant) -> Settled<Vec<GivenUp<O>>> {
        let late = self.unanswered.iter().filter(|(_, append)| append.deadline <= now);
        let late: Vec<u64> = late.map(|(ask, _)| *ask).collect();
        (late.into_iter().filter_map(|ask| self.give_up(ask)).collect(), self.release())
    }

    fn give_up(&mut self, ask: u64) -> Option<GivenUp<O>> {
        let append = self.take(ask)?;
        let given_up = GivenUp { origin: append.origin.clone(), stored: append.stored() };
        if append.sent_to.is_some_and(|link| self.is_linked(link)) {
            self.late_bytes += append.frame.len();
            self.late.insert(ask, Unanswered { given_up: true, ..append });
        }
        while self.late_bytes > LATE_BYTES {
            let oldest = *self.late.first_key_value()?.0;
            self.forget(oldest);
        }
        Some(given_up)
    }

    fn is_linked(&self, link: LinkId) -> bool {
        self.managers.iter().any(|manager| manager.link == link)
    }

    /// What was sent to a manager that is linked no longer is answered by nobody.
    fn forget_unanswerable(&mut self) {
        let gone = |append: &Unanswered<O>| !append.sent_to.is_some_and(|link| self.is_linked(link));
        let gone = self.late.iter().filter(|(_, append)| gone(append)).map(|(ask, _)| *ask);
        for ask in gone.collect::<Vec<_>>() {
            self.forget(ask);
        }
    }

    fn forget(&mut self, ask: u64) -> Option<Unanswered<O>> {
        let append = self.late.remove(&ask)?;
        self.late_bytes -= append.frame.len();
        Some(append)
    }

    /// How many that were given up may still be answered.
    pub fn late(&self) -> usize {
        self.late.len()
    }

    fn settle(&mut self, ask: u64) -> Settled<Option<Unanswered<O>>> {
        (self.take(ask), self.release())
    }

    fn take(&mut self, ask: u64) -> Option<Unanswered<O>> {
        let append = self.unanswered.remove(&ask)?;
        if let Some(lane) = self.lanes.iter_mut().find(|lane| append.sent_to == Some(lane.link)) {
            lane.in_flight -= append.frame.len();
        }
        Some(append)
    }

    /// These managers are linked from now on. Returns what has to be sent, in order.
    pub fn managers_changed(&mut self, managers: Vec<ManagerLink>) -> Vec<Outgoing> {
        self.lanes = managers.iter().map(|manager| Lane::new(manager.link)).collect();
        self.managers = managers;
        self.forget_unanswerable();
        let mut moved = Vec::new();
        for (ask, append) in &mut self.unanswered {
            let owner = owner(&self.managers, &append.log);
            match self.lanes.iter_mut().find(|lane| owner == Some(lane.link)) {
                Some(lane) if append.sent_to == owner => lane.in_flight += append.frame.len(),
                _ => moved.push(*ask),
            }
        }
        moved.into_iter().filter_map(|ask| self.offer(ask)).collect()
    }

    /// The append for its owner, unless that has to answer others first: then it waits behind them.
    fn offer(&mut self, ask: u64) -> Option<Outgoing> {
        let append = self.unanswered.get_mut(&ask)?;
        append.sent_to = None;
        let owner = owner(&self.managers, &append.log)?;
        let lane = self.lanes.iter_mut().find(|lane| lane.link == owner)?;
        if !lane.held.is_empty() || !lane.has_room(append.frame.len(), self.window) {
            lane.held.push_back(ask);
            return None;
        }
        Some(lane.send(append))
    }

    /// What waited for its turn and has it now.
    fn release(&mut self) -> Vec<Outgoing> {
        let mut released = Vec::new();
        for lane in &mut self.lanes {
            while let Some(ask) = lane.held.front() {
                match self.unanswered.get_mut(ask) {
                    Some(append) if !lane.has_room(append.frame.len(), self.window) => break,
                    Some(append) => released.push(lane.send(append)),
                    None => {}
                }
                lane.held.pop_front();
            }
        }
        released
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.unanswered.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.unanswered.is_empty()
    }
}

fn owner(managers: &[ManagerLink], log: &LogName) -> Option<LinkId> {
    ownership::owner(log, managers, |manager| &manager.uuid).map(|manager| manager.link)
}

impl Lane {
    fn new(link: LinkId) -> Self {
        Self { link, in_flight: 0, held: VecDeque::new() }
    }

    fn has_room(&self, bytes: usize, window: usize) -> bool {
        self.in_flight == 0 || self.in_flight + bytes <= window
    }

    fn send<O>(&mut self, append: &mut Unanswered<O>) -> Outgoing {
        self.in_flight += append.frame.len();
        append.sent_to = Some(self.link);
        append.sendings += 1;
        (self.link, append.frame.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// More than all that a test sends, where it is not about the window.
    const WINDOW: usize = 1_000;

    fn manager(link: u64, uuid: &str) -> ManagerLink {
        ManagerLink { link: LinkId(link), uuid: uuid.into() }
    }

    fn log(name: &str) -> LogName {
        LogName::new(name).unwrap()
    }

    fn submit(pending: &mut Pending<u32>, ask: u64, name: &str, now: Instant) -> Option<LinkId> {
        let frame = Bytes::from(ask.to_string());
        let sent = pending.submit(ask, log(name), frame, ask as u32, now + Duration::from_secs(1));
        sent.map(|(link, _)| link)
    }

    #[test]
    fn what_was_not_answered_is_sent_again_in_order_over_the_next_link() {
        let (now, mut pending) = (Instant::now(), Pending::new(WINDOW));
        pending.managers_changed(vec![manager(1, "18000")]);
        for ask in 1..=4 {
            assert_eq!(submit(&mut pending, ask, "u/amy", now), Some(LinkId(1)));
        }
        assert_eq!(pending.answered(2).0.unwrap().origin, 2);
        assert!(pending.managers_changed(vec![]).is_empty());
        assert_eq!(submit(&mut pending, 5, "u/amy", now), None);
        let again = pending.managers_changed(vec![manager(2, "18000")]);
        let frames: Vec<_> = again.iter().map(|(link, frame)| (link.0, &frame[..])).collect();
        assert_eq!(frames, [(2, &b"1"[..]), (2, b"3"), (2, b"4"), (2, b"5")]);
        assert!(pending.answered(2).0.is_none());
    }

    #[test]
    fn only_what_moved_to_another_owner_is_sent_again() {
        let (now, mut pending) = (Instant::now(), Pending::new(WINDOW));
        pending.managers_changed(vec![manager(1, "a")]);
        for ask in 0..100 {
            submit(&mut pending, ask, &format!("u/user{ask}"), now);
        }
        let both = vec![manager(1, "a"), manager(2, "b")];
        let moved = pending.managers_changed(both.clone());
        assert!(moved.iter().all(|(link, _)| *link == LinkId(2)));
        assert!((25..75).contains(&moved.len()), "{}", moved.len());
        assert!(pending.managers_changed(both).is_empty());
    }

    #[test]
    fn a_refusal_counts_if_it_comes_from_where_the_append_is_now() {
        let (now, mut pending) = (Instant::now(), Pending::new(WINDOW));
        pending.managers_changed(vec![manager(1, "18000")]);
        submit(&mut pending, 1, "u/amy", now);
        submit(&mut pending, 2, "u/amy", now);
        assert_eq!(pending.refused(1, LinkId(1)).0.unwrap().certainty(Stored::No), Stored::No);
        pending.managers_changed(vec![manager(2, "18000")]);
        assert!(pending.refused(2, LinkId(1)).0.is_none());
        assert_eq!(pending.refused(2, LinkId(2)).0.unwrap().certainty(Stored::No), Stored::Maybe);
    }

    #[test]
    fn what_was_given_up_is_known_for_as_long_as_it_may_be_answered() {
        let (now, mut pending) = (Instant::now(), Pending::new(WINDOW));
        pending.managers_changed(vec![manager(1, "18000")]);
        for ask in 1..=3 {
            submit(&mut pending, ask, "u/amy", now);
        }
        assert_eq!(pending.expire(now + Duration::from_secs(1)).0.len(), 3);
        assert_eq!((pending.len(), pending.late()), (0, 3));
        assert!(pending.refused(1, LinkId(1)).0.is_none());
        assert!(pending.answered(1).0.is_none());
        assert!(pending.answered(2).0.is_some_and(|append| append.given_up));
        assert!(pending.answered(2).0.is_none());
        pending.managers_changed(vec![]);
        assert_eq!((pending.answered(3).0.is_some(), pending.late_bytes), (false, 0));
    }

    #[test]
    fn what_is_kept_for_late_answers_is_bounded() {
        let (now, mut pending) = (Instant::now(), Pending::new(LATE_BYTES * 10));
        pending.managers_changed(vec![manager(1, "18000")]);
        for ask in 1..=10 {
            let frame = Bytes::from(vec![0; LATE_BYTES / 4]);
            pending.submit(ask, log("u/amy"), frame, ask, now);
        }
        assert_eq!(pending.expire(now).0.len(), 10);
        assert_eq!((pending.late(), pending.late_bytes), (4, LATE_BYTES));
        assert!(pending.answered(6).0.is_none() && pending.answered(7).0.is_some());
    }

    #[test]
    fn one_that_was_never_sent_is_surely_not_stored() {
        let (now, mut pending) = (Instant::now(), Pending::new(WINDOW));
        submit(&mut pending, 1, "u/amy", now);
        assert!(pending.expire(now).0.is_empty());
        let given_up = pending.expire(now + Duration::from_secs(1)).0;
        assert_eq!(given_up[0].stored, Stored::No);
        pending.managers_changed(vec![manager(1, "a")]);
        submit(&mut pending, 2, "u/amy", now);
        assert_eq!(pending.expire(now + Duration::from_secs(1)).0[0].stored, Stored::Maybe);
        assert!(pending.is_empty());
    }

    /// The appends that go out, by what their frames say.
    fn sent(outgoing: &[Outgoing]) -> Vec<&[u8]> {
        outgoing.iter().map(|(_, frame)| &frame[..]).collect()
    }

    #[test]
    fn a_manager_is_sent_no_more_than_the_window_before_it_answers() {
        let (now, mut pending) = (Instant::now(), Pending::new(3));
        for ask in 1..=7 {
            submit(&mut pending, ask, if ask % 2 == 0 { "u/amy" } else { "t/garden" }, now);
        }
        assert_eq!(sent(&pending.managers_changed(vec![manager(1, "18000")])), [b"1", b"2", b"3"]);
        assert_eq!(submit(&mut pending, 8, "u/bob", now), None);
        assert_eq!(sent(&pending.answered(2).1), [b"4"]);
        assert_eq!(sent(&pending.refused(1, LinkId(1)).1), [b"5"]);
        assert_eq!(sent(&pending.managers_changed(vec![manager(2, "18000")])), [b"3", b"4", b"5"]);
        for ask in 3..=5 {
            assert_eq!(pending.answered(ask).1.len(), 1);
        }
        assert!(pending.refused(6, LinkId(1)).1.is_empty());
        assert!(pending.answered(6).1.is_empty());
        assert_eq!(pending.len(), 2);
    }

    #[test]
    fn what_waited_for_its_turn_and_was_given_up_is_never_sent() {
        let (now, mut pending) = (Instant::now(), Pending::new(1));
        pending.managers_changed(vec![manager(1, "18000")]);
        submit(&mut pending, 1, "u/amy", now + Duration::from_secs(9));
        submit(&mut pending, 2, "u/amy", now);
        submit(&mut pending, 3, "u/amy", now + Duration::from_secs(9));
        let given_up = pending.expire(now + Duration::from_secs(1));
        assert_eq!((given_up.0[0].origin, given_up.0[0].stored), (2, Stored::No));
        assert_eq!(sent(&pending.answered(1).1), [b"3"]);
    }

    #[test]
    fn one_append_above_the_window_goes_alone() {
        let (now, mut pending) = (Instant::now(), Pending::new(1));
        pending.managers_changed(vec![manager(1, "18000")]);
        assert_eq!(submit(&mut pending, 100, "u/amy", now), Some(LinkId(1)));
        assert_eq!(submit(&mut pending, 101, "u/amy", now), None);
        assert_eq!(sent(&pending.answered(100).1), [b"101"]);
    }
}
