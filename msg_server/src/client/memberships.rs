//! Memberships: what the sessions of a user know of them and follow, kept alike on all devices; and what becomes of it
//! when somebody leaves, is put out, or a topic ends.
//!
//! A manager tells every msg_server who is a member no longer. Whoever asked a manager for memberships before such news
//! came, and believes the answer only after it, looks whether there was news meanwhile ([`News`]).

use std::collections::HashSet;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mesh::outbox::Turn;
use protocol::channel::Channel;
use protocol::ids::{LogName, TopicName, UserId};
use protocol::link::Frame;
use protocol::link::request::Request as Ask;
use protocol::link::request::{LogState, Notice, Reply};
use xxhash_rust::xxh3::xxh3_64;

use super::alignment::Alignment;
use super::session::Session;
use super::topics::ANSWER_WITHIN;
use crate::follow::feed::From;
use crate::server::Server;

/// After memberships could not be read.
const REFRESH_AGAIN: Duration = Duration::from_secs(1);

/// Users share a counter with some others: what one more reading costs is nothing beside a counter for each.
const COUNTERS: usize = 256;

/// Counts the news of memberships, by user.
pub(crate) struct News([AtomicU32; COUNTERS]);

impl Default for News {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU32::new(0)))
    }
}

impl News {
    fn counter(&self, user: &UserId) -> &AtomicU32 {
        &self.0[xxh3_64(user.as_str().as_bytes()) as usize % COUNTERS]
    }

    /// How much there was, of this user and perhaps of others.
    pub(crate) fn of(&self, user: &UserId) -> u32 {
        self.counter(user).load(Ordering::Acquire)
    }

    fn came(&self, user: &UserId) {
        self.counter(user).fetch_add(1, Ordering::AcqRel);
    }
}

/// How reading a user's memberships went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refreshed {
    /// All sessions follow what they are to, or there are none.
    Done,
    /// A session joined or left a topic meanwhile.
    Outdated,
    /// No manager told them.
    Unread,
}

impl Server {
    pub(super) fn know(&self, session: &Session, logs: &[&LogState]) {
        let names: HashSet<&LogName> = logs.iter().map(|log| &log.log).collect();
        let mut state = session.state();
        state.memberships += 1;
        // Where no manager has told the logs yet, the late login does.
        if let Some(known) = &mut state.known {
            known.retain(|other| !names.contains(&other.log));
            known.extend(logs.iter().copied().cloned());
        }
    }

    /// A newer session's user is a member of more topics: each is read from its head on, once the session has resumed.
    pub(super) fn adopt(self: &Arc<Self>, session: &Arc<Session>, logs: &[&LogState], turn: &mut Turn) {
        self.know(session, logs);
        for log in logs {
            if log.volatile {
                self.follow(session, &log.log, From::Later, turn);
            } else if session.state().resumed.is_some() {
                self.follow(session, &log.log, From::After(log.head), turn);
            }
        }
    }

    pub(crate) fn forget(self: &Arc<Self>, session: &Arc<Session>, logs: &[&LogName], turn: &mut Turn) {
        let names: HashSet<&LogName> = logs.iter().copied().collect();
        {
            let mut state = session.state();
            state.memberships += 1;
            if let Some(known) = &mut state.known {
                known.retain(|other| !names.contains(&other.log));
            }
        }
        for log in logs {
            self.unfollow(session, log.as_str(), turn);
        }
    }

    /// Somebody's memberships changed, elsewhere or here.
    pub(crate) fn membership_news(self: &Arc<Self>, user: UserId) {
        self.news.came(&user);
        if !self.sessions.of(user.as_str()).is_empty() {
            self.refresh_memberships(user);
        }
    }

    /// What was told of the user's memberships is believed now: news that came since it was asked for is looked after.
    pub(super) fn believed(self: &Arc<Self>, user: &UserId, news_then: u32) {
        if self.news.of(user) != news_then {
            self.refresh_memberships(user.clone());
        }
    }

    /// Somebody is a member no longer, as a manager tells.
    pub(crate) fn membership_ended(self: &Arc<Self>, topic: &TopicName, user: UserId, ended: u64) {
        if let Some(followed) = self.followed.get(LogName::topic(topic).as_str()) {
            followed.told_of_end(ended);
        }
        self.membership_news(user);
    }

    /// A topic is no more: nobody here follows it any longer.
    pub(crate) fn topic_dissolved(self: &Arc<Self>, topic: &TopicName, turn: &mut Turn) {
        let log = LogName::topic(topic);
        let readers = self.followed.get(log.as_str()).map(|followed| followed.readers());
        for session in readers.unwrap_or_default() {
            self.forget(&session, &[&log], turn);
        }
    }

    /// A membership changed through a session here: the user's other sessions, here and elsewhere, look again.
    pub(super) fn membership_changed(self: &Arc<Self>, user: &UserId, turn: &mut Turn) {
        self.refresh_memberships(user.clone());
        let notice = Notice::MembershipChanged { user: user.clone() };
        let json = serde_json::to_vec(&notice).unwrap_or_default();
        self.channels.publish(Channel::TopicStatus, &Frame::Notice(&json).to_bytes(), turn);
    }

    /// Reads the user's memberships and has the user's sessions here follow just those: one reading at a time for each user,
    /// and one more after it for whatever happened meanwhile.
    pub(crate) fn refresh_memberships(self: &Arc<Self>, user: UserId) {
        match self.refreshing.lock().entry(user.clone()) {
            Entry::Occupied(mut again) => return *again.get_mut() = true,
            Entry::Vacant(place) => *place.insert(false),
        };
        let server = Arc::clone(self);
        self.shutdown.spawn(async move {
            loop {
                let refreshed = server.refreshed(&user).await;
                {
                    let mut refreshing = server.refreshing.lock();
                    let again = refreshing.insert(user.clone(), false) == Some(true);
                    if !again && refreshed == Refreshed::Done {
                        refreshing.remove(&user);
                        return;
                    }
                }
                if refreshed == Refreshed::Unread {
                    tokio::time::sleep(REFRESH_AGAIN).await;
                }
            }
        });
    }

    async fn refreshed(self: &Arc<Self>, user: &UserId) -> Refreshed {
        let sessions = self.sessions.of(user.as_str());
        if sessions.is_empty() || self.shutdown.is_draining() {
            return Refreshed::Done;
        }
        if !self.end_outlived(user, &sessions).await {
            return Refreshed::Unread;
        }
        let seen: Vec<u64> = sessions.iter().map(|session| session.state().memberships).collect();
        let ask = Ask::Topics { user: user.clone() };
        let asked = self.managers.ask_within(ANSWER_WITHIN, &LogName::inbox(user), &ask).await;
        let Ok(Reply::Topics { topics, .. }) = asked else { return Refreshed::Unread };
        let (mut refreshed, mut turn) = (Refreshed::Done, Turn::default());
        for (session, seen) in sessions.iter().zip(seen) {
            if !self.align(session, seen, &topics, &mut turn) {
                refreshed = Refreshed::Outdated;
            }
        }
        turn.flush().await;
        refreshed
    }

    /// False if the session joined or left a topic after the memberships were asked for: they may be older than that.
    fn align(
        self: &Arc<Self>,
        session: &Arc<Session>,
        seen: u64,
        topics: &[LogState],
        turn: &mut Turn,
    ) -> bool {
        let known = {
            let state = session.state();
            if state.memberships != seen {
                return state.ended;
            }
            match state.known.clone() {
                Some(known) => known,
                // Its late login is to come, and reads them anew.
                None => return true,
            }
        };
        let Alignment { gone, new } = Alignment::between(&known, topics);
        if !gone.is_empty() {
            self.forget(session, &gone, turn);
        }
        if session.is_newer() && !new.is_empty() {
            self.adopt(session, &new, turn);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_is_noticed_by_whoever_asked_before_it_came() {
        let (news, amy) = (News::default(), UserId::new("amy").unwrap());
        let before = news.of(&amy);
        assert_eq!(news.of(&amy), before);
        news.came(&amy);
        assert_ne!(news.of(&amy), before);
    }
}
