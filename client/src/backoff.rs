//! How long to wait before coming back.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

/// The first wait after a failed attempt; each further one doubles it.
const FIRST: Duration = Duration::from_millis(250);
/// No wait of our own is longer.
const LONGEST: Duration = Duration::from_secs(10);
/// The short random wait of the codes 1000 to 1999, and after a connection that broke.
const SHORT: Duration = Duration::from_millis(500);
/// The least wait of the codes 2000 to 2999.
const LATER: Duration = Duration::from_secs(10);

/// What is known of when to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// Nothing: the connection broke, or an attempt failed.
    None,
    /// After a short random wait.
    Soon,
    /// Not within 10 seconds.
    Later,
    /// Not before this has passed.
    After(Duration),
}

/// Exponential, with jitter, so that thousands of clients do not come back in one moment.
#[derive(Debug)]
pub struct Backoff {
    attempts: u32,
    random: SmallRng,
}

impl Backoff {
    /// A fresh one; equal seeds give equal waits.
    pub fn new(seed: u64) -> Self {
        Self { attempts: 0, random: SmallRng::seed_from_u64(seed) }
    }

    /// The session held: the next wait is a short one again.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }

    /// How long to wait now. Counts the attempt.
    pub fn next(&mut self, advice: Advice) -> Duration {
        let own = self.own();
        self.attempts = self.attempts.saturating_add(1);
        match advice {
            Advice::None => own,
            Advice::Soon => own.max(self.part_of(SHORT)),
            Advice::Later => LATER + self.part_of(LATER / 2),
            Advice::After(wait) => own.max(self.stretched(wait)),
        }
    }

    /// A wait that was asked for, and up to half of it on top.
    pub fn stretched(&mut self, wait: Duration) -> Duration {
        wait + self.part_of(wait / 2)
    }

    fn own(&mut self) -> Duration {
        match self.attempts.checked_sub(1) {
            None => self.part_of(SHORT),
            Some(doublings) => {
                let wait = FIRST.saturating_mul(1 << doublings.min(16)).min(LONGEST);
                wait / 2 + self.part_of(wait / 2)
            }
        }
    }

    fn part_of(&mut self, wait: Duration) -> Duration {
        wait.mul_f64(self.random.random::<f64>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_a_session_that_held_makes_them_short_again() {
        let mut backoff = Backoff::new(1);
        let waits: Vec<_> = (0..20).map(|_| backoff.next(Advice::None)).collect();
        assert!(waits[0] <= SHORT);
        assert!(waits[1] >= FIRST / 2 && waits[1] <= FIRST);
        assert!(waits[10..].iter().all(|wait| (LONGEST / 2..=LONGEST).contains(wait)));
        backoff.reset();
        assert!(backoff.next(Advice::None) <= SHORT);
    }

    #[test]
    fn advice_is_a_lower_bound() {
        let mut backoff = Backoff::new(2);
        for _ in 0..50 {
            backoff.reset();
            assert!(backoff.next(Advice::Soon) <= SHORT);
            assert!(backoff.next(Advice::Later) >= LATER);
            let asked = Duration::from_secs(3);
            assert!(backoff.next(Advice::After(asked)) >= asked);
        }
    }

    #[test]
    fn two_clients_do_not_come_back_in_step() {
        let waits = |seed| {
            let mut backoff = Backoff::new(seed);
            (0..5).map(|_| backoff.next(Advice::None)).collect::<Vec<_>>()
        };
        assert_ne!(waits(1), waits(2));
        assert_eq!(waits(3), waits(3));
    }
}
