//! What a session has to do to follow just the topics that its user is a member of.

use std::collections::{HashMap, HashSet};

use protocol::ids::LogName;
use protocol::link::request::LogState;

/// How the memberships that a session knows and those that a manager told differ.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Alignment<'a> {
    /// Topics that the user is no longer a member of.
    pub gone: Vec<&'a LogName>,
    /// Topics that the session does not know.
    pub new: Vec<&'a LogState>,
}

impl<'a> Alignment<'a> {
    /// Of what is `known`, the inbox is none of the user's topics.
    pub fn between(known: &'a [LogState], told: &'a [LogState]) -> Self {
        let (known_names, told_names) = (names(known), names(told));
        let gone = known.iter().map(|known| &known.log).filter(|log| log.topic_name().is_some());
        Self {
            gone: gone.filter(|log| !told_names.contains(log)).collect(),
            new: told.iter().filter(|told| !known_names.contains(&told.log)).collect(),
        }
    }
}

fn names(logs: &[LogState]) -> HashSet<&LogName> {
    logs.iter().map(|log| &log.log).collect()
}

/// Logs by their names.
pub(super) fn by_name(logs: &[LogState]) -> HashMap<&LogName, &LogState> {
    logs.iter().map(|log| (&log.log, log)).collect()
}

#[cfg(test)]
mod tests {
    use protocol::ids::{TopicName, UserId, Version};

    use super::*;

    fn state(log: LogName) -> LogState {
        let zero = Version::ZERO;
        LogState {
            log,
            first: Version(1),
            head: zero,
            cursor: zero,
            read: zero,
            volatile: false,
            since: zero,
        }
    }

    fn topic(name: &str) -> LogState {
        state(LogName::topic(&TopicName::new(name).unwrap()))
    }

    #[test]
    fn what_is_no_longer_told_goes_what_is_told_first_comes_and_the_inbox_stays() {
        let inbox = state(LogName::inbox(&UserId::new("amy").unwrap()));
        let known = [inbox, topic("attic"), topic("garden")];
        let told = [topic("garden"), topic("hall")];
        let expected = Alignment { gone: vec![&known[1].log], new: vec![&told[1]] };
        assert_eq!(Alignment::between(&known, &told), expected);
    }

    /// Each compared with each, this would take hours.
    #[test]
    fn many_topics_are_compared_in_no_time_that_matters() {
        let topics = |names: std::ops::Range<u32>| {
            names.map(|number| topic(&format!("a-topic-of-many-{number}"))).collect::<Vec<_>>()
        };
        let (known, told) = (topics(0..200_000), topics(100_000..300_000));
        let alignment = Alignment::between(&known, &told);
        assert_eq!((alignment.gone.len(), alignment.new.len()), (100_000, 100_000));
    }
}
