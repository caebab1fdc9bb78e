//! How long to wait before a process that died is started again.

use std::time::Duration;

/// The wait after a first death: short, for most deaths are the only one.
const FIRST: Duration = Duration::from_millis(250);

/// The longest wait.
const LONGEST: Duration = Duration::from_secs(30);

/// How long a process must have lived for its deaths before to be forgotten.
const LONG_LIFE: Duration = Duration::from_secs(60);

/// Doubles with every death, until a process lived long.
#[derive(Debug, Clone, Default)]
pub struct Backoff {
    deaths: u32,
}

impl Backoff {
    /// The wait after a death that ended a life of `lived`.
    pub fn after(&mut self, lived: Duration) -> Duration {
        if lived >= LONG_LIFE {
            self.deaths = 0;
        }
        let wait = FIRST.saturating_mul(1 << self.deaths.min(16)).min(LONGEST);
        self.deaths += 1;
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_a_bound_and_a_long_life_is_a_new_beginning() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..9).map(|_| backoff.after(Duration::ZERO).as_millis()).collect();
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
        assert_eq!(backoff.after(LONG_LIFE).as_millis(), 250);
        assert_eq!(backoff.after(Duration::from_secs(59)).as_millis(), 500);
        for _ in 0..100 {
            assert!(backoff.after(Duration::ZERO) <= LONGEST);
        }
    }
}
