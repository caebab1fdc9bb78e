//! Who plays in the checks, and what they say.

use bytes::Bytes;
use protocol::content::{Content, Entry};
use protocol::ids::{DeviceId, LogName, TopicName, UserId, Version};

use crate::{
    Append, AppendError, Appended, Membership, NewTopic, PairAppended, ReadRange, Store, TopicError,
};

pub(super) fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

pub(super) fn device(name: &str) -> DeviceId {
    DeviceId::new(name).unwrap()
}

pub(super) fn topic(name: &str) -> TopicName {
    TopicName::new(name).unwrap()
}

pub(super) fn inbox(name: &str) -> LogName {
    LogName::inbox(&user(name))
}

pub(super) fn topic_log(name: &str) -> LogName {
    LogName::topic(&topic(name))
}

/// A topic as `NewTopic::new` has it.
pub(super) fn new_topic(name: &str, creator: &str) -> NewTopic {
    NewTopic::new(topic(name), user(creator))
}

pub(super) async fn create(store: &dyn Store, name: &str, creator: &str) -> Result<Membership, TopicError> {
    store.create_topic(new_topic(name, creator)).await
}

pub(super) async fn create_volatile(
    store: &dyn Store,
    name: &str,
    creator: &str,
) -> Result<Membership, TopicError> {
    store.create_topic(NewTopic { volatile: true, ..new_topic(name, creator) }).await
}

/// A message to a topic.
pub(super) fn said(sender: &str, id: &str, text: &str) -> Bytes {
    Content::text(sender, id, None, text).to_bytes()
}

/// A message from one to another.
pub(super) fn told(sender: &str, id: &str, to: &str, text: &str) -> Bytes {
    Content::text(sender, id, Some(to), text).to_bytes()
}

pub(super) fn to_log(log: &LogName, content: Bytes) -> Append {
    Append { log: log.clone(), content, open: false }
}

pub(super) async fn append(
    store: &dyn Store,
    log: &LogName,
    content: Bytes,
) -> Result<Appended, AppendError> {
    store.append(vec![to_log(log, content)]).await.pop().unwrap()
}

pub(super) async fn pair(store: &dyn Store, content: Bytes) -> Result<PairAppended, AppendError> {
    store.append_pair(vec![content]).await.pop().unwrap()
}

pub(super) async fn log_in(store: &dyn Store, users: &[&str]) {
    for name in users {
        store.log_in(user(name), None).await.unwrap();
    }
}

/// The names of all accounts.
pub(super) async fn accounts(store: &dyn Store) -> Vec<String> {
    let accounts = store.accounts(None, 1_000).await.unwrap();
    accounts.into_iter().map(|account| account.user.as_str().to_owned()).collect()
}

/// Everything that is left of a log.
pub(super) async fn entries(store: &dyn Store, log: &LogName) -> Vec<Entry> {
    let mut all: Vec<Entry> = Vec::new();
    loop {
        let after = all.last().map_or(Version(0), |entry| entry.version);
        let range = ReadRange { log: log.clone(), after, max_entries: 100, max_bytes: 1 << 20 };
        let page = store.read(range).await.unwrap();
        if page.entries.is_empty() {
            assert_eq!(after.max(page.head), page.head, "{log} has entries after its head");
            return all;
        }
        all.extend(page.entries);
    }
}

/// Everything that is left of a log, whose versions must follow one another.
pub(super) async fn contents(store: &dyn Store, log: &LogName) -> Vec<Bytes> {
    let entries = entries(store, log).await;
    for two in entries.windows(2) {
        assert_eq!(two[1].version, two[0].version.next(), "{log} has a hole or a repeat");
    }
    entries.into_iter().map(|entry| entry.content).collect()
}
