//! All that a store holds, for comparison.

use std::collections::BTreeMap;

use bytes::Bytes;
use protocol::ids::{LogName, Time, TopicName, UserId, Version};

use super::cast::entries;
use crate::{Account, Relation, Rules, Store};

/// All that a store holds but times, which differ between stores.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dump {
    /// Each log's first version, and what is left of it.
    pub logs: BTreeMap<LogName, (Version, Vec<(Version, Bytes)>)>,
    /// The records of all accounts.
    pub accounts: Vec<Account>,
    /// Each topic's creator and which one of that name, its rules, and whether it was dissolved.
    pub topics: BTreeMap<TopicName, (UserId, u64, Rules, bool)>,
    /// How users stand to topics.
    pub relations: BTreeMap<(TopicName, UserId), Relation>,
    /// Cursors: user, log, mark and device as text, and where they stand.
    pub cursors: BTreeMap<String, Version>,
}

/// Reads all that a store holds.
pub async fn dump(store: &dyn Store) -> Dump {
    let accounts = store.accounts(None, 1_000_000).await.unwrap();
    let mut dump = Dump { accounts: accounts.into_iter().map(timeless).collect(), ..Dump::default() };
    for log in store.logs(None, 1_000_000).await.unwrap() {
        let first = store.bounds(vec![log.clone()]).await.unwrap()[0].first;
        let left = entries(store, &log).await.into_iter().map(|entry| (entry.version, entry.content));
        dump.logs.insert(log, (first, left.collect()));
    }
    for topic in store.topics(None, 1_000_000).await.unwrap() {
        for (user, relation) in store.relations(topic.name.clone(), None, 1_000_000).await.unwrap() {
            dump.relations.insert((topic.name.clone(), user), relation);
        }
        dump.topics.insert(topic.name, (topic.creator, topic.creator_life, topic.rules, topic.dissolved));
    }
    for account in dump.accounts.clone() {
        for cursor in store.cursors_of(account.user).await.unwrap() {
            let device = cursor.device.map(String::from).unwrap_or_default();
            let name = format!("{} {} {:?} {device}", cursor.user, cursor.log, cursor.mark);
            dump.cursors.insert(name, cursor.version);
        }
    }
    dump
}

/// The record without what is of the store's clock.
pub(super) fn timeless(mut account: Account) -> Account {
    account.made = Time(0);
    account.devices.iter_mut().for_each(|device| device.seen = Time(0));
    account
}
