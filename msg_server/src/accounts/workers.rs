//! The threads that passwords are hashed on: a few of their own, of low priority, behind a bounded queue. Messages never wait for
//! them, and their number bounds the memory that hashing takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::hashing::{self, HashingError, Verdict, Verifier};
use protocol::account::Hidden;
use protocol::link::accounts::PasswordHash;

/// So many may wait for each thread: at some 25 ms each, less than two seconds' work.
const QUEUE_PER_THREAD: usize = 64;

/// Whoever waited longer has given up, or will: it is told to come again, and costs nothing.
const PATIENCE: Duration = Duration::from_secs(5);

/// How much less than anything else these threads matter, as `nice` counts it.
const NICENESS: i32 = 10;

/// Too many wait already, or one has waited for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany;

enum Work {
    Verify { password: Hidden<'static>, stored: Option<PasswordHash>, answer: oneshot::Sender<Verdict> },
    Hash { password: Hidden<'static>, answer: oneshot::Sender<Result<PasswordHash, HashingError>> },
}

/// The queue and its threads, which end with it.
pub struct Workers {
    queue: SyncSender<(Instant, Work)>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    waiting: AtomicUsize,
    verified: AtomicU64,
}

impl Workers {
    /// Starts so many threads.
    ///
    /// # Errors
    /// Where the system has none, or no random numbers.
    pub fn start(threads: usize) -> Result<Self, HashingError> {
        let (queue, work) = sync_channel(threads * QUEUE_PER_THREAD);
        let (work, counts) = (Arc::new(Mutex::new(work)), Arc::<Counts>::default());
        let verifier = Arc::new(Verifier::new()?);
        for number in 0..threads {
            let (work, verifier, counts) = (Arc::clone(&work), Arc::clone(&verifier), Arc::clone(&counts));
            let named = thread::Builder::new().name(format!("passwords-{number}"));
            let started = named.spawn(move || run(&work, &verifier, &counts));
            started.map_err(|error| HashingError::from(error.to_string()))?;
        }
        Ok(Self { queue, counts })
    }

    /// Checks a password, against nobody's where there is none: one verification each.
    ///
    /// # Errors
    /// [`TooMany`]: nothing was checked.
    pub async fn verify(
        &self,
        password: Hidden<'static>,
        stored: Option<PasswordHash>,
    ) -> Result<Verdict, TooMany> {
        let (answer, verdict) = oneshot::channel();
        self.enqueue(Work::Verify { password, stored, answer })?;
        verdict.await.map_err(|_| TooMany)
    }

    /// Hashes a password.
    ///
    /// # Errors
    /// [`TooMany`]: it was not hashed.
    pub async fn hash(
        &self,
        password: Hidden<'static>,
    ) -> Result<Result<PasswordHash, HashingError>, TooMany> {
        let (answer, hashed) = oneshot::channel();
        self.enqueue(Work::Hash { password, answer })?;
        hashed.await.map_err(|_| TooMany)
    }

    fn enqueue(&self, work: Work) -> Result<(), TooMany> {
        self.counts.waiting.fetch_add(1, Ordering::Relaxed);
        self.queue.try_send((Instant::now(), work)).map_err(|error| {
            self.counts.waiting.fetch_sub(1, Ordering::Relaxed);
            if let TrySendError::Disconnected(_) = error {
                tracing::error!("no thread is left that checks passwords");
            }
            TooMany
        })
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.counts.waiting.load(Ordering::Relaxed)
    }

    /// How many passwords were checked.
    pub fn verified(&self) -> u64 {
        self.counts.verified.load(Ordering::Relaxed)
    }
}

fn run(work: &Mutex<Receiver<(Instant, Work)>>, verifier: &Verifier, counts: &Counts) {
    // For Linux a thread is a process of its own here.
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "the threads that check passwords keep the priority of all others");
    }
    loop {
        let next = work.lock().recv();
        let Ok((since, next)) = next else { return };
        counts.waiting.fetch_sub(1, Ordering::Relaxed);
        if since.elapsed() < PATIENCE {
            next.done(verifier, counts);
        }
    }
}

impl Work {
    /// Does it, unless whoever asked has gone.
    fn done(self, verifier: &Verifier, counts: &Counts) {
        match self {
            Self::Verify { password, stored, answer } if !answer.is_closed() => {
                counts.verified.fetch_add(1, Ordering::Relaxed);
                let _ = answer.send(verifier.verify(password.expose(), stored.as_ref()));
            }
            Self::Hash { password, answer } if !answer.is_closed() => {
                let _ = answer.send(hashing::hash(password.expose()));
            }
            Self::Verify { .. } | Self::Hash { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_that_nobody_has_costs_one_verification_as_a_wrong_one_does() {
        let workers = Workers::start(1).unwrap();
        let stored = workers.hash("correct horse".into()).await.unwrap().unwrap();
        let verdict = workers.verify("correct horse".into(), Some(stored.clone())).await;
        assert_eq!((verdict, workers.verified()), (Ok(Verdict::Right), 1));
        let verdict = workers.verify("wrong".into(), Some(stored)).await;
        assert_eq!((verdict, workers.verified()), (Ok(Verdict::Wrong), 2));
        let verdict = workers.verify("wrong".into(), None).await;
        assert_eq!((verdict, workers.verified()), (Ok(Verdict::Wrong), 3));
    }

    #[tokio::test]
    async fn beyond_its_bound_the_queue_takes_nothing_and_what_waits_is_done() {
        let workers = Workers::start(1).unwrap();
        let all = (0..4 * QUEUE_PER_THREAD).map(|_| workers.hash("correct horse".into()));
        let mut all: Vec<_> = all.map(Box::pin).collect();
        // All are asked for in one moment, before any is answered.
        let mut refused = 0;
        for asked in &mut all {
            let answered = std::future::poll_fn(|cx| std::task::Poll::Ready(asked.as_mut().poll(cx))).await;
            refused += usize::from(matches!(answered, std::task::Poll::Ready(Err(TooMany))));
        }
        assert!(refused >= 2 * QUEUE_PER_THREAD, "{refused}");
        drop(all);
        // Whoever has gone costs nothing: else this one would wait for a second and more.
        assert!(matches!(workers.hash("correct horse".into()).await, Ok(Ok(_)) | Err(TooMany)));
    }
}
