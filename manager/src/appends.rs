//! The appends of one link: gathered over a turn, given to the store as batches, answered when it has answered.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use mesh::outbox::{Outbox, Turn};
use protocol::code::ErrorCode;
use protocol::event::Stored as Certain;
use protocol::link;
use storage::{Answer, Append, AppendError};

use crate::answers::{self, IntoStored};
use crate::budget::{Budget, Share};
use crate::desk::{Desk, push};
use crate::edge::{self, Checked};
use crate::holds::Holds;

/// A batch that is larger than this, in bytes, does not wait for the end of the turn.
const BATCH_BYTES: usize = 1 << 20;
/// Bytes that an append counts for beside its content.
const APPEND_BYTES: usize = 512;

/// The appends that came in a turn, in order.
pub struct Appends {
    topics: Group<Append>,
    pairs: Group<Bytes>,
    holds: Holds,
}

/// What goes to the store in one call.
struct Group<T> {
    items: Vec<T>,
    asks: Asks,
}

/// Whom to answer, and what the batch takes of the budget until then.
struct Asks {
    asks: Vec<Ask>,
    content_bytes: u64,
    share: Share,
}

#[derive(Clone, Copy)]
struct Ask {
    number: u64,
    to_oneself: bool,
}

impl<T> Group<T> {
    fn new(budget: &Arc<Budget>) -> Self {
        let asks = Asks { asks: Vec::new(), content_bytes: 0, share: budget.share() };
        Self { items: Vec::new(), asks }
    }

    /// False if too much is under way.
    fn add(&mut self, item: T, bytes: usize, ask: Ask) -> bool {
        if !self.asks.share.take(bytes + APPEND_BYTES) {
            return false;
        }
        self.items.push(item);
        self.asks.asks.push(ask);
        self.asks.content_bytes += bytes as u64;
        true
    }
}

impl Appends {
    /// None yet.
    pub fn new(budget: &Arc<Budget>) -> Self {
        Self { topics: Group::new(budget), pairs: Group::new(budget), holds: Holds::default() }
    }

    /// Takes an append, or refuses it at once.
    pub fn take(&mut self, append: &link::Append<'_>, desk: &Desk, outbox: &Arc<Outbox>, turn: &mut Turn) {
        if let Err((code, message)) = self.gather(append, desk) {
            if code == ErrorCode::Busy {
                self.holds.refuse(append.log);
            }
            let mut refusal = Vec::new();
            answers::put_refusal(&mut refusal, append.ask, code, message, Certain::No);
            desk.vitals().refused(1);
            push(outbox, refusal.into(), turn);
        } else if self.topics.asks.share.bytes() + self.pairs.asks.share.bytes() > BATCH_BYTES {
            self.submit(desk, outbox);
        }
    }

    fn gather(&mut self, append: &link::Append<'_>, desk: &Desk) -> Result<(), (ErrorCode, &'static str)> {
        if desk.is_draining() {
            return Err((ErrorCode::Draining, ErrorCode::Draining.meaning()));
        }
        if self.holds.has(append.log) {
            return Err((ErrorCode::Busy, ErrorCode::Busy.meaning()));
        }
        let checked = edge::check(append).map_err(|why| (ErrorCode::BadRequest, why))?;
        let (number, bytes) = (append.ask, append.content.len());
        let fits = match checked {
            Checked::One(one) => self.topics.add(one, bytes, Ask { number, to_oneself: false }),
            Checked::Pair { content, to_oneself } => {
                self.pairs.add(content, bytes, Ask { number, to_oneself })
            }
        };
        if fits { Ok(()) } else { Err((ErrorCode::Busy, ErrorCode::Busy.meaning())) }
    }

    /// The msg_server has heard so many refusals for the moment.
    pub fn confirmed(&mut self, number: u64) {
        self.holds.confirmed(number);
    }

    /// Gives what has gathered to the store. Its place in the order is taken when this returns.
    pub fn submit(&mut self, desk: &Desk, outbox: &Arc<Outbox>) {
        if !self.topics.items.is_empty() {
            let group = std::mem::replace(&mut self.topics, Group::new(desk.budget()));
            let answer = desk.store().append(group.items);
            desk.spawn(answered(answer, group.asks, desk.clone(), Arc::clone(outbox)));
        }
        if !self.pairs.items.is_empty() {
            let group = std::mem::replace(&mut self.pairs, Group::new(desk.budget()));
            let answer = desk.store().append_pair(group.items);
            desk.spawn(answered(answer, group.asks, desk.clone(), Arc::clone(outbox)));
        }
    }
}

/// Waits for the store, and answers all of a batch in one write. Whose link is gone by then asks again over the next.
async fn answered<T: IntoStored>(
    answer: Answer<Vec<Result<T, AppendError>>>,
    batch: Asks,
    desk: Desk,
    outbox: Arc<Outbox>,
) {
    let began = Instant::now();
    let results = answer.await;
    let mut failure = None;
    let (mut frames, mut refused, mut duplicates) = (Vec::with_capacity(batch.asks.len() * 32), 0, 0);
    for (ask, result) in batch.asks.iter().zip(results) {
        match result {
            Ok(stored) => {
                duplicates += u64::from(stored.is_duplicate());
                answers::put_stored(&mut frames, ask.number, stored.into_stored(ask.to_oneself));
            }
            Err(error) => {
                if let AppendError::Failed { .. } = &error {
                    failure.get_or_insert_with(|| error.to_string());
                }
                refused += 1;
                answers::put_error(&mut frames, ask.number, &error);
            }
        }
    }
    if let Some(error) = failure {
        tracing::warn!(error, "appends were not stored");
    }
    desk.vitals().appended(batch.asks.len() as u64, batch.content_bytes, duplicates, began.elapsed());
    desk.vitals().refused(refused);
    let mut turn = Turn::default();
    push(&outbox, frames.into(), &mut turn);
    turn.flush().await;
    drop(batch.share);
}
