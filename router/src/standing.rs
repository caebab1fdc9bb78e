//! How far one incarnation of a link is: which snapshots are still to end, and what is applied and not confirmed yet. Plain code.

use protocol::link::Confirm;

/// Channels that begin with a snapshot: sessions, and followed topics.
const SNAPSHOTS: usize = 2;

/// One incarnation of a link, from when it stands.
#[derive(Debug)]
pub struct Standing {
    /// The snapshots that have not ended yet.
    snapshots: usize,
    /// Applied, and to be confirmed when the turn ends.
    applied: Option<u64>,
}

impl Default for Standing {
    fn default() -> Self {
        Self { snapshots: SNAPSHOTS, applied: None }
    }
}

impl Standing {
    /// The directory has the change of this number; 0: it is part of a snapshot, which is confirmed as a whole.
    pub fn applied(&mut self, number: u64) {
        if number > 0 {
            self.applied = self.applied.max(Some(number));
        }
    }

    /// A snapshot ended, which stands for everything up to a number. True if it was the last: from now on we know all that
    /// the msg_server follows.
    pub fn snapshot_ends(&mut self, confirm: Confirm) -> bool {
        self.applied(confirm.number);
        let was_behind = self.snapshots > 0;
        self.snapshots = self.snapshots.saturating_sub(1);
        was_behind && self.snapshots == 0
    }

    /// What is to be confirmed now, once.
    pub fn confirmation(&mut self) -> Option<Confirm> {
        self.applied.take().map(|number| Confirm { number })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_applied_in_a_turn_is_confirmed_once() {
        let mut standing = Standing::default();
        for number in [0, 4, 5] {
            standing.applied(number);
        }
        assert_eq!(standing.confirmation(), Some(Confirm { number: 5 }));
        assert_eq!(standing.confirmation(), None);
    }

    #[test]
    fn all_is_known_when_the_last_snapshot_ends_and_only_then() {
        let mut standing = Standing::default();
        let ended: Vec<bool> = (1..=3).map(|number| standing.snapshot_ends(Confirm { number })).collect();
        assert_eq!(ended, [false, true, false]);
    }
}
