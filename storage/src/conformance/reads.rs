//! Reading a log: pages, bounds, places that are not there.

use protocol::ids::{LogName, Version};

use super::Subject;
use super::cast::{append, inbox, log_in, pair, told};
use crate::{Page, ReadRange, Store};

pub(super) async fn run<S: Subject>(make: &mut impl FnMut() -> S) {
    pages_are_bounded_and_follow_one_another(make()).await;
    what_is_not_there_is_an_empty_page(make()).await;
    what_was_answered_is_read_at_once(make()).await;
}

async fn page(store: &dyn Store, log: &LogName, after: u64, max_entries: usize, max_bytes: usize) -> Page {
    let range = ReadRange { log: log.clone(), after: Version(after), max_entries, max_bytes };
    store.read(range).await.unwrap()
}

fn versions(page: &Page) -> Vec<u64> {
    page.entries.iter().map(|entry| entry.version.0).collect()
}

async fn pages_are_bounded_and_follow_one_another(subject: impl Subject) {
    let (store, log) = (subject.store(), inbox("amy"));
    for n in 0..10 {
        append(store, &log, told("bob", &n.to_string(), "amy", &"x".repeat(1_000))).await.unwrap();
    }
    let first = page(store, &log, 0, 3, 1 << 20).await;
    assert_eq!((first.first, first.head, versions(&first)), (Version(1), Version(10), vec![1, 2, 3]));
    assert_eq!(versions(&page(store, &log, 3, 100, 2_500).await), [4, 5]);
    assert_eq!(versions(&page(store, &log, 5, 100, 10).await), [6], "one entry is given whatever its size");
    assert_eq!(versions(&page(store, &log, 9, 100, 1 << 20).await), [10]);
}

async fn what_is_not_there_is_an_empty_page(subject: impl Subject) {
    let (store, log) = (subject.store(), inbox("amy"));
    let nothing = page(store, &log, 0, 10, 1_000).await;
    assert_eq!(nothing, Page { first: Version(1), ..Page::default() });
    append(store, &log, told("bob", "1", "amy", "hi")).await.unwrap();
    for after in [1, 2, u64::MAX >> 11] {
        let beyond = page(store, &log, after, 10, 1_000).await;
        assert_eq!((beyond.head, beyond.entries.len()), (Version(1), 0));
    }
}

async fn what_was_answered_is_read_at_once(subject: impl Subject) {
    let store = subject.store();
    log_in(store, &["amy", "bob"]).await;
    for n in 1..=100 {
        let message = told("amy", &n.to_string(), "bob", "hi");
        let stored = pair(store, message.clone()).await.unwrap();
        let page = page(store, &inbox("bob"), n - 1, 10, 1_000).await;
        assert_eq!((page.head, versions(&page)), (Version(n), vec![n]));
        assert_eq!((&page.entries[0].content, page.entries[0].time), (&message, stored.recipient.time));
    }
}
