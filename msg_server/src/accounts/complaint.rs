//! What is said once a minute, however often it happens. Nothing here looks at a clock.

use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_secs(60);

/// Old clients that were turned away.
#[derive(Debug, Default)]
pub struct Complaints {
    total: u64,
    /// When it was said last, and how many there were then.
    said: Option<(Instant, u64)>,
    /// When the minute began that is counted, and how many there were then.
    minute: Option<(Instant, u64)>,
    last: Option<Instant>,
}

impl Complaints {
    /// It happened once more. If it is to be said now: how often it happened since it was said last.
    pub fn another(&mut self, now: Instant) -> Option<u64> {
        self.total += 1;
        if self.minute.is_none_or(|(since, _)| now.duration_since(since) >= EVERY) {
            self.minute = Some((now, self.total - 1));
        }
        self.last = Some(now);
        let before = match self.said {
            Some((at, _)) if now.duration_since(at) < EVERY => return None,
            Some((_, before)) => before,
            None => 0,
        };
        self.said = Some((now, self.total));
        Some(self.total - before)
    }

    /// How often it happened in the last minute, or two; 0 if it did not.
    pub fn recent(&self, now: Instant) -> u64 {
        let lately = self.last.is_some_and(|last| now.duration_since(last) < EVERY);
        self.minute.filter(|_| lately).map_or(0, |(_, before)| self.total - before)
    }

    /// How often it happened at all.
    pub fn total(&self) -> u64 {
        self.total
    }
}

/// Why old clients are turned away, and what to set.
pub fn of_old_logins(count: u64) -> String {
    format!(
        "{count} logins of old clients were refused: they cannot prove who they are, and AuthMode is accounts. To let \
         them in, set AuthMode to open in all processes of this mesh; to keep accounts, give people newer clients"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn it_is_said_at_once_and_then_once_a_minute_with_a_count() {
        let (mut complaints, start) = (Complaints::default(), Instant::now());
        assert_eq!(complaints.another(start), Some(1));
        for second in 1..60 {
            assert_eq!(complaints.another(start + SECOND * second), None);
        }
        assert_eq!(complaints.another(start + SECOND * 60), Some(60));
        assert_eq!(complaints.another(start + SECOND * 500), Some(1));
        assert_eq!(complaints.total(), 62);
    }

    #[test]
    fn what_is_long_past_is_no_trouble_any_more() {
        let (mut complaints, start) = (Complaints::default(), Instant::now());
        assert_eq!(complaints.recent(start), 0);
        complaints.another(start);
        complaints.another(start + SECOND);
        assert_eq!(complaints.recent(start + SECOND * 30), 2);
        assert_eq!(complaints.recent(start + SECOND * 62), 0);
    }
}
