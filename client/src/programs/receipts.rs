//! Receipts that wait a moment to be shown, as the next one often says more.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::{Mark, MessageId, UserId};

/// A receipt is shown after this.
const AFTER: Duration = Duration::from_millis(400);

/// What each peer has received and read.
#[derive(Debug, Default)]
pub struct Receipts {
    peers: HashMap<UserId, Peer>,
}

#[derive(Debug, Default)]
struct Peer {
    delivered: Option<MessageId>,
    read: Option<MessageId>,
    /// What was shown as read last: that it was received is no news any more.
    shown_read: Option<MessageId>,
    since: Option<Instant>,
}

impl Receipts {
    /// A receipt came.
    pub fn came(&mut self, peer: UserId, id: MessageId, mark: Mark, now: Instant) {
        let peer = self.peers.entry(peer).or_default();
        match mark {
            Mark::Delivered => peer.delivered = Some(id),
            Mark::Read => peer.read = Some(id),
        }
        peer.since.get_or_insert(now);
    }

    /// What is to be shown now.
    pub fn due(&mut self, now: Instant) -> Vec<(UserId, MessageId, Mark)> {
        let mut due = Vec::new();
        for (name, peer) in &mut self.peers {
            if peer.since.is_none_or(|since| now < since + AFTER) {
                continue;
            }
            peer.since = None;
            let (delivered, read) = (peer.delivered.take(), peer.read.take());
            let known = delivered == read || delivered == peer.shown_read;
            if let Some(id) = delivered.filter(|_| !known) {
                due.push((name.clone(), id, Mark::Delivered));
            }
            if let Some(id) = read {
                peer.shown_read = Some(id.clone());
                due.push((name.clone(), id, Mark::Read));
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bob() -> UserId {
        UserId::new("bob").unwrap()
    }

    fn id(id: &str) -> MessageId {
        MessageId::new(id).unwrap()
    }

    /// What is shown of these, all within a moment.
    fn shown(receipts: &mut Receipts, came: &[(&str, Mark)]) -> Vec<(String, Mark)> {
        let now = Instant::now();
        for (name, mark) in came {
            receipts.came(bob(), id(name), *mark, now);
            assert_eq!(receipts.due(now), []);
        }
        receipts.due(now + AFTER).into_iter().map(|(_, id, mark)| (id.to_string(), mark)).collect()
    }

    #[test]
    fn of_received_and_read_the_one_that_says_more_is_shown_in_whichever_order_they_come() {
        let read = vec![("a".to_owned(), Mark::Read)];
        assert_eq!(shown(&mut Receipts::default(), &[("a", Mark::Delivered), ("a", Mark::Read)]), read);
        assert_eq!(shown(&mut Receipts::default(), &[("a", Mark::Read), ("a", Mark::Delivered)]), read);
        let mut receipts = Receipts::default();
        assert_eq!(shown(&mut receipts, &[("a", Mark::Read)]), read);
        assert_eq!(shown(&mut receipts, &[("a", Mark::Delivered)]), []);
    }

    #[test]
    fn what_is_received_beyond_what_is_read_is_shown_beside_it() {
        let both = shown(&mut Receipts::default(), &[("a", Mark::Read), ("b", Mark::Delivered)]);
        assert_eq!(both, [("b".to_owned(), Mark::Delivered), ("a".to_owned(), Mark::Read)]);
    }
}
