//! `SYNC`: reading a log without moving anything.

use std::sync::Arc;

use mesh::outbox::Turn;
use protocol::code::ErrorCode;
use protocol::event::{self, Dialect};
use protocol::ids::{LogName, Version};

use super::commands::Request;
use super::session::{Offered, Session};
use crate::links::managers::{OwnedPage, PageBounds};
use crate::server::Server;

/// The most messages of one `SYNC`.
const MAX_ENTRIES: u64 = 1000;

/// The most bytes of message content in one `SYNC`; one message may be longer.
const MAX_BYTES: u64 = 1024 * 1024;

/// One `SYNC` under way.
struct Sync {
    session: Arc<Session>,
    seq: u64,
    log: LogName,
    after: Version,
    entries_left: u64,
    bytes_left: u64,
}

impl Request<'_> {
    /// `SYNC [log, after, limit]`.
    pub(super) fn sync(&self, turn: &mut Turn) {
        let Some(seq) = self.packet.seq else { return };
        let (Ok(log), Ok(after)) = (LogName::new(self.arg(0)), self.arg(1).parse()) else {
            return self.malformed("SYNC needs a log and the version after which to read", turn);
        };
        let limit = match self.limit(2, MAX_ENTRIES) {
            Ok(limit) => limit,
            Err(why) => return self.malformed(&why, turn),
        };
        if log.user().is_some_and(|user| user != self.who.user) {
            return self.refuse(ErrorCode::NotYourLog, turn);
        }
        let sync = Sync {
            session: Arc::clone(self.session),
            seq,
            log,
            after: Version(after),
            entries_left: limit,
            bytes_left: MAX_BYTES,
        };
        self.later(sync.run(Arc::clone(self.server)));
    }
}

impl Sync {
    /// Reads and sends pages that fit the session's queue, until the limit or the head is reached.
    async fn run(mut self, server: Arc<Server>) {
        loop {
            let session = Arc::clone(&self.session);
            let _its_turn = session.one_page().await;
            if !self.session.wait_for_room().await {
                return;
            }
            let mut turn = Turn::default();
            let done = match self.page(&server).await {
                Ok(page) => self.send(&page, &mut turn),
                Err(code) => {
                    self.session.refuse(Some(self.seq), code, None, &mut turn);
                    true
                }
            };
            turn.flush().await;
            if done {
                return;
            }
        }
    }

    async fn page(&self, server: &Server) -> Result<OwnedPage, ErrorCode> {
        let user = self.session.who().map(|who| who.user.as_str());
        let room = (server.config.session_queue_bytes / 8) as u64;
        let bounds = PageBounds {
            after: self.after,
            max_entries: self.entries_left,
            max_bytes: self.bytes_left.min(room).max(1),
        };
        match server.managers.read(&self.log, user, bounds).await {
            Ok(page) if page.refused == 0 => Ok(page),
            Ok(page) => Err(ErrorCode::from_number(page.refused).unwrap_or(ErrorCode::Internal)),
            Err(_) => Err(ErrorCode::NoManager),
        }
    }

    /// Queues of a page what there is room for; true, with the `OK`, if that was all.
    fn send(&mut self, page: &OwnedPage, turn: &mut Turn) -> bool {
        // What was before the reader joined is no gap: it is not theirs.
        self.after = self.after.max(page.since);
        for entry in &page.entries {
            let before = Version(entry.version.0 - 1);
            if before > self.after {
                self.session.push(event::gap(&self.log, self.after, before, Some(self.seq)), turn);
                self.after = before;
            }
            let frame = event::pushed(Dialect::New, &self.log, entry, Some(self.seq));
            if frame.is_some_and(|frame| self.session.offer(frame, turn) == Offered::Full) {
                return false;
            }
            self.after = entry.version;
            self.entries_left = self.entries_left.saturating_sub(1);
            self.bytes_left = self.bytes_left.saturating_sub(entry.weight() as u64);
        }
        let complete = self.after >= page.head;
        if !complete && !page.entries.is_empty() && self.entries_left > 0 && self.bytes_left > 0 {
            return false;
        }
        self.finish(page, complete, turn);
        true
    }

    fn finish(&self, page: &OwnedPage, complete: bool, turn: &mut Turn) {
        let next = serde_json::value::to_raw_value(&self.after).ok();
        let mut ok = event::ok(self.seq);
        ok.first = Some(page.first.0.max(1));
        ok.next = next.as_deref();
        ok.head = Some(page.head.0);
        ok.complete = Some(complete);
        self.session.push(ok.to_bytes(), turn);
    }
}
