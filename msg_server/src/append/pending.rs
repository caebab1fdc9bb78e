//! Appends that no manager has answered yet: in order for each log, sent again when the owner changes. Plain code: events and
//! time in, frames to send out.
//!
//! Invariants:
//! - the appends of one log are sent to one manager at a time, in the order in which they were submitted;
//! - when that manager's link ends, or another becomes the owner, all that are unanswered go to the new owner, in order
//!   (sending again is harmless: the store knows sender and id);
//! - after its bounded wait an append is given up and says whether it may have been stored;
//! - a refusal counts if it comes from where the append was sent to last; one that was sent twice may be stored all the same.

use std::collections::BTreeMap;
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
    sent_to: Option<LinkId>,
    sendings: u32,
}

impl<O> Unanswered<O> {
    /// Whether it may have been stored although nobody answered.
    pub fn stored(&self) -> Stored {
        if self.sendings > 0 { Stored::Maybe } else { Stored::No }
    }

    /// Whether it may have been stored, where a manager refused it and says so: what another manager did with it before,
    /// this one does not know.
    pub fn certainty(&self, said: Stored) -> Stored {
        if self.sendings > 1 { Stored::Maybe } else { said }
    }
}

/// A frame for a manager.
pub type Outgoing = (LinkId, Bytes);

/// The unanswered appends of a share of the logs.
#[derive(Debug)]
pub struct Pending<O> {
    managers: Vec<ManagerLink>,
    unanswered: BTreeMap<u64, Unanswered<O>>,
}

impl<O> Default for Pending<O> {
    fn default() -> Self {
        Self { managers: Vec::new(), unanswered: BTreeMap::new() }
    }
}

impl<O> Pending<O> {
    /// Takes an append under its number, which is greater than that of any before. Returns what to send, if there is an owner.
    pub fn submit(
        &mut self,
        ask: u64,
        log: LogName,
        frame: Bytes,
        origin: O,
        deadline: Instant,
    ) -> Option<Outgoing> {
        let mut append = Unanswered { log, frame, origin, deadline, sent_to: None, sendings: 0 };
        let outgoing = append.send(&self.managers);
        self.unanswered.insert(ask, append);
        outgoing
    }

    /// An answer came: the append it is for, unless that was answered or given up before.
    pub fn answered(&mut self, ask: u64) -> Option<Unanswered<O>> {
        self.unanswered.remove(&ask)
    }

    /// A refusal came over this link: the append it is for, unless another manager has it by now, whose answer is the one
    /// that counts.
    pub fn refused(&mut self, ask: u64, link: LinkId) -> Option<Unanswered<O>> {
        self.unanswered.get(&ask).filter(|append| append.sent_to == Some(link))?;
        self.unanswered.remove(&ask)
    }

    /// These managers are linked from now on. Returns what has to be sent, in order.
    pub fn managers_changed(&mut self, managers: Vec<ManagerLink>) -> Vec<Outgoing> {
        self.managers = managers;
        self.unanswered.values_mut().filter_map(|append| append.send(&self.managers)).collect()
    }

    /// Gives up what has waited too long.
    pub fn expire(&mut self, now: Instant) -> Vec<Unanswered<O>> {
        let late: Vec<u64> = self
            .unanswered
            .iter()
            .filter(|(_, append)| append.deadline <= now)
            .map(|(ask, _)| *ask)
            .collect();
        late.iter().filter_map(|ask| self.unanswered.remove(ask)).collect()
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

impl<O> Unanswered<O> {
    /// The frame for the owner, unless this incarnation of its link has it already.
    fn send(&mut self, managers: &[ManagerLink]) -> Option<Outgoing> {
        let owner = ownership::owner(&self.log, managers, |manager| &manager.uuid)?.link;
        if self.sent_to == Some(owner) {
            return None;
        }
        self.sent_to = Some(owner);
        self.sendings += 1;
        Some((owner, self.frame.clone()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

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
        let (now, mut pending) = (Instant::now(), Pending::default());
        pending.managers_changed(vec![manager(1, "18000")]);
        for ask in 1..=4 {
            assert_eq!(submit(&mut pending, ask, "u/amy", now), Some(LinkId(1)));
        }
        assert_eq!(pending.answered(2).map(|append| append.origin), Some(2));
        assert!(pending.managers_changed(vec![]).is_empty());
        assert_eq!(submit(&mut pending, 5, "u/amy", now), None);
        let again = pending.managers_changed(vec![manager(2, "18000")]);
        let frames: Vec<_> = again.iter().map(|(link, frame)| (link.0, &frame[..])).collect();
        assert_eq!(frames, [(2, &b"1"[..]), (2, b"3"), (2, b"4"), (2, b"5")]);
        assert!(pending.answered(2).is_none());
    }

    #[test]
    fn only_what_moved_to_another_owner_is_sent_again() {
        let (now, mut pending) = (Instant::now(), Pending::default());
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
        let (now, mut pending) = (Instant::now(), Pending::default());
        pending.managers_changed(vec![manager(1, "18000")]);
        submit(&mut pending, 1, "u/amy", now);
        submit(&mut pending, 2, "u/amy", now);
        assert_eq!(
            pending.refused(1, LinkId(1)).map(|append| append.certainty(Stored::No)),
            Some(Stored::No)
        );
        pending.managers_changed(vec![manager(2, "18000")]);
        assert!(pending.refused(2, LinkId(1)).is_none());
        assert_eq!(
            pending.refused(2, LinkId(2)).map(|append| append.certainty(Stored::No)),
            Some(Stored::Maybe)
        );
    }

    #[test]
    fn one_that_was_never_sent_is_surely_not_stored() {
        let (now, mut pending) = (Instant::now(), Pending::default());
        submit(&mut pending, 1, "u/amy", now);
        assert!(pending.expire(now).is_empty());
        let given_up = pending.expire(now + Duration::from_secs(1));
        assert_eq!(given_up[0].stored(), Stored::No);
        pending.managers_changed(vec![manager(1, "a")]);
        submit(&mut pending, 2, "u/amy", now);
        assert_eq!(pending.expire(now + Duration::from_secs(1))[0].stored(), Stored::Maybe);
        assert!(pending.is_empty());
    }
}
