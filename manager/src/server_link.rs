//! The manager's end of the link to one msg_server.

use std::sync::Arc;
use std::task::{Context, Waker};

use mesh::config::HostPort;
use mesh::connection::Close;
use mesh::link::{LinkHandler, LinkId};
use mesh::outbox::{Outbox, Turn};
use protocol::code::ErrorCode;
use protocol::link::request::{Notice, Reply, Request};
use protocol::link::{Frame, Page, Read};
use tokio::sync::Semaphore;

use crate::appends::Appends;
use crate::budget::Share;
use crate::desk::{Desk, push};
use crate::reads::{self, READS_AT_ONCE};
use crate::requests;

/// Bytes that a question counts for beside its own.
const QUESTION_BYTES: usize = 1 << 10;

/// Takes what one msg_server wants stored or read to the store.
pub struct ServerLink {
    address: HostPort,
    desk: Desk,
    standing: Option<Standing>,
}

/// One incarnation of the link.
struct Standing {
    id: LinkId,
    outbox: Arc<Outbox>,
    appends: Appends,
    reading: Arc<Semaphore>,
}

impl ServerLink {
    /// For the msg_server that is dialled at `address`.
    pub fn new(address: &HostPort, desk: &Desk) -> Self {
        Self { address: address.clone(), desk: desk.clone(), standing: None }
    }

    /// A share of what may be under way, for one question; or why there is none.
    fn admit(&self, bytes: usize) -> Result<Share, ErrorCode> {
        if self.desk.is_draining() {
            return Err(ErrorCode::Draining);
        }
        let mut share = self.desk.budget().share();
        if share.take(bytes + QUESTION_BYTES) { Ok(share) } else { Err(ErrorCode::Busy) }
    }

    fn read(&self, read: &Read<'_>, standing: &Standing, turn: &mut Turn) {
        self.desk.vitals().read();
        let admitted = self
            .admit(0)
            .and_then(|share| reads::parse(read, self.desk.page_bytes()).map(|wanted| (share, wanted)));
        match admitted {
            Ok((share, wanted)) => {
                let (desk, outbox) = (self.desk.clone(), Arc::clone(&standing.outbox));
                let reading = Arc::clone(&standing.reading);
                self.desk.spawn(reads::answer(wanted, desk, outbox, reading, share));
            }
            Err(code) => {
                self.desk.vitals().refused(1);
                let page = Page { ask: read.ask, refused: code.number(), ..Page::default() };
                push(&standing.outbox, Frame::Page(page).to_bytes(), turn);
            }
        }
    }

    fn ask(&self, ask: u64, json: &[u8], standing: &mut Standing, turn: &mut Turn) {
        self.desk.vitals().requested();
        let admitted = self
            .admit(json.len())
            .map_err(Reply::refused)
            .and_then(|share| requests::parse(json).map(|request| (share, request)));
        match admitted {
            Ok((share, request)) => {
                if ends_access(&request) {
                    // What was sent before is not refused for what comes after it.
                    standing.appends.submit(&self.desk, &standing.outbox);
                }
                let (desk, outbox) = (self.desk.clone(), Arc::clone(&standing.outbox));
                self.begin(async move {
                    let reply = requests::answer(request, &desk).await;
                    let mut turn = Turn::default();
                    reply_to(ask, &reply, &desk, &outbox, &mut turn);
                    turn.flush().await;
                    drop(share);
                });
            }
            Err(refusal) => reply_to(ask, &refusal, &self.desk, &standing.outbox, turn),
        }
    }

    fn noticed(&self, json: &[u8]) {
        match serde_json::from_slice(json) {
            Ok(Notice::Clock { shows }) => self.desk.clock_shows(shows),
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "news of a later version"),
        }
    }

    /// Runs a question up to where it waits for the store, so that questions take their places in the order in which
    /// they came; what follows is a task of its own.
    fn begin(&self, answering: impl Future<Output = ()> + Send + 'static) {
        let mut answering = Box::pin(answering);
        let begun = answering.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if begun.is_pending() {
            self.desk.spawn(answering);
        }
    }
}

/// Whether appends that come after it may be refused for it.
fn ends_access(request: &Request) -> bool {
    matches!(
        request,
        Request::LeaveTopic { .. }
            | Request::RemoveFromTopic { .. }
            | Request::DissolveTopic { .. }
            | Request::Account { .. }
    )
}

fn reply_to(ask: u64, reply: &Reply, desk: &Desk, outbox: &Arc<Outbox>, turn: &mut Turn) {
    desk.vitals().refused(u64::from(matches!(reply, Reply::Refused { .. })));
    let json = serde_json::to_vec(reply).unwrap_or_default();
    push(outbox, Frame::Answer(ask, &json).to_bytes(), turn);
}

impl LinkHandler for ServerLink {
    fn up(&mut self, id: LinkId, outbox: &Arc<Outbox>, _turn: &mut Turn) {
        tracing::info!(msg_server = %self.address, "linked");
        self.desk.vitals().linked(id, outbox);
        self.standing = Some(Standing {
            id,
            outbox: Arc::clone(outbox),
            appends: Appends::new(self.desk.budget()),
            reading: Arc::new(Semaphore::new(READS_AT_ONCE)),
        });
    }

    fn frame(&mut self, frame: Frame<'_>, _whole: &[u8], turn: &mut Turn) -> Result<(), Close> {
        let Some(mut standing) = self.standing.take() else { return Ok(()) };
        match frame {
            Frame::Append(append) => {
                standing.appends.take(&append, &self.desk, &standing.outbox, turn);
            }
            Frame::Confirm(confirm) => standing.appends.confirmed(confirm.number),
            Frame::Read(read) => self.read(&read, &standing, turn),
            Frame::Ask(ask, json) => self.ask(ask, json, &mut standing, turn),
            Frame::Notice(json) => self.noticed(json),
            _ => {}
        }
        self.standing = Some(standing);
        Ok(())
    }

    fn turn_ends(&mut self, _turn: &mut Turn) {
        if let Some(standing) = &mut self.standing {
            standing.appends.submit(&self.desk, &standing.outbox);
        }
    }

    fn report(&self) -> Vec<u8> {
        self.desk.report()
    }

    fn down(&mut self, _turn: &mut Turn) {
        if let Some(standing) = self.standing.take() {
            self.desk.vitals().unlinked(standing.id);
        }
    }
}

impl Drop for ServerLink {
    /// The msg_server was taken from the list, or this process stops: no incarnation's end is heard of then.
    fn drop(&mut self) {
        self.down(&mut Turn::default());
    }
}
