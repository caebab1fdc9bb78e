//! A message between two inboxes where the backend has no transaction over both: steps that may be cut anywhere.
//!
//! 1. Whatever may refuse the message is decided before the first step, by the backend that takes these steps.
//! 2. The sender's inbox gets its copy, marked `open`: message and intent in one entry.
//! 3. The recipient's inbox gets the other.
//! 4. The mark is taken away: batched, awaited by nobody.
//!
//! Appends are deduped, so every step may be done again by anyone: "it is there already" means go on. What a crash
//! leaves open, [`complete_open_pairs`] completes, without the help of the client that sent it.

use bytes::Bytes;
use futures::future::BoxFuture;
use protocol::content::Content;
use protocol::ids::{LogName, Time, UserId};

use crate::{Append, AppendError, Appended, Certainty, OpenPair, PairAppended, Store, StoreError};

/// What [`append_pairs`] came to.
#[derive(Debug, Default)]
pub struct Pairs {
    /// One for each message, in the order of the batch.
    pub results: Vec<Result<PairAppended, AppendError>>,
    /// What [`Store::close_pairs`] is to be told, with as many others as there are.
    pub whole: Vec<OpenPair>,
}

/// Appends each message to its sender's inbox, then to its recipient's. The sender's copies take their place
/// when this is called; the recipients' once the sender's are durable, so whoever wants the messages of one
/// sender in order in the recipients' inboxes too begins one batch of theirs after the other has ended.
///
/// A message whose result is an error with [`Certainty::Maybe`] may be in one inbox or both; if it is in one, it is open
/// there.
pub fn append_pairs(store: &dyn Store, batch: Vec<Bytes>) -> BoxFuture<'_, Pairs> {
    let halves: Vec<_> = batch.into_iter().map(Halves::new).collect();
    let known = halves.iter().flatten().map(Halves::senders).collect();
    let first = store.append(known);
    Box::pin(async move {
        let mut firsts = first.await.into_iter();
        let begun: Vec<_> = halves.into_iter().map(|halves| begin(halves, &mut firsts)).collect();
        let seconds = store.append(begun.iter().filter_map(Begun::second).collect()).await;
        let mut seconds = seconds.into_iter();
        let mut pairs = Pairs::default();
        for begun in begun {
            finish(begun, &mut seconds, &mut pairs);
        }
        pairs
    })
}

/// The two appends that a message becomes.
struct Halves {
    sender: LogName,
    recipient: LogName,
    content: Bytes,
}

impl Halves {
    fn new(content: Bytes) -> Result<Self, AppendError> {
        match inboxes(&content) {
            Some((sender, recipient)) => Ok(Self { sender, recipient, content }),
            None => {
                let error = StoreError::Unwritable("it names no sender or no recipient".to_owned());
                Err(AppendError::Failed { error, certainty: Certainty::Not })
            }
        }
    }

    fn senders(&self) -> Append {
        let open = self.sender != self.recipient;
        Append { log: self.sender.clone(), content: self.content.clone(), open }
    }
}

fn inboxes(content: &[u8]) -> Option<(LogName, LogName)> {
    let content = Content::parse(content).ok()?;
    let inbox = |user| UserId::new(user).ok().map(|user| LogName::inbox(&user));
    Some((inbox(content.sender)?, inbox(content.to?)?))
}

/// A message after the first step.
enum Begun {
    Ended(Result<PairAppended, AppendError>),
    Half(Appended, Halves),
}

impl Begun {
    fn second(&self) -> Option<Append> {
        match self {
            Self::Ended(_) => None,
            Self::Half(_, halves) => {
                Some(Append { log: halves.recipient.clone(), content: halves.content.clone(), open: false })
            }
        }
    }
}

fn no_answer() -> AppendError {
    AppendError::Failed { error: StoreError::Closed, certainty: Certainty::Maybe }
}

fn begin(
    halves: Result<Halves, AppendError>,
    firsts: &mut impl Iterator<Item = Result<Appended, AppendError>>,
) -> Begun {
    let halves = match halves {
        Ok(halves) => halves,
        Err(error) => return Begun::Ended(Err(error)),
    };
    match firsts.next().unwrap_or_else(|| Err(no_answer())) {
        Ok(sender) if halves.sender == halves.recipient => {
            Begun::Ended(Ok(PairAppended { sender, recipient: sender }))
        }
        Ok(sender) => Begun::Half(sender, halves),
        Err(error) => Begun::Ended(Err(error)),
    }
}

fn finish(
    begun: Begun,
    seconds: &mut impl Iterator<Item = Result<Appended, AppendError>>,
    pairs: &mut Pairs,
) {
    let (sender, halves) = match begun {
        Begun::Ended(result) => return pairs.results.push(result),
        Begun::Half(sender, halves) => (sender, halves),
    };
    let result = match seconds.next().unwrap_or_else(|| Err(no_answer())) {
        Ok(recipient) => {
            pairs.whole.push(OpenPair { version: sender.version, content: halves.content });
            Ok(PairAppended { sender, recipient })
        }
        // The sender's copy is there: the message may reach its recipient yet.
        Err(AppendError::Failed { error, .. }) => {
            Err(AppendError::Failed { error, certainty: Certainty::Maybe })
        }
        Err(refusal) => {
            if never(&refusal) {
                pairs.whole.push(OpenPair { version: sender.version, content: halves.content });
            }
            Err(refusal)
        }
    };
    pairs.results.push(result);
}

/// Whether the second step will be refused each time: then the pair is closed as it is, or it would be tried for ever.
fn never(refusal: &AppendError) -> bool {
    !matches!(refusal, AppendError::Failed { .. })
}

/// What [`complete_open_pairs`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Completed {
    /// Pairs that are whole now.
    pub whole: usize,
    /// Pairs whose second half the recipient's inbox refuses for good: closed as they are.
    pub refused: usize,
    /// Pairs that could not be completed this time.
    pub left: usize,
}

/// Completes at most `limit` pairs that began before `before` and are still open. Any number of processes may do so at
/// once. To be called again at once where `whole + refused` is `limit`.
///
/// # Errors
/// The store cannot say which pairs are open, or cannot close them: nothing is lost, call again later.
pub async fn complete_open_pairs(
    store: &dyn Store,
    before: Time,
    limit: usize,
) -> Result<Completed, StoreError> {
    let open = store.open_pairs(before, limit).await?;
    let (mut completed, mut closed) = (Completed::default(), Vec::new());
    let (seconds, pairs): (Vec<_>, Vec<_>) = open
        .into_iter()
        .filter_map(|pair| {
            let (_, recipient) = inboxes(&pair.content)?;
            Some((Append { log: recipient, content: pair.content.clone(), open: false }, pair))
        })
        .unzip();
    for (result, pair) in store.append(seconds).await.into_iter().zip(pairs) {
        match result {
            Ok(_) => completed.whole += 1,
            Err(refusal) if never(&refusal) => {
                tracing::warn!(version = %pair.version, %refusal, "a message's second half is refused for good");
                completed.refused += 1;
            }
            Err(_) => {
                completed.left += 1;
                continue;
            }
        }
        closed.push(pair);
    }
    store.close_pairs(closed).await?;
    Ok(completed)
}
