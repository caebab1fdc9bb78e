//! How long commits took lately.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// Two windows of this length are looked at: the current one and the one before.
const WINDOW: Duration = Duration::from_secs(10);

/// The longest time that is told apart.
const LONGEST: Duration = Duration::from_secs(60);

/// Latencies of the last ten to twenty seconds.
pub struct Latencies {
    began: Instant,
    current: Histogram<u64>,
    before: Histogram<u64>,
}

impl Latencies {
    /// None yet.
    pub fn new(now: Instant) -> Self {
        Self { began: now, current: empty(), before: empty() }
    }

    /// Something took so long, until `now`.
    pub fn took(&mut self, time: Duration, now: Instant) {
        self.turn(now);
        self.current.saturating_record(time.as_micros().try_into().unwrap_or(u64::MAX));
    }

    /// The time, in milliseconds, that this share of all took at most; 0 where there was nothing lately.
    pub fn quantile_ms(&mut self, share: f64, now: Instant) -> f64 {
        self.turn(now);
        let mut both = self.current.clone();
        // Both have the same bounds, so nothing can be out of them.
        let _ = both.add(&self.before);
        both.value_at_quantile(share) as f64 / 1000.0
    }

    fn turn(&mut self, now: Instant) {
        let age = now.duration_since(self.began);
        if age < WINDOW {
            return;
        }
        std::mem::swap(&mut self.current, &mut self.before);
        self.current.reset();
        if age >= WINDOW * 2 {
            self.before.reset();
        }
        self.began = now;
    }
}

/// Microseconds up to [`LONGEST`], to two digits.
#[expect(clippy::expect_used, reason = "fails only for bounds below 2 or more than 5 digits")]
fn empty() -> Histogram<u64> {
    Histogram::new_with_max(LONGEST.as_micros() as u64, 2).expect("bounds that a histogram can have")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_what_happened_lately() {
        let start = Instant::now();
        let mut latencies = Latencies::new(start);
        assert_eq!(latencies.quantile_ms(0.5, start), 0.0);
        for ms in 1..=100 {
            latencies.took(Duration::from_millis(ms), start);
        }
        let near = |found: f64, expected: f64| (found - expected).abs() <= expected / 50.0;
        let later = start + WINDOW;
        assert!(near(latencies.quantile_ms(0.5, later), 50.0));
        assert!(near(latencies.quantile_ms(0.99, later), 99.0));
        latencies.took(Duration::from_secs(3600), later);
        assert!(near(latencies.quantile_ms(1.0, later), 60_000.0));
        assert_eq!(latencies.quantile_ms(1.0, later + WINDOW * 2), 0.0);
    }
}
