//! The threads that read.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use futures::channel::oneshot;

use super::Queries;
use crate::embedded::commit::{NotQueued, Queue};
use crate::{Answer, StoreError};

/// Questions that may wait; each counts one.
const WAITING: usize = 100_000;

type Question = Box<dyn FnOnce(&Queries) + Send>;

/// The threads; dropping this answers what waits and ends them.
pub(crate) struct Readers {
    handle: ReadersHandle,
    threads: Vec<JoinHandle<()>>,
}

/// Asks the threads.
#[derive(Clone)]
pub(crate) struct ReadersHandle(Arc<Queue<Question>>);

impl Readers {
    /// Starts so many threads.
    pub fn start(threads: usize, queries: &Arc<Queries>) -> io::Result<Self> {
        let handle = ReadersHandle(Arc::new(Queue::new(WAITING)));
        let mut readers = Self { handle, threads: Vec::new() };
        for number in 0..threads.max(1) {
            let (queue, queries) = (Arc::clone(&readers.handle.0), Arc::clone(queries));
            let work = move || {
                while let Some(questions) = queue.take(1) {
                    questions.into_iter().for_each(|question| answer(question, &queries));
                }
            };
            readers.threads.push(thread::Builder::new().name(format!("store-read-{number}")).spawn(work)?);
        }
        Ok(readers)
    }

    pub fn handle(&self) -> &ReadersHandle {
        &self.handle
    }
}

/// A question that panics is answered by an error, and the thread goes on.
fn answer(question: Question, queries: &Queries) {
    if panic::catch_unwind(AssertUnwindSafe(|| question(queries))).is_err() {
        tracing::error!("a read of the store panicked: please report what it said");
    }
}

impl ReadersHandle {
    /// The answer of whichever thread is free next.
    pub fn ask<T, E>(
        &self,
        question: impl FnOnce(&Queries) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<Result<T, E>>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let question: Question = Box::new(move |queries| {
            // Whoever asked may have gone.
            let _ = answer.send(question(queries));
        });
        if let Err((why, _)) = self.0.push_all(vec![(1, question)]) {
            let error = match why {
                NotQueued::Full => {
                    StoreError::Unreadable("it is busy: too many reads wait; try again".to_owned())
                }
                NotQueued::Closed => StoreError::Closed,
            };
            return Box::pin(std::future::ready(Err(error.into())));
        }
        let lost = || StoreError::Unreadable("the read ended without an answer".to_owned());
        Box::pin(async move { answered.await.unwrap_or_else(|_| Err(lost())).map_err(E::from) })
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.handle.0.close();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread that reads the store panicked");
            }
        }
    }
}
