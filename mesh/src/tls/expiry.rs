//! When the end of a certificate is to be spoken of.

const DAY: i64 = 86_400;

/// From so many days before its end on.
const DAYS_BEFORE: i64 = 14;

/// Remembers when the end was last spoken of.
#[derive(Debug, Default)]
pub(crate) struct Expiry {
    said: Option<i64>,
}

impl Expiry {
    /// What is to be said at `now` of a certificate that ends at `not_after`, both in seconds since 1970: once a day, and
    /// nothing while its end is far.
    pub fn warning(&mut self, now: i64, not_after: i64) -> Option<String> {
        let left = not_after - now;
        if left > DAYS_BEFORE * DAY {
            self.said = None;
            return None;
        }
        if self.said.is_some_and(|said| now - said < DAY) {
            return None;
        }
        self.said = Some(now);
        Some(match left {
            ..=0 => "has ended: whoever checks it refuses to connect".to_owned(),
            1..=DAY => "ends within a day".to_owned(),
            _ => format!("ends within {} days", (left - 1) / DAY + 1),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_told_once_a_day_from_two_weeks_before_it() {
        let (mut expiry, end) = (Expiry::default(), 100 * DAY);
        assert_eq!(expiry.warning(80 * DAY, end), None);
        assert_eq!(expiry.warning(86 * DAY, end).unwrap(), "ends within 14 days");
        assert_eq!(expiry.warning(86 * DAY + 3_600, end), None);
        assert_eq!(expiry.warning(99 * DAY, end).unwrap(), "ends within a day");
        assert!(expiry.warning(100 * DAY + 1, end).unwrap().starts_with("has ended"));
    }

    #[test]
    fn a_renewed_one_is_spoken_of_anew() {
        let mut expiry = Expiry::default();
        assert!(expiry.warning(0, DAY).is_some());
        assert!(expiry.warning(1, 90 * DAY).is_none());
        assert!(expiry.warning(2, DAY).is_some());
    }
}
