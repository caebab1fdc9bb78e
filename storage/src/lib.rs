//! Where Shoal keeps what must not be lost: the [`Store`] trait and its backends.
//!
//! What every backend keeps, and `conformance` checks of each:
//!
//! - a version is given once, and the versions of a log have no hole;
//! - an append that was answered is on disk; one that was refused with [`Certainty::Not`] is not and never will be;
//! - a second append with the same log, sender, id and content is answered with the first one's version;
//! - appends to one log take their versions in the order in which [`Store::append`] was *called*;
//! - memberships, topics and cursors that were answered are on disk; a cursor never moves back;
//! - who may do what to a topic is decided by [`protocol::access`] and nothing else, with the standing that the store
//!   finds at that moment: an append's is found at the place where the version is given, so that none succeeds after a
//!   leave or a removal was answered;
//! - nothing of a topic that was dissolved is ever given out again, and its name is never given again.
//!
//! No method asks for a transaction over several records, so that a backend without them fits: the one thing
//! that needs two records, a message between two inboxes, has steps that may be cut anywhere ([`pair`]).

pub mod account;
mod codec;
pub mod conformance;
pub mod embedded;
pub mod export;
pub mod pair;
mod topic;
mod types;

use bytes::Bytes;
use futures::future::BoxFuture;
use protocol::access::Act;
use protocol::ids::{DeviceId, LogName, StoreId, Time, TopicName, UserId, Version};
use protocol::link::request::LogBounds;

pub use account::{Account, AccountError, AccountState};
pub use topic::{MOST_INVITES, Membership, NewTopic, Relation, Rules, Topic, TopicError, TopicsOf};
pub use types::{
    Append, AppendError, Appended, Certainty, CursorMove, LoggedIn, OpenPair, Page, PairAppended, ReadRange,
    Restored, Space, StoreError,
};

/// What an answer will be: the call has taken its place in the order when the future is returned, whether or
/// not it is polled.
pub type Answer<T> = BoxFuture<'static, T>;

/// A place that keeps logs, topics, accounts and cursors. See the crate's page for what it promises.
pub trait Store: Send + Sync + 'static {
    /// The store's identity, made with it.
    fn id(&self) -> StoreId;

    /// Appends each message to its log. Answers come in the order of the batch, and only after all that is
    /// answered with a version is on disk.
    fn append(&self, batch: Vec<Append>) -> Answer<Vec<Result<Appended, AppendError>>>;

    /// Appends each p2p message, an encoded [`protocol::content::Content`] with a recipient, to its sender's inbox
    /// and its recipient's. The recipient must have an account ([`AppendError::UnknownRecipient`]); the sender, whom
    /// the mesh has let in, is given one where there is none. One to oneself is one entry. Answered when both are on
    /// disk.
    fn append_pair(&self, batch: Vec<Bytes>) -> Answer<Vec<Result<PairAppended, AppendError>>>;

    /// Pairs whose second half may be missing, that began before `before`: at most `limit`. Empty for a backend that
    /// writes pairs atomically, unless somebody took the steps of [`pair`] on it.
    fn open_pairs(&self, before: Time, limit: usize) -> Answer<Result<Vec<OpenPair>, StoreError>>;

    /// Says that these pairs are whole. Idempotent.
    fn close_pairs(&self, pairs: Vec<OpenPair>) -> Answer<Result<(), StoreError>>;

    /// Entries after a version, oldest first, with the log's bounds at that moment. A log that has no entries
    /// answers an empty page with head 0. What retention took is passed over: the first entry may be later than
    /// asked, `first` says so. A version whose entry was lost to damage is given as one that says nothing
    /// ([`protocol::content::Kind::VOID`]).
    fn read(&self, range: ReadRange) -> Answer<Result<Page, StoreError>>;

    /// Bounds of each log, in the order asked, as they are at that moment.
    fn bounds(&self, logs: Vec<LogName>) -> Answer<Result<Vec<LogBounds>, StoreError>>;

    /// Retention: empties every entry before `before` but keeps what dedupe needs of it for the store's dedupe
    /// time; never touches a log's newest entry. Returns the log's first version afterwards.
    fn trim(&self, log: LogName, before: Version) -> Answer<Result<Version, StoreError>>;

    /// A login in mode `open`: makes the account if there is none, notes the device ([`Account::see`]), and tells the
    /// state of the user's inbox and of every topic that the user is a member of.
    ///
    /// # Errors
    /// [`AccountError::Ended`] for an account that is disabled or deleted.
    fn log_in(&self, user: UserId, device: Option<DeviceId>) -> Answer<Result<LoggedIn, AccountError>>;

    /// What a login finds that was decided by others: as [`Store::log_in`], but nothing is made, noted or refused.
    fn logged_in(&self, user: UserId, device: Option<DeviceId>) -> Answer<Result<LoggedIn, StoreError>>;

    /// The user's account. Where there is none, but the name has left something behind (an inbox, something to do with
    /// a topic, a cursor), it is one that nobody has claimed, with revision 0: so a name with a past is never taken for a
    /// new one.
    fn account(&self, user: UserId) -> Answer<Result<Option<Account>, StoreError>>;

    /// Keeps an account if the one that is there has the revision `expected`, as [`Store::account`] tells it (`None`:
    /// there is none); its new revision. With it, in the same step:
    ///
    /// - a name that is new must not look like another account's ([`protocol::lookalike::skeleton`]);
    /// - cursors of devices that are not in the list any more go;
    /// - the user's count of membership changes moves where the change ends somebody's access
    ///   ([`Account::ends_access_of`]), so that whoever follows the inbox hears of it;
    /// - a name that becomes, or was, [`AccountState::Deleted`] is emptied: how it stood to topics and its cursors go, its
    ///   inbox is cut after the newest entry, for every reader, and whoever has the name later has made none of the
    ///   topics made until then. So whoever is given the name again inherits nothing.
    ///
    /// A backend without transactions empties a name after it has written that it is deleted, and once more before it
    /// writes that it is not.
    ///
    /// # Errors
    /// [`AccountError::Changed`] if another one is there, [`AccountError::Lookalike`] for a new name that looks like
    /// another; then nothing has happened.
    fn put_account(&self, account: Account, expected: Option<u64>) -> Answer<Result<u64, AccountError>>;

    /// Makes a topic with its creator as a member. For a member of a topic of that name that is as wanted it is as
    /// [`Store::join_topic`].
    fn create_topic(&self, topic: NewTopic) -> Answer<Result<Membership, TopicError>>;

    /// Makes the user a member, who where the topic shows its members what comes after they joined reads from the head
    /// at that moment on; a member stays what they are.
    fn join_topic(
        &self,
        topic: TopicName,
        user: UserId,
        device: Option<DeviceId>,
    ) -> Answer<Result<Membership, TopicError>>;

    /// Ends the membership, and declines an invitation; where there is neither, nor such a topic, nothing happens.
    /// Answers how many memberships of the topic have ended now, if this ended one.
    fn leave_topic(&self, topic: TopicName, user: UserId) -> Answer<Result<Option<u64>, TopicError>>;

    /// Lets a user in, who must have an account, also one who was put out. Whether that is news: a member stays one,
    /// and an invitation stays as it is.
    fn invite(&self, topic: TopicName, user: UserId, by: UserId) -> Answer<Result<bool, TopicError>>;

    /// Puts a user out, and keeps them out until they are invited again. Answers how many memberships of the topic have
    /// ended now, if this ended one.
    fn remove_member(
        &self,
        topic: TopicName,
        user: UserId,
        by: UserId,
    ) -> Answer<Result<Option<u64>, TopicError>>;

    /// Ends the topic for ever. What is in its log is never given out again, but repeats of it are known.
    fn dissolve(&self, topic: TopicName, by: UserId) -> Answer<Result<(), TopicError>>;

    /// Whether the user may do that to the topic at this moment. Answers after which version they read.
    fn may(&self, act: Act, topic: TopicName, user: UserId) -> Answer<Result<Version, TopicError>>;

    /// The topic, also a dissolved one; `None` if there never was one of that name.
    fn topic(&self, topic: TopicName) -> Answer<Result<Option<Topic>, StoreError>>;

    /// Members of a topic after a name, in the order of their names, at most `limit`.
    fn members(
        &self,
        topic: TopicName,
        after: Option<UserId>,
        limit: usize,
    ) -> Answer<Result<Vec<UserId>, StoreError>>;

    /// Topics that the user is a member of, and at most [`MOST_INVITES`] that the user was invited to.
    fn topics_of(&self, user: UserId) -> Answer<Result<TopicsOf, StoreError>>;

    /// Moves cursors forward, never beyond the log's head. Answers where each stood before.
    fn move_cursors(&self, batch: Vec<CursorMove>) -> Answer<Vec<Result<Version, StoreError>>>;

    /// Accounts with a record after a name, in the order of their names, at most `limit`.
    fn accounts(&self, after: Option<UserId>, limit: usize) -> Answer<Result<Vec<Account>, StoreError>>;

    /// Topics after a name, in order, at most `limit`: for export.
    fn topics(&self, after: Option<TopicName>, limit: usize) -> Answer<Result<Vec<Topic>, StoreError>>;

    /// How users stand to a topic, users after a name, in order, at most `limit`: for export.
    fn relations(
        &self,
        topic: TopicName,
        after: Option<UserId>,
        limit: usize,
    ) -> Answer<Result<Vec<(UserId, Relation)>, StoreError>>;

    /// Names of logs that have entries after a name, in order, at most `limit`: for export.
    fn logs(&self, after: Option<LogName>, limit: usize) -> Answer<Result<Vec<LogName>, StoreError>>;

    /// Cursors of one user: for export.
    fn cursors_of(&self, user: UserId) -> Answer<Result<Vec<CursorMove>, StoreError>>;

    /// Puts back what an export holds, as it was. Idempotent: what is there already with the same content is left.
    ///
    /// # Errors
    /// [`StoreError::Unwritable`] names the first thing that something else in the store is in the way of; what came
    /// before it, and perhaps after it, is restored.
    fn restore(&self, batch: Vec<Restored>) -> Answer<Result<(), StoreError>>;

    /// Whether the store can write at the moment; the error says what is wrong and what to do.
    fn health(&self) -> Result<(), StoreError>;

    /// What the store takes on disk, as it was a moment ago; `None` where it cannot tell.
    fn space(&self) -> Option<Space> {
        None
    }
}
