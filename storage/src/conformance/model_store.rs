//! [`ModelStore`]: a store in memory that writes pairs by their steps, and can end between any two of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use parking_lot::Mutex;
use protocol::access::Act;
use protocol::ids::{DeviceId, LogName, StoreId, Time, TopicName, UserId, Version};
use protocol::link::request::LogBounds;

use super::Subject;
use super::model::Model;
use crate::pair::{Pairs, append_pairs};
use crate::{
    Account, AccountError, AccountState, Answer, Append, AppendError, Appended, Certainty, CursorMove,
    LoggedIn, Membership, NewTopic, OpenPair, Page, PairAppended, ReadRange, Relation, Restored, Store,
    StoreError, Topic, TopicError, TopicsOf,
};

/// A store in memory: what the others are compared with, and an example of a backend without transactions.
///
/// What was written survives [`Subject::restart`], which ends a crash.
#[derive(Clone)]
pub struct ModelStore {
    model: Arc<Mutex<Model>>,
    /// Writes until the crash.
    left: Arc<AtomicU64>,
}

impl Default for ModelStore {
    fn default() -> Self {
        Self::new(Some(super::DEDUPE))
    }
}

impl ModelStore {
    /// An empty store that knows what retention took for so long.
    pub fn new(dedupe: Option<Duration>) -> Self {
        let model = Model::new(Time(1_000_000), dedupe);
        Self { model: Arc::new(Mutex::new(model)), left: Arc::new(AtomicU64::new(u64::MAX)) }
    }

    /// Crashes after so many more writes: from then on every call fails, and nothing is written, until
    /// [`Subject::restart`].
    pub fn crash_after(&self, writes: u64) {
        self.left.store(writes, Ordering::SeqCst);
    }

    /// Whether it has crashed.
    pub fn crashed(&self) -> bool {
        self.left.load(Ordering::SeqCst) == 0
    }

    fn read_model<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        &self,
        read: impl FnOnce(&Model) -> T,
    ) -> Answer<Result<T, E>> {
        let answer = match self.crashed() {
            true => Err(StoreError::Closed.into()),
            false => Ok(read(&self.model.lock())),
        };
        Box::pin(ready(answer))
    }

    fn write_model<T>(&self, write: impl FnOnce(&mut Model) -> T) -> Option<T> {
        let one_less = |left: u64| if left == u64::MAX { Some(left) } else { left.checked_sub(1) };
        self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).ok()?;
        Some(write(&mut self.model.lock()))
    }

    fn write_or<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        &self,
        write: impl FnOnce(&mut Model) -> Result<T, E>,
    ) -> Answer<Result<T, E>> {
        let answer = self.write_model(write).unwrap_or_else(|| Err(StoreError::Closed.into()));
        Box::pin(ready(answer))
    }

    /// As a backend without transactions does it: a name is emptied after it is known to be deleted, and again before it
    /// is not any more.
    fn put_by_steps(&self, account: &Account, expected: Option<u64>) -> Result<u64, AccountError> {
        let user = &account.user;
        let (was_deleted, loses_devices) = {
            let model = self.model.lock();
            model.check_put(account, expected)?;
            (model.is_gone(user), model.loses_devices(account))
        };
        if was_deleted {
            self.empty(user)?;
        }
        let revision = self.step(|model| model.put_record(account))?;
        if account.state == AccountState::Deleted {
            self.empty(user)?;
        }
        if loses_devices {
            self.step(|model| model.drop_cursors_of_gone_devices(user))?;
        }
        Ok(revision)
    }

    fn empty(&self, user: &UserId) -> Result<(), StoreError> {
        let topics = self.model.lock().related_to(user);
        for topic in topics {
            self.step(|model| model.relate(&topic, user, None))?;
        }
        self.step(|model| model.drop_cursors(user))?;
        self.step(|model| model.empty(&LogName::inbox(user)))
    }

    fn step<T>(&self, write: impl FnOnce(&mut Model) -> T) -> Result<T, StoreError> {
        self.write_model(write).ok_or(StoreError::Closed)
    }

    fn one_pair(&self, content: &Bytes) -> Result<PairAppended, AppendError> {
        if let Some(refusal) = self.model.lock().refuses_pair(content) {
            return Err(refusal);
        }
        self.write_model(|model| model.make_account_of(content)).ok_or_else(crashed)?;
        // Every step answers at once: so the whole is done when the future is first looked at.
        let pairs = append_pairs(self, vec![content.clone()]).now_or_never();
        let Pairs { mut results, whole } = pairs.unwrap_or_default();
        let _closed = self.close_pairs(whole);
        results.pop().unwrap_or_else(|| Err(crashed()))
    }
}

fn crashed() -> AppendError {
    AppendError::Failed { error: StoreError::Closed, certainty: Certainty::Maybe }
}

impl Subject for ModelStore {
    fn store(&self) -> &dyn Store {
        self
    }

    fn restart(&mut self) -> BoxFuture<'_, ()> {
        self.left.store(u64::MAX, Ordering::SeqCst);
        Box::pin(ready(()))
    }

    fn pass(&self, time: Duration) {
        self.model.lock().now.0 += time.as_millis() as u64;
    }
}

impl Store for ModelStore {
    fn id(&self) -> StoreId {
        StoreId([0; 16])
    }

    fn append(&self, batch: Vec<Append>) -> Answer<Vec<Result<Appended, AppendError>>> {
        let append = |message: &Append| {
            self.write_model(|model| model.append(message)).unwrap_or_else(|| Err(crashed()))
        };
        Box::pin(ready(batch.iter().map(append).collect()))
    }

    fn append_pair(&self, batch: Vec<Bytes>) -> Answer<Vec<Result<PairAppended, AppendError>>> {
        Box::pin(ready(batch.iter().map(|content| self.one_pair(content)).collect()))
    }

    fn open_pairs(&self, before: Time, limit: usize) -> Answer<Result<Vec<OpenPair>, StoreError>> {
        self.read_model(|model| model.open_pairs(before, limit))
    }

    fn close_pairs(&self, pairs: Vec<OpenPair>) -> Answer<Result<(), StoreError>> {
        let closed = pairs.iter().try_for_each(|pair| self.write_model(|model| model.close_pair(pair)));
        Box::pin(ready(closed.ok_or(StoreError::Closed)))
    }

    fn read(&self, range: ReadRange) -> Answer<Result<Page, StoreError>> {
        self.read_model(|model| model.read(&range))
    }

    fn bounds(&self, logs: Vec<LogName>) -> Answer<Result<Vec<LogBounds>, StoreError>> {
        self.read_model(|model| logs.iter().map(|log| model.bounds(log)).collect())
    }

    fn trim(&self, log: LogName, before: Version) -> Answer<Result<Version, StoreError>> {
        self.write_or(|model| Ok(model.trim(&log, before)))
    }

    fn log_in(&self, user: UserId, device: Option<DeviceId>) -> Answer<Result<LoggedIn, AccountError>> {
        self.write_or(|model| model.log_in(&user, device.as_ref()))
    }

    fn logged_in(&self, user: UserId, device: Option<DeviceId>) -> Answer<Result<LoggedIn, StoreError>> {
        self.read_model(|model| model.logged_in(&user, device.as_ref(), false))
    }

    fn account(&self, user: UserId) -> Answer<Result<Option<Account>, StoreError>> {
        self.read_model(|model| model.account(&user))
    }

    fn put_account(&self, account: Account, expected: Option<u64>) -> Answer<Result<u64, AccountError>> {
        let crashed = || Err(StoreError::Closed.into());
        let put = if self.crashed() { crashed() } else { self.put_by_steps(&account, expected) };
        Box::pin(ready(put))
    }

    fn create_topic(&self, topic: NewTopic) -> Answer<Result<Membership, TopicError>> {
        self.write_or(|model| model.create_topic(&topic))
    }

    fn join_topic(
        &self,
        topic: TopicName,
        user: UserId,
        device: Option<DeviceId>,
    ) -> Answer<Result<Membership, TopicError>> {
        self.write_or(|model| model.join_topic(&topic, &user, device.as_ref()))
    }

    fn leave_topic(&self, topic: TopicName, user: UserId) -> Answer<Result<Option<u64>, TopicError>> {
        self.write_or(|model| model.leave_topic(&topic, &user))
    }

    fn invite(&self, topic: TopicName, user: UserId, by: UserId) -> Answer<Result<bool, TopicError>> {
        self.write_or(|model| model.invite(&topic, &user, &by))
    }

    fn remove_member(
        &self,
        topic: TopicName,
        user: UserId,
        by: UserId,
    ) -> Answer<Result<Option<u64>, TopicError>> {
        self.write_or(|model| model.remove_member(&topic, &user, &by))
    }

    fn dissolve(&self, topic: TopicName, by: UserId) -> Answer<Result<(), TopicError>> {
        self.write_or(|model| model.dissolve(&topic, &by))
    }

    fn may(&self, act: Act, topic: TopicName, user: UserId) -> Answer<Result<Version, TopicError>> {
        let asked = self.read_model(|model| model.may(act, &topic, &user));
        Box::pin(async move {
            let answer: Result<_, TopicError> = asked.await;
            answer?
        })
    }

    fn topic(&self, topic: TopicName) -> Answer<Result<Option<Topic>, StoreError>> {
        self.read_model(|model| model.topic(&topic))
    }

    fn members(
        &self,
        topic: TopicName,
        after: Option<UserId>,
        limit: usize,
    ) -> Answer<Result<Vec<UserId>, StoreError>> {
        self.read_model(|model| model.members(&topic, after.as_ref(), limit))
    }

    fn topics_of(&self, user: UserId) -> Answer<Result<TopicsOf, StoreError>> {
        self.read_model(|model| model.topics_of(&user, None))
    }

    fn move_cursors(&self, batch: Vec<CursorMove>) -> Answer<Vec<Result<Version, StoreError>>> {
        let moved =
            |to: &CursorMove| self.write_model(|model| model.move_cursor(to)).ok_or(StoreError::Closed);
        Box::pin(ready(batch.iter().map(moved).collect()))
    }

    fn accounts(&self, after: Option<UserId>, limit: usize) -> Answer<Result<Vec<Account>, StoreError>> {
        self.read_model(|model| model.accounts(after.as_ref(), limit))
    }

    fn topics(&self, after: Option<TopicName>, limit: usize) -> Answer<Result<Vec<Topic>, StoreError>> {
        self.read_model(|model| model.topics(after.as_ref(), limit))
    }

    fn relations(
        &self,
        topic: TopicName,
        after: Option<UserId>,
        limit: usize,
    ) -> Answer<Result<Vec<(UserId, Relation)>, StoreError>> {
        self.read_model(|model| model.relations(&topic, after.as_ref(), limit))
    }

    fn logs(&self, after: Option<LogName>, limit: usize) -> Answer<Result<Vec<LogName>, StoreError>> {
        self.read_model(|model| model.logs(after.as_ref(), limit))
    }

    fn cursors_of(&self, user: UserId) -> Answer<Result<Vec<CursorMove>, StoreError>> {
        self.read_model(|model| model.cursors_of(&user))
    }

    fn restore(&self, batch: Vec<Restored>) -> Answer<Result<(), StoreError>> {
        self.write_or(|model| batch.iter().try_for_each(|thing| model.restore(thing)))
    }

    fn health(&self) -> Result<(), StoreError> {
        if self.crashed() { Err(StoreError::Closed) } else { Ok(()) }
    }
}
