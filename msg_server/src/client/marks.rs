//! Cursors: how far a device has received, how far a user has read, and who is told.

use std::sync::Arc;
use std::time::Duration;

use mesh::outbox::Turn;
use protocol::code::ErrorCode;
use protocol::command::{Packet, name};
use protocol::ids::{LogName, MessageId, UserId, Version};
use protocol::link::request::Request as Ask;
use protocol::link::request::{Mark, Notice, Receipt, Reply};

use super::commands::Request;
use super::session::{Session, Who};
use crate::server::Server;

/// How often the marks of old topic sessions follow what their sockets took.
const OLD_MARKS_EVERY: Duration = Duration::from_millis(500);

/// How long a cursor may take to be moved.
const MOVE_WITHIN: Duration = Duration::from_secs(5);

impl Request<'_> {
    /// `ACK [log, version]` and `READ [log, version]`.
    pub(super) fn acknowledge(&self, turn: &mut Turn) {
        let (Ok(log), Ok(version)) = (LogName::new(self.arg(0)), self.arg(1).parse()) else {
            return self.malformed("a log and a version are needed", turn);
        };
        if log.user().is_some_and(|user| user != self.who.user) {
            return self.refuse(ErrorCode::NotYourLog, turn);
        }
        let mark = if &*self.packet.cmd_name == name::READ { Mark::Read } else { Mark::Received };
        let (server, session, who) = (Arc::clone(self.server), Arc::clone(self.session), self.who.clone());
        let seq = self.packet.seq;
        self.later(async move {
            let moved = server.moved_cursor(&who, log, mark, Version(version)).await;
            let mut turn = Turn::default();
            match moved {
                Ok(receipts) => {
                    session.ok(seq, |_| {}, &mut turn);
                    server.send_receipts(&who, mark, receipts, &mut turn);
                }
                Err(code) => session.refuse(seq, code, None, &mut turn),
            }
            turn.flush().await;
        });
    }
}

impl Session {
    /// A topic's entry was queued for an old session, which never acks: what its socket takes counts.
    pub(crate) fn note_queued(&self, log: &LogName, version: Version) {
        let mut state = self.state();
        match state.queued_marks.iter_mut().find(|(queued, _)| queued == log) {
            Some((_, newest)) => *newest = version.0,
            None => state.queued_marks.push((log.clone(), version.0)),
        }
    }
}

impl Server {
    /// Moves a cursor of what was received, and tells the senders of what it passed.
    pub(crate) async fn received_upto(self: Arc<Self>, who: Who, log: LogName, version: Version) {
        if let Ok(receipts) = self.moved_cursor(&who, log, Mark::Received, version).await {
            let mut turn = Turn::default();
            self.send_receipts(&who, Mark::Received, receipts, &mut turn);
            turn.flush().await;
        }
    }

    async fn moved_cursor(
        &self,
        who: &Who,
        log: LogName,
        mark: Mark,
        version: Version,
    ) -> Result<Vec<Receipt>, ErrorCode> {
        let device = who.device.clone().filter(|_| mark == Mark::Received);
        let ask = Ask::MoveCursor { user: who.user.clone(), device, log: log.clone(), mark, version };
        match self.managers.ask_within(MOVE_WITHIN, &log, &ask).await {
            Ok(Reply::Moved { receipts }) => Ok(receipts),
            Ok(Reply::Refused { code, .. }) => {
                Err(ErrorCode::from_number(code).unwrap_or(ErrorCode::Internal))
            }
            Ok(_) => Err(ErrorCode::Internal),
            Err(_) => Err(ErrorCode::NoManager),
        }
    }

    fn send_receipts(&self, who: &Who, mark: Mark, receipts: Vec<Receipt>, turn: &mut Turn) {
        for Receipt { sender, id } in receipts {
            self.deliver_receipt(&sender, &who.user, &id, mark, turn);
            self.notify(&Notice::Receipt { user: sender, peer: who.user.clone(), id, mark }, turn);
        }
    }

    /// Tells a sender's newer sessions here that a message was received or read.
    pub(crate) fn deliver_receipt(
        &self,
        sender: &UserId,
        peer: &UserId,
        id: &MessageId,
        mark: Mark,
        turn: &mut Turn,
    ) {
        for session in self.sessions.of(sender.as_str()).iter().filter(|session| session.is_newer()) {
            let receipt = Packet::new(name::RECEIPT, [peer.as_str(), id.as_str(), mark.word()]);
            session.push(receipt.to_bytes(), turn);
        }
    }

    /// Old sessions that serve topics never ack: what their sockets took is what they have.
    pub(crate) async fn move_old_marks(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(OLD_MARKS_EVERY);
        loop {
            ticks.tick().await;
            for session in self.sessions.all().iter().filter(|session| !session.is_newer()) {
                self.settle_marks(session);
            }
        }
    }

    /// Moves the marks of one old session, if its socket has taken everything.
    pub(crate) fn settle_marks(self: &Arc<Self>, session: &Session) {
        let Some(who) = session.who() else { return };
        if session.is_newer() {
            return;
        }
        let queued = {
            // In this order: what is noted by now was queued before, and so was taken if nothing waits.
            let mut state = session.state();
            if !session.is_drained() {
                return;
            }
            std::mem::take(&mut state.queued_marks)
        };
        for (log, version) in queued {
            self.shutdown.spawn(Arc::clone(self).received_upto(who.clone(), log, Version(version)));
        }
    }
}
