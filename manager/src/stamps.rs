//! The numbers of logins.

/// Gives each login a number greater than that of any before: microseconds since 1970, and never the same twice.
///
/// They are below 2^53, so that every JSON reader holds them exactly.
#[derive(Debug, Default)]
pub struct Stamps {
    last: u64,
    /// How far the numbers are ahead of this machine's clock, in microseconds.
    ahead: u64,
}

/// What is beyond this, in the year 2112, was never a login's number: it would leave too few for those to come.
const GREATEST_SEEN: u64 = 1 << 52;

impl Stamps {
    /// The number of a login at `now`, in microseconds since 1970.
    pub fn next(&mut self, now: u64) -> u64 {
        self.last = (now + self.ahead).max(self.last + 1);
        self.last
    }

    /// By `now`, others have seen numbers up to `greatest`: this process, before it was started again, or another manager
    /// whose clock is ahead of ours gave them.
    pub fn seen(&mut self, greatest: u64, now: u64) {
        if greatest <= GREATEST_SEEN {
            self.ahead = self.ahead.max(greatest.saturating_sub(now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_login_has_a_greater_number_whatever_the_clock_does() {
        let mut stamps = Stamps::default();
        assert_eq!(stamps.next(100), 100);
        assert_eq!(stamps.next(100), 101);
        assert_eq!(stamps.next(50), 102);
        assert_eq!(stamps.next(500), 500);
    }

    #[test]
    fn they_go_on_from_what_was_seen_and_as_fast_as_the_clock() {
        let mut stamps = Stamps::default();
        stamps.seen(5_000, 1_000);
        assert_eq!((stamps.next(1_000), stamps.next(1_007)), (5_000, 5_007));
        stamps.seen(3_000, 1_010);
        assert_eq!(stamps.next(1_020), 5_020);
    }

    #[test]
    fn a_number_from_nowhere_is_not_believed() {
        let mut stamps = Stamps::default();
        stamps.seen(u64::MAX, 1_000);
        assert_eq!(stamps.next(1_000), 1_000);
    }
}
