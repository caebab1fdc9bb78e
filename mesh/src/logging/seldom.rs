//! For what strangers can cause as often as they like, and what is worth a line all the same.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

const PAUSE: Duration = Duration::from_secs(60);

/// Lets a line be logged once a minute at most.
#[derive(Debug)]
pub struct Seldom {
    last: Mutex<Option<Instant>>,
}

impl Seldom {
    /// Of which nothing was logged yet.
    #[allow(clippy::new_without_default, reason = "it stands in statics")]
    pub const fn new() -> Self {
        Self { last: Mutex::new(None) }
    }

    /// Whether the line is to be logged now, which then counts as done.
    pub fn is_due(&self) -> bool {
        self.is_due_at(Instant::now())
    }

    fn is_due_at(&self, now: Instant) -> bool {
        let mut last = self.last.lock();
        let due = last.is_none_or(|last| now.duration_since(last) >= PAUSE);
        if due {
            *last = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_once_a_minute() {
        let (seldom, start) = (Seldom::new(), Instant::now());
        let due = [0, 1, 59, 60, 61, 300].map(|s| seldom.is_due_at(start + Duration::from_secs(s)));
        assert_eq!(due, [true, false, false, true, false, true]);
    }
}
