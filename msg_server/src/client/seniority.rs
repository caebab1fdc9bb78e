//! Which of one device's sessions is the latest: decided alike wherever two of them meet. Plain code.

use std::time::Duration;

/// A login's place among those of its device: the greatest stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank<'a> {
    /// When it was made, as [`stamp`] tells.
    pub stamp: u64,
    /// The address of its msg_server: it decides where two logins were made in the same microsecond.
    pub at: &'a str,
    /// Its session's number on that msg_server; 0 where that is another process.
    pub session: u64,
}

/// What the answer of the inbox's owner shows of when a login was made.
#[derive(Debug, Clone, Copy)]
pub struct Witness {
    /// The owner's clock while it answered, in microseconds since 1970.
    pub stamp: u64,
    /// From the login to the question.
    pub asked_after: Duration,
    /// From the login to the answer.
    pub answered_after: Duration,
}

/// When a login was made, in microseconds since 1970. It is not when the owner answered: of a connection that is dead without
/// our knowing the login may wait for a manager, while its client logs in elsewhere. It is what our clock showed when it
/// came, as far as the owner's clock, by which all msg_servers go, allows that.
pub fn stamp(came: u64, witness: Option<Witness>) -> u64 {
    let Some(Witness { stamp, asked_after, answered_after }) = witness else { return came };
    let before = |waited: Duration| stamp.saturating_sub(waited.as_micros() as u64);
    came.clamp(before(answered_after.max(asked_after)), before(asked_after))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn answered(stamp: u64, asked_after: u64, answered_after: u64) -> Option<Witness> {
        let [asked_after, answered_after] = [asked_after, answered_after].map(Duration::from_secs);
        Some(Witness { stamp, asked_after, answered_after })
    }

    #[test]
    fn a_login_that_waited_is_of_when_it_came() {
        assert_eq!(stamp(100 * SECOND, None), 100 * SECOND);
        assert_eq!(stamp(100 * SECOND, answered(107 * SECOND, 5, 8)), 100 * SECOND);
    }

    #[test]
    fn a_clock_that_is_wrong_is_believed_no_further_than_the_owner_s_allows() {
        assert_eq!(stamp(3_600 * SECOND, answered(107 * SECOND, 5, 8)), 102 * SECOND);
        assert_eq!(stamp(0, answered(107 * SECOND, 5, 8)), 99 * SECOND);
        assert_eq!(stamp(0, answered(SECOND, 5, 8)), 0);
    }

    #[test]
    fn of_two_logins_in_one_microsecond_both_sides_choose_the_same() {
        let here = Rank { stamp: 7, at: "10.0.0.1:19000", session: 4 };
        let there = Rank { stamp: 7, at: "10.0.0.2:19000", session: 9 };
        let seen_from_there = (Rank { session: 0, ..here }, there);
        let seen_from_here = (here, Rank { session: 0, ..there });
        assert!(seen_from_here.0 < seen_from_here.1 && seen_from_there.0 < seen_from_there.1);
        assert!(here < Rank { session: 5, ..here } && there < Rank { stamp: 8, ..here });
    }
}
