//! The embedded store: calls become jobs for the committer or questions for the readers.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::join_all;
use protocol::access::Act;
use protocol::ids::{DeviceId, LogName, StoreId, Time, TopicName, UserId, Version};
use protocol::link::request::LogBounds;

use super::commit::{Committer, Failure, Health, Job, NotQueued, Queue, Rhythm, ask, refuse};
use super::compact::{Compactor, Parts};
use super::decide::{self, Limits};
use super::error::OpenError;
use super::files::LockGuard;
use super::index::{Flusher, Hot};
use super::open::{IndexPlace, Opened, open};
use super::options::Options;
use super::read::{Contents, Queries, Readers};
use super::state::draft::Draft;
use super::state::keys;
use super::state::view::View;
use crate::{
    Account, AccountError, Answer, Append, AppendError, Appended, CursorMove, LoggedIn, Membership, NewTopic,
    OpenPair, Page, PairAppended, ReadRange, Relation, Restored, Space, Store, StoreError, Topic, TopicError,
    TopicsOf,
};

/// A batch is divided into jobs of at most so many bytes, or one item, so that a record never becomes too large.
const PART_BYTES: usize = 1 << 20;
/// Bytes that a call counts for beside its contents.
const CALL_BYTES: usize = 256;
/// Bytes that an account counts for: those of the largest, but for names as long as they may be.
const ACCOUNT_BYTES: usize = 4 << 10;

/// The default backend: one folder on this machine, no server. See the [module](super) for how it works.
///
/// Dropping it commits and answers what waits, and gives the folder's lock back.
pub struct EmbeddedStore {
    id: StoreId,
    limits: Limits,
    part_bytes: usize,
    health: Arc<Health>,
    queue: Arc<Queue<Job>>,
    committer: Option<JoinHandle<()>>,
    /// Dropped while the committer still works, which it may wait for.
    compactor: Option<Compactor>,
    // Dropped in this order, after the committer has ended.
    readers: Readers,
    _flusher: Flusher,
    _lock: LockGuard,
}

impl EmbeddedStore {
    /// Opens the store in the folder `path`, or makes one there. Takes as long as the index is behind the log: moments,
    /// but minutes per 10 GB where the index must be built anew, which the log says.
    ///
    /// # Errors
    /// [`OpenError`] says what is wrong and what to do. Damage is never mended unasked.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        let path = path.as_ref();
        let place = IndexPlace::Folder(path.join("index"));
        Self::open_with(path, &options, &place)
    }

    pub(crate) fn open_with(path: &Path, options: &Options, place: &IndexPlace) -> Result<Self, OpenError> {
        let opened = open(path, options, place)?;
        Self::start(opened, options)
            .map_err(|error| OpenError::System { what: "start the store's threads".to_owned(), error })
    }

    fn start(opened: Opened, options: &Options) -> io::Result<Self> {
        let Opened { id, log, reader, state, lock } = opened;
        let state = Arc::new(state);
        let newest = Time(state.number(keys::NEWEST_TIME).map_err(io::Error::other)?);
        let health = Arc::new(Health::default());
        let queue = Arc::new(Queue::new(options.queue_bytes));
        let queries = Arc::new(Queries::new(Arc::clone(&state), Contents::new(reader.clone())));
        let readers = Readers::start(options.readers, &queries)?;
        let failed = Arc::clone(&health);
        let flusher = Flusher::start(Arc::clone(&state), move |error| failed.fatal(error))?;
        let limits =
            Limits { entry_bytes: options.entry_bytes.min(options.share_bytes()), dedupe: options.dedupe };
        let parts = Parts {
            state: Arc::clone(&state),
            log: reader,
            queue: Arc::clone(&queue),
            limits,
            segment_bytes: options.segment_bytes.into(),
            bytes_per_second: options.compact_bytes_per_second,
        };
        let committer = Committer {
            store: id,
            log,
            hot: Hot::new(Arc::clone(&state)),
            state,
            queue: Arc::clone(&queue),
            health: Arc::clone(&health),
            clock: Arc::clone(&options.clock),
            share_bytes: options.share_bytes(),
            segment_bytes: options.segment_bytes,
            newest,
            rhythm: Rhythm::default(),
        };
        let committer = thread::Builder::new().name("store-commit".to_owned()).spawn(|| committer.run())?;
        let compactor = Compactor::start(parts, options.compact_every)?;
        let part_bytes = PART_BYTES.min(options.share_bytes());
        Ok(Self {
            id,
            limits,
            part_bytes,
            health,
            queue,
            committer: Some(committer),
            compactor: Some(compactor),
            readers,
            _flusher: flusher,
            _lock: lock,
        })
    }

    /// Resolves when the store takes nothing more, with the reason: the process is to end then, since only opening
    /// the store again finds out what is on disk. [`StoreError::Closed`] when the store was dropped.
    pub fn on_fatal(&self) -> Answer<StoreError> {
        self.health.on_fatal()
    }

    /// Gives back the space of what nothing needs any more, now and as far as it goes; how many bytes. It is done every
    /// few minutes anyway.
    pub fn compact(&self) -> Answer<Result<u64, StoreError>> {
        match &self.compactor {
            Some(compactor) => compactor.now(),
            None => Box::pin(std::future::ready(Err(StoreError::Closed))),
        }
    }

    /// All keys and values of the state.
    #[cfg(test)]
    pub(super) fn everything(&self) -> Answer<Result<super::state::view::Pairs, StoreError>> {
        self.readers.handle().ask(|queries| queries.all_keys())
    }

    /// Queues a call for the committer.
    fn commit<T: Send + 'static>(
        &self,
        bytes: usize,
        decide: impl FnOnce(&mut Draft<'_, Hot>) -> Result<T, StoreError> + Send + 'static,
        failed: impl Fn(Failure) -> T + Clone + Send + 'static,
    ) -> Answer<T> {
        let (job, answer) = ask(decide, failed);
        self.queue_jobs(vec![(bytes + CALL_BYTES, job)]);
        answer
    }

    /// Queues a batch, divided where it is large, one part right after another.
    fn commit_batch<I: Send + 'static, T: Send + 'static>(
        &self,
        batch: Vec<I>,
        bytes: impl Fn(&I) -> usize,
        decide: impl Fn(&mut Draft<'_, Hot>, &I) -> Result<T, StoreError> + Clone + Send + 'static,
        failed: impl Fn(Failure) -> T + Clone + Send + 'static,
    ) -> Answer<Vec<T>> {
        let (mut jobs, mut answers) = (Vec::new(), Vec::new());
        for part in divide(batch, self.part_bytes, &bytes) {
            let (items, weight) = (part.len(), part.iter().map(&bytes).sum());
            let (decide, failed) = (decide.clone(), failed.clone());
            let (job, answer) = ask(
                move |draft| part.iter().map(|item| decide(draft, item)).collect(),
                move |failure: Failure| (0..items).map(|_| failed(failure.clone())).collect::<Vec<T>>(),
            );
            jobs.push((weight, job));
            answers.push(answer);
        }
        self.queue_jobs(jobs);
        match answers.pop() {
            Some(answer) if answers.is_empty() => answer,
            last => {
                answers.extend(last);
                join_all(answers).map(|parts| parts.into_iter().flatten().collect()).boxed()
            }
        }
    }

    fn queue_jobs(&self, jobs: Vec<(usize, Job)>) {
        if let Err((why, jobs)) = self.queue.push_all(jobs) {
            let error = match why {
                NotQueued::Full => {
                    StoreError::Unwritable("it is busy: too much waits to be written; try again".to_owned())
                }
                NotQueued::Closed => self.health.fatal_error().unwrap_or(StoreError::Closed),
            };
            refuse(jobs.into_iter().map(|(_, job)| job).collect(), &Failure::not(error));
        }
    }
}

/// Cuts a batch into parts of at most `part_bytes`, or one item.
fn divide<I>(batch: Vec<I>, part_bytes: usize, bytes: impl Fn(&I) -> usize) -> Vec<Vec<I>> {
    let mut parts = Vec::new();
    let mut room = 0;
    for item in batch {
        let weight = bytes(&item);
        match parts.last_mut() {
            Some(part) if weight <= room => Vec::push(part, item),
            _ => {
                room = part_bytes;
                parts.push(vec![item]);
            }
        }
        room = room.saturating_sub(weight);
    }
    parts
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        self.compactor = None;
        self.queue.close();
        if let Some(Err(_)) = self.committer.take().map(JoinHandle::join) {
            tracing::error!("the thread that commits panicked");
        }
    }
}

fn not_appended<T>(failure: Failure) -> Result<T, AppendError> {
    Err(AppendError::Failed { error: failure.error, certainty: failure.certainty })
}

fn failed<T, E: From<StoreError>>(failure: Failure) -> Result<T, E> {
    Err(failure.error.into())
}

impl Store for EmbeddedStore {
    fn id(&self) -> StoreId {
        self.id
    }

    fn append(&self, batch: Vec<Append>) -> Answer<Vec<Result<Appended, AppendError>>> {
        let limits = self.limits;
        let bytes = |message: &Append| message.content.len() + CALL_BYTES;
        self.commit_batch(
            batch,
            bytes,
            move |draft, message| decide::append(draft, limits, message),
            not_appended,
        )
    }

    fn append_pair(&self, batch: Vec<Bytes>) -> Answer<Vec<Result<PairAppended, AppendError>>> {
        let limits = self.limits;
        let bytes = |message: &Bytes| message.len() + 2 * CALL_BYTES;
        self.commit_batch(
            batch,
            bytes,
            move |draft, message| decide::append_pair(draft, limits, message),
            not_appended,
        )
    }

    fn open_pairs(&self, before: Time, limit: usize) -> Answer<Result<Vec<OpenPair>, StoreError>> {
        self.readers.handle().ask(move |queries| queries.open_pairs(before, limit))
    }

    fn close_pairs(&self, pairs: Vec<OpenPair>) -> Answer<Result<(), StoreError>> {
        let bytes = pairs.iter().map(|pair| pair.content.len() + CALL_BYTES).sum();
        let decide = move |draft: &mut Draft<'_, Hot>| {
            pairs.iter().try_for_each(|pair| decide::close_pair(draft, pair)).map(Ok)
        };
        self.commit(bytes, decide, failed)
    }

    fn read(&self, range: ReadRange) -> Answer<Result<Page, StoreError>> {
        self.readers.handle().ask(move |queries| queries.read(&range))
    }

    fn bounds(&self, logs: Vec<LogName>) -> Answer<Result<Vec<LogBounds>, StoreError>> {
        self.readers.handle().ask(move |queries| queries.bounds(&logs))
    }

    fn trim(&self, log: LogName, before: Version) -> Answer<Result<Version, StoreError>> {
        let limits = self.limits;
        self.commit(0, move |draft| decide::trim(draft, limits, &log, before).map(Ok), failed)
    }

    fn log_in(&self, user: UserId, device: Option<DeviceId>) -> Answer<Result<LoggedIn, AccountError>> {
        let (who, on) = (user.clone(), device.clone());
        let known = self.commit(0, move |draft| decide::log_in(draft, &who, on.as_ref()), failed);
        let readers = self.readers.handle().clone();
        Box::pin(async move {
            let new = known.await?;
            let found = readers.ask(move |queries| queries.logged_in(&user, device.as_ref(), new));
            found.await.map_err(AccountError::Store)
        })
    }

    fn logged_in(&self, user: UserId, device: Option<DeviceId>) -> Answer<Result<LoggedIn, StoreError>> {
        self.readers.handle().ask(move |queries| queries.logged_in(&user, device.as_ref(), false))
    }

    fn account(&self, user: UserId) -> Answer<Result<Option<Account>, StoreError>> {
        self.readers.handle().ask(move |queries| queries.account(&user))
    }

    fn put_account(&self, account: Account, expected: Option<u64>) -> Answer<Result<u64, AccountError>> {
        self.commit(ACCOUNT_BYTES, move |draft| decide::put_account(draft, &account, expected), failed)
    }

    fn create_topic(&self, topic: NewTopic) -> Answer<Result<Membership, TopicError>> {
        let (name, creator) = (topic.name.clone(), topic.creator.clone());
        let made = self.commit(0, move |draft| decide::create_topic(draft, &topic), failed);
        self.membership(made, name, creator, None)
    }

    fn join_topic(
        &self,
        topic: TopicName,
        user: UserId,
        device: Option<DeviceId>,
    ) -> Answer<Result<Membership, TopicError>> {
        let (name, who) = (topic.clone(), user.clone());
        let joined = self.commit(0, move |draft| decide::join_topic(draft, &name, &who), failed);
        self.membership(joined, topic, user, device)
    }

    fn leave_topic(&self, topic: TopicName, user: UserId) -> Answer<Result<Option<u64>, TopicError>> {
        self.commit(0, move |draft| decide::leave_topic(draft, &topic, &user), failed)
    }

    fn invite(&self, topic: TopicName, user: UserId, by: UserId) -> Answer<Result<bool, TopicError>> {
        self.commit(0, move |draft| decide::invite(draft, &topic, &user, &by), failed)
    }

    fn remove_member(
        &self,
        topic: TopicName,
        user: UserId,
        by: UserId,
    ) -> Answer<Result<Option<u64>, TopicError>> {
        self.commit(0, move |draft| decide::remove_member(draft, &topic, &user, &by), failed)
    }

    fn dissolve(&self, topic: TopicName, by: UserId) -> Answer<Result<(), TopicError>> {
        self.commit(0, move |draft| decide::dissolve(draft, &topic, &by), failed)
    }

    fn may(&self, act: Act, topic: TopicName, user: UserId) -> Answer<Result<Version, TopicError>> {
        let asked = self.readers.handle().ask(move |queries| queries.may(act, &topic, &user));
        Box::pin(async move {
            let admitted: Result<_, StoreError> = asked.await;
            admitted?.map_err(TopicError::Refused)
        })
    }

    fn topic(&self, topic: TopicName) -> Answer<Result<Option<Topic>, StoreError>> {
        self.readers.handle().ask(move |queries| queries.topic(&topic))
    }

    fn members(
        &self,
        topic: TopicName,
        after: Option<UserId>,
        limit: usize,
    ) -> Answer<Result<Vec<UserId>, StoreError>> {
        self.readers.handle().ask(move |queries| queries.members(&topic, after.as_ref(), limit))
    }

    fn topics_of(&self, user: UserId) -> Answer<Result<TopicsOf, StoreError>> {
        self.readers.handle().ask(move |queries| queries.topics_of(&user))
    }

    fn move_cursors(&self, batch: Vec<CursorMove>) -> Answer<Vec<Result<Version, StoreError>>> {
        let decide =
            |draft: &mut Draft<'_, Hot>, cursor: &CursorMove| decide::move_cursor(draft, cursor).map(Ok);
        self.commit_batch(batch, |_| CALL_BYTES, decide, failed)
    }

    fn accounts(&self, after: Option<UserId>, limit: usize) -> Answer<Result<Vec<Account>, StoreError>> {
        self.readers.handle().ask(move |queries| queries.accounts(after.as_ref(), limit))
    }

    fn topics(&self, after: Option<TopicName>, limit: usize) -> Answer<Result<Vec<Topic>, StoreError>> {
        self.readers.handle().ask(move |queries| queries.topics(after.as_ref(), limit))
    }

    fn relations(
        &self,
        topic: TopicName,
        after: Option<UserId>,
        limit: usize,
    ) -> Answer<Result<Vec<(UserId, Relation)>, StoreError>> {
        self.readers.handle().ask(move |queries| queries.relations(&topic, after.as_ref(), limit))
    }

    fn logs(&self, after: Option<LogName>, limit: usize) -> Answer<Result<Vec<LogName>, StoreError>> {
        self.readers.handle().ask(move |queries| queries.logs(after.as_ref(), limit))
    }

    fn cursors_of(&self, user: UserId) -> Answer<Result<Vec<CursorMove>, StoreError>> {
        self.readers.handle().ask(move |queries| queries.cursors_of(&user))
    }

    fn restore(&self, batch: Vec<Restored>) -> Answer<Result<(), StoreError>> {
        let bytes = |thing: &Restored| match thing {
            Restored::Entry(_, entry) => entry.content.len() + CALL_BYTES,
            Restored::Account(_) => ACCOUNT_BYTES + CALL_BYTES,
            _ => CALL_BYTES,
        };
        let parts = self.commit_batch(batch, bytes, decide::restore, failed);
        Box::pin(async move { parts.await.into_iter().collect() })
    }

    fn health(&self) -> Result<(), StoreError> {
        self.health.check()
    }

    fn space(&self) -> Option<Space> {
        self.compactor.as_ref().map(Compactor::space)
    }
}

impl EmbeddedStore {
    /// The membership as it is once `already` has been answered.
    fn membership(
        &self,
        already: Answer<Result<bool, TopicError>>,
        topic: TopicName,
        user: UserId,
        device: Option<DeviceId>,
    ) -> Answer<Result<Membership, TopicError>> {
        let readers = self.readers.handle().clone();
        Box::pin(async move {
            let already = already.await?;
            readers.ask(move |queries| queries.membership(&topic, &user, device.as_ref(), already)).await
        })
    }
}
