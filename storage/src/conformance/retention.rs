//! Retention: what a log loses, and what it keeps.

use protocol::ids::{LogName, Version};

use super::cast::{append, entries, inbox, told};
use super::{DEDUPE, Subject};
use crate::{AppendError, Store};

pub(super) async fn run<S: Subject>(make: &mut impl FnMut() -> S) {
    a_log_begins_where_it_was_cut(make()).await;
    the_newest_entry_is_never_taken(make()).await;
    what_was_taken_is_known_for_a_time(make()).await;
    what_is_left_is_known_for_ever(make()).await;
}

fn message(n: u64) -> bytes::Bytes {
    told("bob", &n.to_string(), "amy", "hi")
}

async fn fill(store: &dyn Store, log: &LogName) {
    for n in 1..=10 {
        append(store, log, message(n)).await.unwrap();
    }
}

async fn trim(store: &dyn Store, before: u64) -> u64 {
    store.trim(inbox("amy"), Version(before)).await.unwrap().0
}

async fn versions(store: &dyn Store) -> Vec<u64> {
    entries(store, &inbox("amy")).await.iter().map(|entry| entry.version.0).collect()
}

async fn a_log_begins_where_it_was_cut(mut subject: impl Subject) {
    assert_eq!(trim(subject.store(), 5).await, 1, "there was nothing to cut");
    fill(subject.store(), &inbox("amy")).await;
    assert_eq!(trim(subject.store(), 4).await, 4);
    assert_eq!(trim(subject.store(), 2).await, 4, "a log never begins earlier again");
    subject.restart().await;
    assert_eq!(versions(subject.store()).await, [4, 5, 6, 7, 8, 9, 10]);
    let bounds = subject.store().bounds(vec![inbox("amy")]).await.unwrap();
    assert_eq!((bounds[0].first, bounds[0].head), (Version(4), Version(10)));
    let next = append(subject.store(), &inbox("amy"), message(11)).await.unwrap();
    assert_eq!(next.version, Version(11));
}

async fn the_newest_entry_is_never_taken(mut subject: impl Subject) {
    fill(subject.store(), &inbox("amy")).await;
    assert_eq!(trim(subject.store(), 1_000).await, 10);
    subject.restart().await;
    assert_eq!(versions(subject.store()).await, [10]);
}

async fn what_was_taken_is_known_for_a_time(mut subject: impl Subject) {
    fill(subject.store(), &inbox("amy")).await;
    trim(subject.store(), 6).await;
    subject.restart().await;
    let again = append(subject.store(), &inbox("amy"), message(3)).await.unwrap();
    assert_eq!((again.version, again.duplicate), (Version(3), true));
    let other = append(subject.store(), &inbox("amy"), told("bob", "3", "amy", "ho")).await;
    assert_eq!(other, Err(AppendError::IdReused));
    subject.pass(DEDUPE);
    for _ in 0..2 {
        let late = append(subject.store(), &inbox("amy"), message(3)).await.unwrap();
        assert_eq!(late.version, Version(11));
        assert_eq!(trim(subject.store(), 6).await, 6);
        subject.restart().await;
    }
    assert_eq!(versions(subject.store()).await, [6, 7, 8, 9, 10, 11]);
}

async fn what_is_left_is_known_for_ever(mut subject: impl Subject) {
    fill(subject.store(), &inbox("amy")).await;
    trim(subject.store(), 6).await;
    subject.pass(DEDUPE * 10);
    trim(subject.store(), 6).await;
    subject.restart().await;
    let again = append(subject.store(), &inbox("amy"), message(6)).await.unwrap();
    assert_eq!((again.version, again.duplicate), (Version(6), true));
}
