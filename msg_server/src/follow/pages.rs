//! Reads pages of a log for a feed: for a hole, or for a reader that is behind.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mesh::outbox::Turn;
use protocol::code::ErrorCode;
use protocol::ids::Version;

use super::feed::Whom;
use super::followed::FollowedLog;
use crate::client::session::Session;
use crate::links::managers::{OwnedPage, PageBounds};
use crate::server::Server;

/// Waits between attempts while no manager answers, or answers with less than must be there.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

impl Server {
    /// Reads one page and hands it to the feed, however long it takes for a manager to answer; gives up when nobody wants it any more.
    pub(crate) async fn read_for(
        self: Arc<Self>,
        log: Arc<FollowedLog>,
        whom: Whom<Arc<Session>>,
        after: Version,
    ) {
        let mut wait = FIRST_WAIT;
        loop {
            let reader = match &whom {
                Whom::Reader(session) => Some(Arc::clone(session)),
                Whom::Feed => None,
            };
            let its_turn = match &reader {
                Some(session) => Some(session.one_page().await),
                None => None,
            };
            if let Some(session) = &reader
                && !session.wait_for_room().await
            {
                return;
            }
            if let Some(page) = self.page(&log, &whom, after).await {
                match verdict(after.max(page.since), page.entries.len(), page.head, page.refused) {
                    Verdict::Hand => return self.hand_page(&log, whom, page).await,
                    Verdict::Refused => return self.refused(&log, &whom, page.refused).await,
                    Verdict::Again => {}
                }
            }
            drop(its_turn);
            if !log.with(&self, &mut Turn::default(), |_, _| {}) {
                return;
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn page(&self, log: &FollowedLog, whom: &Whom<Arc<Session>>, after: Version) -> Option<OwnedPage> {
        let reader = match whom {
            Whom::Reader(session) => session.who().map(|who| who.user.as_str()),
            Whom::Feed => None,
        };
        let max_bytes = (self.config.session_queue_bytes / 8) as u64;
        let bounds = PageBounds { after, max_entries: 1000, max_bytes };
        self.managers.read(log.name(), reader, bounds).await.ok()
    }

    async fn hand_page(self: &Arc<Self>, log: &Arc<FollowedLog>, whom: Whom<Arc<Session>>, page: OwnedPage) {
        let mut turn = Turn::default();
        log.with(self, &mut turn, |feed, steps| {
            if let Whom::Reader(session) = &whom {
                feed.begins_after(session, page.since);
            }
            feed.page(whom, &page.entries, page.head, Instant::now(), steps)
        });
        self.heard_of_ends(log, page.revision);
        turn.flush().await;
    }

    /// The reader may not read this log any more, or nobody may: news of that was lost, or is on its way.
    async fn refused(self: &Arc<Self>, log: &FollowedLog, whom: &Whom<Arc<Session>>, code: u16) {
        let mut turn = Turn::default();
        match (whom, log.name().topic_name()) {
            (_, Some(topic)) if code == ErrorCode::NameGone.number() => {
                self.topic_dissolved(&topic, &mut turn);
            }
            (Whom::Reader(session), Some(_)) => {
                self.forget(session, &[log.name()], &mut turn);
                // It may have become a member again since.
                session.who().into_iter().for_each(|who| self.refresh_memberships(who.user.clone()));
            }
            (Whom::Reader(session), None) => self.unfollow(session, log.name().as_str(), &mut turn),
            (Whom::Feed, _) => {}
        }
        turn.flush().await;
    }
}

/// What to do with a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Hand it to the feed.
    Hand,
    /// It was refused, and will be.
    Refused,
    /// It has less than must be there, or nothing could be read at the moment: read again after a while.
    Again,
}

/// What to do with a page that was asked for after a version. Where more exists, an empty one is no answer: the feed would ask
/// for it at once, for ever.
pub fn verdict(after: Version, entries: usize, head: Version, refused: u16) -> Verdict {
    match ErrorCode::from_number(refused) {
        Some(code) if code.retry().is_none() => Verdict::Refused,
        _ if refused != 0 || (entries == 0 && head > after) => Verdict::Again,
        _ => Verdict::Hand,
    }
}
