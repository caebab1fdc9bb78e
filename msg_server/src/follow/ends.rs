//! Ended memberships of followed topics: whether all that answers tell of were heard of as news.
//!
//! News names who went, an answer of a manager only counts how many went. Where the count says more than the news did, some
//! was lost, or is on its way: after a moment those who read the topic here are looked at. So pushes to whoever was put out
//! end although the news never came.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use protocol::ids::{LogName, TopicName, UserId};
use protocol::link::request::{Reply, Request};

use super::followed::FollowedLog;
use crate::server::Server;

/// How long news may be later than an answer that counts it.
const NEWS_WITHIN: Duration = Duration::from_millis(250);

/// How long a manager may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Users in one question.
const BATCH: usize = 1_000;

/// What is known of the memberships of one topic that have ended. Plain code.
#[derive(Debug, Default)]
pub struct Ends {
    /// All who went up to this count are known to be gone; `None` before the first answer, which was asked for after
    /// everybody who reads the topic was known to be a member.
    settled: Option<u64>,
    /// How many have ended.
    heard: u64,
    /// Somebody looks after those who are not settled.
    looking: bool,
}

impl Ends {
    /// An answer counts them. True: some were not told of, and somebody has to look, which nobody does yet.
    pub fn heard(&mut self, count: u64) -> bool {
        self.heard = self.heard.max(count);
        let settled = *self.settled.get_or_insert(count);
        settled < self.heard && !std::mem::replace(&mut self.looking, true)
    }

    /// News of the `count`th.
    pub fn told(&mut self, count: u64) {
        self.settled = self.settled.map(|settled| if settled + 1 == count { count } else { settled });
    }

    /// All who read the topic were looked at, when there were so many.
    pub fn looked(&mut self, count: u64) {
        self.settled = self.settled.max(Some(count));
    }

    /// How many have ended, as far as was heard.
    pub fn count(&self) -> u64 {
        self.heard
    }

    /// Whether nobody has to look any more; nobody does then.
    pub fn is_settled(&mut self) -> bool {
        self.looking = self.settled.is_some_and(|settled| settled < self.heard);
        !self.looking
    }
}

impl Server {
    /// An answer about a followed topic counts the memberships of it that have ended.
    pub(crate) fn heard_of_ends(self: &Arc<Self>, log: &Arc<FollowedLog>, count: u64) {
        if let Some(topic) = log.hears_of_ends(count) {
            self.shutdown.spawn(Arc::clone(self).look_who_went(topic, Arc::clone(log)));
        }
    }

    async fn look_who_went(self: Arc<Self>, topic: TopicName, log: Arc<FollowedLog>) {
        loop {
            tokio::time::sleep(NEWS_WITHIN).await;
            if log.is_settled() || self.shutdown.is_draining() {
                return;
            }
            let readers = log.readers();
            let users: BTreeSet<UserId> =
                readers.iter().filter_map(|session| session.who()).map(|who| who.user.clone()).collect();
            let users: Vec<UserId> = users.into_iter().collect();
            let mut settled = log.ends_heard();
            for users in users.chunks(BATCH) {
                match self.members_among(&topic, users).await {
                    Some(count) => settled = settled.min(count),
                    None => settled = 0,
                }
            }
            log.looked_at_readers(settled);
        }
    }

    /// Has the memberships of those read anew who are no members; how many had ended then. `None`: nobody told.
    async fn members_among(self: &Arc<Self>, topic: &TopicName, users: &[UserId]) -> Option<u64> {
        let ask = Request::MembersAmong { topic: topic.clone(), users: users.to_vec() };
        let log = LogName::topic(topic);
        match self.managers.ask_within(ANSWER_WITHIN, &log, &ask).await {
            Ok(Reply::Among { members, revision }) => {
                for gone in users.iter().filter(|user| !members.contains(user)) {
                    self.refresh_memberships(gone.clone());
                }
                Some(revision)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_needs_no_look() {
        let mut ends = Ends::default();
        assert!(!ends.heard(3), "before anybody read it");
        ends.told(4);
        assert!(!ends.heard(4));
        assert!(ends.heard(5), "before its news");
        assert!(!ends.heard(5), "somebody looks already");
        ends.told(5);
        assert!(ends.is_settled());
    }

    #[test]
    fn what_was_not_told_is_looked_after_until_it_is_settled() {
        let mut ends = Ends::default();
        ends.heard(0);
        assert!(ends.heard(2));
        ends.told(2);
        assert!(!ends.is_settled(), "the first was not told of");
        ends.looked(1);
        assert!(!ends.is_settled(), "one more went meanwhile");
        assert!(!ends.heard(2), "who looks goes on");
        ends.looked(2);
        assert!(ends.is_settled());
        assert!(ends.heard(3), "and begins anew");
    }
}
