//! How many topics a user may be a member of. Plain code.
//!
//! Counting reads all of a user's topics, so it is done seldom: since the last count, a user has become a member of no more
//! topics than there were changes.

use std::collections::HashMap;

use protocol::ids::UserId;

/// So many counts are remembered; forgetting them costs new ones.
const KEPT: usize = 1_000;

/// What is known of those who are members of many topics.
#[derive(Debug)]
pub struct TopicQuota {
    most: u64,
    counts: HashMap<UserId, Count>,
}

/// A count of a user's topics.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    topics: u64,
    /// The count of membership changes that it was made at.
    revision: u64,
}

/// Whether a user may be a member of one more topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// One more.
    Left,
    /// None more.
    Full,
    /// That has to be counted.
    Uncounted,
}

impl TopicQuota {
    /// Each may be a member of so many.
    pub fn new(most: u64) -> Self {
        Self { most, counts: HashMap::new() }
    }

    /// Whether the user had no room when last counted.
    pub fn was_full(&self, user: &UserId) -> bool {
        self.counts.get(user).is_some_and(|count| count.topics >= self.most)
    }

    /// Whether there is room, now that there were so many changes of the user's memberships.
    pub fn room(&self, user: &UserId, revision: u64) -> Room {
        // A count of an earlier owner of the name is of no use.
        let last = self.counts.get(user).filter(|count| count.revision <= revision);
        let last = last.copied().unwrap_or_default();
        let changes = revision - last.revision;
        if last.topics + changes < self.most {
            Room::Left
        } else if changes == 0 {
            Room::Full
        } else {
            Room::Uncounted
        }
    }

    /// A topic is no more, which changes nothing that its members' changes are counted by: who was full is counted again.
    pub fn topic_dissolved(&mut self) {
        self.counts.values_mut().for_each(|count| count.revision = u64::MAX);
    }

    /// The user was counted.
    pub fn counted(&mut self, user: UserId, revision: u64, topics: u64) {
        if self.counts.len() >= KEPT && !self.counts.contains_key(&user) {
            self.counts.clear();
        }
        self.counts.insert(user, Count { topics, revision });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amy() -> UserId {
        UserId::new("amy").unwrap()
    }

    #[test]
    fn whoever_changed_little_has_room_uncounted() {
        let quota = TopicQuota::new(3);
        assert_eq!(
            [0, 2, 3].map(|revision| quota.room(&amy(), revision)),
            [Room::Left, Room::Left, Room::Uncounted]
        );
    }

    #[test]
    fn whoever_is_full_is_so_until_something_changes() {
        let mut quota = TopicQuota::new(3);
        quota.counted(amy(), 5, 3);
        assert!(quota.was_full(&amy()));
        assert_eq!((quota.room(&amy(), 5), quota.room(&amy(), 6)), (Room::Full, Room::Uncounted));
        quota.counted(amy(), 6, 2);
        assert!(!quota.was_full(&amy()));
        assert_eq!((quota.room(&amy(), 6), quota.room(&amy(), 7)), (Room::Left, Room::Uncounted));
    }

    #[test]
    fn a_count_of_the_names_earlier_owner_means_nothing() {
        let mut quota = TopicQuota::new(3);
        quota.counted(amy(), 9, 3);
        assert_eq!(quota.room(&amy(), 1), Room::Left);
    }

    #[test]
    fn whoever_is_full_is_counted_again_once_a_topic_is_no_more() {
        let mut quota = TopicQuota::new(3);
        quota.counted(amy(), 5, 3);
        quota.topic_dissolved();
        assert!(quota.was_full(&amy()));
        assert_eq!(quota.room(&amy(), 5), Room::Uncounted);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut quota = TopicQuota::new(3);
        for number in 0..3 * KEPT {
            quota.counted(UserId::new(&format!("user{number}")).unwrap(), 3, 3);
            assert!(quota.counts.len() <= KEPT);
        }
    }
}
