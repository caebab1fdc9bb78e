//! A call that waits for the committer: what decides it, and who is answered.

use futures::channel::oneshot;

use crate::embedded::index::Hot;
use crate::embedded::state::draft::Draft;
use crate::{Answer, Certainty, StoreError};

/// Why a call was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub error: StoreError,
    pub certainty: Certainty,
}

impl Failure {
    /// It did not happen.
    pub fn not(error: StoreError) -> Self {
        Self { error, certainty: Certainty::Not }
    }

    /// It may have happened.
    pub fn maybe(error: StoreError) -> Self {
        Self { error, certainty: Certainty::Maybe }
    }
}

/// A call that waits.
pub(crate) struct Job(Box<dyn Task>);

impl Job {
    /// Decides the call. After an error the draft is useless.
    pub fn decide(&mut self, draft: &mut Draft<'_, Hot>) -> Result<(), StoreError> {
        self.0.decide(draft)
    }

    /// Answers: with what was decided, once that is durable, or why it is not.
    pub fn finish(self, end: Result<(), Failure>) {
        self.0.finish(end);
    }
}

trait Task: Send {
    fn decide(&mut self, draft: &mut Draft<'_, Hot>) -> Result<(), StoreError>;
    fn finish(self: Box<Self>, end: Result<(), Failure>);
}

struct Asked<T, D, F> {
    decide: Option<D>,
    decided: Option<T>,
    failed: F,
    answer: oneshot::Sender<T>,
}

/// A job that `decide`s, and its answer; `failed` makes the answer of a failure.
pub(crate) fn ask<T, D, F>(decide: D, failed: F) -> (Job, Answer<T>)
where
    T: Send + 'static,
    D: FnOnce(&mut Draft<'_, Hot>) -> Result<T, StoreError> + Send + 'static,
    F: Fn(Failure) -> T + Clone + Send + 'static,
{
    let (answer, answered) = oneshot::channel();
    let task = Asked { decide: Some(decide), decided: None, failed: failed.clone(), answer };
    let answered = async move {
        // Nobody answers only where the committer panicked.
        answered.await.unwrap_or_else(|_| failed(Failure::maybe(StoreError::Closed)))
    };
    (Job(Box::new(task)), Box::pin(answered))
}

impl<T, D, F> Task for Asked<T, D, F>
where
    T: Send,
    D: FnOnce(&mut Draft<'_, Hot>) -> Result<T, StoreError> + Send,
    F: Fn(Failure) -> T + Send,
{
    fn decide(&mut self, draft: &mut Draft<'_, Hot>) -> Result<(), StoreError> {
        if let Some(decide) = self.decide.take() {
            self.decided = Some(decide(draft)?);
        }
        Ok(())
    }

    fn finish(self: Box<Self>, end: Result<(), Failure>) {
        let answer = match (end, self.decided) {
            (Ok(()), Some(decided)) => decided,
            (Ok(()), None) => (self.failed)(Failure::not(StoreError::Closed)),
            (Err(failure), _) => (self.failed)(failure),
        };
        // Whoever asked may have gone.
        let _ = self.answer.send(answer);
    }
}
