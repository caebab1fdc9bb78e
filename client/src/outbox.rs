//! Durable sends that wait for their answer.
//!
//! In order, per target: what was answered with "not now" holds back what was sent to the same target after it and is
//! not on its way yet. How many bytes may wait is kept by the handle ([`crate::Options::outbox_bytes`]), before a send gets here.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use protocol::ids::{LogName, MessageId, UserId};

use crate::{Body, Target};

/// By what the program's side knows a send or request; later ones have higher numbers.
pub type Ticket = u64;

/// Sends on their way at one time, at most: so that a server that cannot keep up says so of few.
const WINDOW: usize = 1024;
/// Bytes on their way at one time, beyond which no further send follows.
const WINDOW_BYTES: usize = 1 << 20;

/// A durable send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// For whom.
    pub target: Target,
    /// The id that it keeps however often it is sent.
    pub id: MessageId,
    /// What it says.
    pub body: Body,
}

#[derive(Debug)]
struct Item {
    outgoing: Outgoing,
    /// Sent at least once: it may be in its log.
    tried: bool,
    in_flight: bool,
    delay_told: bool,
}

/// All of them.
#[derive(Debug)]
pub struct Outbox {
    me: UserId,
    items: BTreeMap<Ticket, Item>,
    ids: HashSet<MessageId>,
    /// To be sent as soon as there is a session and room in the window.
    ready: BTreeSet<Ticket>,
    /// Targets that were answered with "not now": until when, and what waits.
    held: HashMap<Target, (Duration, BTreeSet<Ticket>)>,
    /// How many of the tried ones would stand in which log.
    tried: HashMap<LogName, u64>,
    in_flight: usize,
    in_flight_bytes: usize,
}

impl Outbox {
    /// An empty one.
    pub fn new(me: UserId) -> Self {
        Self {
            me,
            items: BTreeMap::new(),
            ids: HashSet::new(),
            ready: BTreeSet::new(),
            held: HashMap::new(),
            tried: HashMap::new(),
            in_flight: 0,
            in_flight_bytes: 0,
        }
    }

    /// Takes a send.
    pub fn add(&mut self, ticket: Ticket, outgoing: Outgoing) {
        self.ids.insert(outgoing.id.clone());
        self.queue(ticket, &outgoing.target.clone());
        self.items.insert(ticket, Item { outgoing, tried: false, in_flight: false, delay_told: false });
    }

    /// The next one to send, which counts as on its way from now on. `None`: nothing may be sent now.
    pub fn next(&mut self) -> Option<(Ticket, &Outgoing)> {
        if self.in_flight >= WINDOW || self.in_flight_bytes >= WINDOW_BYTES {
            return None;
        }
        let ticket = self.ready.pop_first()?;
        let item = self.items.get_mut(&ticket)?;
        item.in_flight = true;
        self.in_flight += 1;
        self.in_flight_bytes += item.outgoing.body.bytes.len();
        if !item.tried {
            item.tried = true;
            *self.tried.entry(item.outgoing.target.log(&self.me)).or_default() += 1;
        }
        Some((ticket, &item.outgoing))
    }

    /// It was answered for good: takes it out.
    pub fn resolve(&mut self, ticket: Ticket) -> Option<Outgoing> {
        self.landed(ticket);
        let item = self.items.remove(&ticket)?;
        self.ids.remove(&item.outgoing.id);
        if item.tried {
            self.count_down(&item.outgoing.target.log(&self.me));
        }
        Some(item.outgoing)
    }

    /// It was answered with "not now": it goes again at `until`, and what is for the same target waits behind it.
    /// Gives its id if this is the first time that it happens to it.
    pub fn hold(&mut self, ticket: Ticket, until: Duration) -> Option<MessageId> {
        self.landed(ticket);
        let item = self.items.get_mut(&ticket)?;
        let news = !std::mem::replace(&mut item.delay_told, true);
        let (id, target) = (item.outgoing.id.clone(), item.outgoing.target.clone());
        let held = self.held.entry(target.clone()).or_insert_with(|| (until, BTreeSet::new()));
        held.0 = held.0.max(until);
        held.1.insert(ticket);
        let items = &self.items;
        self.ready.retain(|ticket| {
            let behind = items.get(ticket).is_some_and(|item| item.outgoing.target == target);
            if behind {
                held.1.insert(*ticket);
            }
            !behind
        });
        news.then_some(id)
    }

    /// Lets go what was held until now.
    pub fn release(&mut self, now: Duration) {
        let ready = &mut self.ready;
        self.held.retain(|_, (until, waiting)| {
            let due = *until <= now;
            if due {
                ready.append(waiting);
            }
            !due
        });
    }

    /// When something that is held may go.
    pub fn next_release(&self) -> Option<Duration> {
        self.held.values().map(|(until, _)| *until).min()
    }

    /// The connection broke: all that are left are to be sent again, in order.
    pub fn unsend(&mut self) {
        self.held.clear();
        self.items.values_mut().for_each(|item| item.in_flight = false);
        self.ready = self.items.keys().copied().collect();
        (self.in_flight, self.in_flight_bytes) = (0, 0);
    }

    /// Whether a message of this id waits here.
    pub fn has(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    /// How many sends that were tried, and are not answered for good, would stand in this log.
    pub fn tried_in(&self, log: &LogName) -> u64 {
        self.tried.get(log).copied().unwrap_or(0)
    }

    /// Whether something is on its way.
    pub fn is_in_flight(&self) -> bool {
        self.in_flight > 0
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Takes all out: ticket, and whether it may have been stored.
    pub fn drain(&mut self) -> Vec<(Ticket, bool)> {
        let all = std::mem::take(&mut self.items);
        *self = Self::new(self.me.clone());
        all.into_iter().map(|(ticket, item)| (ticket, item.tried)).collect()
    }

    fn queue(&mut self, ticket: Ticket, target: &Target) {
        match self.held.get_mut(target) {
            Some((_, waiting)) => waiting.insert(ticket),
            None => self.ready.insert(ticket),
        };
    }

    fn landed(&mut self, ticket: Ticket) {
        if let Some(item) = self.items.get_mut(&ticket)
            && std::mem::take(&mut item.in_flight)
        {
            self.in_flight -= 1;
            self.in_flight_bytes -= item.outgoing.body.bytes.len();
        }
    }

    fn count_down(&mut self, log: &LogName) {
        if let Some(count) = self.tried.get_mut(log) {
            *count -= 1;
            if *count == 0 {
                self.tried.remove(log);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn to(user: &str, id: &str) -> Outgoing {
        let target = Target::User(UserId::new(user).unwrap());
        Outgoing { target, id: MessageId::new(id).unwrap(), body: id.into() }
    }

    fn outbox() -> Outbox {
        Outbox::new(UserId::new("amy").unwrap())
    }

    fn sent(outbox: &mut Outbox) -> Vec<String> {
        std::iter::from_fn(|| outbox.next().map(|(_, out)| out.id.to_string())).collect()
    }

    #[test]
    fn what_was_not_answered_is_sent_again_in_order() {
        let mut outbox = outbox();
        for (ticket, id) in [(1, "a"), (2, "b"), (3, "c")] {
            outbox.add(ticket, to("bob", id));
        }
        assert_eq!(sent(&mut outbox), ["a", "b", "c"]);
        outbox.resolve(2);
        outbox.unsend();
        assert_eq!(sent(&mut outbox), ["a", "c"]);
        assert!(outbox.has("a") && !outbox.has("b"));
        assert_eq!(outbox.tried_in(&LogName::new("u/amy").unwrap()), 2);
    }

    #[test]
    fn not_now_holds_back_what_is_for_the_same_target_and_nothing_else() {
        let mut outbox = outbox();
        outbox.add(1, to("bob", "a"));
        assert_eq!(sent(&mut outbox), ["a"]);
        outbox.add(2, to("bob", "b"));
        assert!(outbox.hold(1, S).is_some());
        outbox.add(3, to("bob", "c"));
        outbox.add(4, to("eve", "d"));
        assert_eq!(sent(&mut outbox), ["d"]);
        assert_eq!(outbox.next_release(), Some(S));
        outbox.release(S);
        assert_eq!(sent(&mut outbox), ["a", "b", "c"]);
        assert!(outbox.hold(1, S * 2).is_none(), "told once");
    }

    #[test]
    fn only_so_much_is_on_its_way_at_one_time() {
        let mut outbox = outbox();
        for ticket in 0..WINDOW as u64 + 10 {
            outbox.add(ticket, to("bob", &ticket.to_string()));
        }
        assert_eq!(sent(&mut outbox).len(), WINDOW);
        outbox.resolve(0);
        assert_eq!(sent(&mut outbox).len(), 1);
    }

    #[test]
    fn what_is_held_takes_no_room_in_the_window() {
        let mut outbox = outbox();
        outbox.add(1, to("bob", "a"));
        assert_eq!(sent(&mut outbox), ["a"]);
        outbox.hold(1, S);
        assert!(!outbox.is_in_flight());
    }

    #[test]
    fn at_the_end_it_says_which_may_have_been_stored() {
        let mut outbox = outbox();
        outbox.add(1, to("bob", "a"));
        assert_eq!(sent(&mut outbox).len(), 1);
        outbox.add(2, to("bob", "b"));
        assert_eq!(outbox.drain(), [(1, true), (2, false)]);
        assert!(outbox.is_empty() && !outbox.is_in_flight());
    }
}
