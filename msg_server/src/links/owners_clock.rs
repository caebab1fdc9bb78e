//! The clock of the owners of inboxes, by which the later of two logins is told. Plain code.

use tokio::time::Instant;

/// What the managers' clock shows, as far as their answers tell: at least that. It goes on by our own, which is never set back.
#[derive(Debug, Default)]
pub(crate) struct OwnersClock(Option<Shown>);

#[derive(Debug, Clone, Copy)]
struct Shown {
    stamp: u64,
    at: Instant,
}

impl OwnersClock {
    /// It showed this stamp, or more, by then.
    pub fn showed(&mut self, stamp: u64, at: Instant) {
        if self.reads(at).is_none_or(|reads| reads < stamp) {
            self.0 = Some(Shown { stamp, at });
        }
    }

    /// What it shows at least, in microseconds since 1970; `None` if no answer has told.
    pub fn reads(&self, now: Instant) -> Option<u64> {
        let Shown { stamp, at } = self.0?;
        Some(stamp.saturating_add(now.saturating_duration_since(at).as_micros() as u64))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_goes_on_from_the_greatest_stamp_whatever_comes_then() {
        let (mut clock, begin) = (OwnersClock::default(), Instant::now());
        let after = |millis| begin + Duration::from_millis(millis);
        assert_eq!(clock.reads(begin), None);
        clock.showed(1_000_000, after(0));
        assert_eq!(clock.reads(after(5)), Some(1_005_000));
        // Another manager, or one whose clock was set back.
        clock.showed(1_004_999, after(5));
        assert_eq!(clock.reads(after(6)), Some(1_006_000));
        clock.showed(9_000_000, after(6));
        assert_eq!(clock.reads(after(8)), Some(9_002_000));
    }
}
