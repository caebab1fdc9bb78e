//! The numbers of logins.

/// Gives each login a number greater than that of any before: microseconds since 1970, and never the same twice.
///
/// They are below 2^53 until the year 2255, so that every JSON reader holds them exactly.
#[derive(Debug, Default)]
pub struct Stamps {
    last: u64,
}

impl Stamps {
    /// The number of a login at `now`, in microseconds since 1970.
    pub fn next(&mut self, now: u64) -> u64 {
        self.last = now.max(self.last + 1);
        self.last
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
}
