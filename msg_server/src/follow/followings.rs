//! The logs that one session reads.

use std::sync::Arc;

use super::followed::FollowedLog;

/// The logs that one session reads, in the order of their numbers: a user may be a member of thousands of topics.
#[derive(Default)]
pub struct Followings(Vec<Arc<FollowedLog>>);

impl Followings {
    /// Whether it is one of them: this very one, not another of its name.
    pub fn contains(&self, log: &FollowedLog) -> bool {
        self.place(log).is_ok()
    }

    /// One more, unless it is one of them.
    pub fn insert(&mut self, log: Arc<FollowedLog>) {
        if let Err(place) = self.place(&log) {
            self.0.insert(place, log);
        }
    }

    /// One less. False if it was none of them.
    pub fn remove(&mut self, log: &FollowedLog) -> bool {
        self.place(log).map(|place| self.0.remove(place)).is_ok()
    }

    fn place(&self, log: &FollowedLog) -> Result<usize, usize> {
        self.0.binary_search_by_key(&log.number(), |other| other.number())
    }
}

impl IntoIterator for Followings {
    type Item = Arc<FollowedLog>;
    type IntoIter = std::vec::IntoIter<Arc<FollowedLog>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use protocol::ids::{LogName, TopicName};

    use super::*;

    fn log(name: &str) -> Arc<FollowedLog> {
        Arc::new(FollowedLog::new(LogName::topic(&TopicName::new(name).unwrap())))
    }

    #[test]
    fn a_log_is_read_once_and_another_of_its_name_is_another() {
        let (garden, attic, later_garden) = (log("garden"), log("attic"), log("garden"));
        let mut followings = Followings::default();
        followings.insert(Arc::clone(&attic));
        followings.insert(Arc::clone(&garden));
        followings.insert(Arc::clone(&garden));
        assert!(
            followings.contains(&garden)
                && followings.contains(&attic)
                && !followings.contains(&later_garden)
        );
        assert!(
            !followings.remove(&later_garden) && followings.remove(&garden) && !followings.remove(&garden)
        );
        assert_eq!(followings.into_iter().map(|log| log.number()).collect::<Vec<_>>(), [attic.number()]);
    }
}
