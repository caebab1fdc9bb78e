//! Messages between two inboxes, whole and by their steps.

use std::time::Duration;

use futures::future::join_all;
use protocol::ids::{Time, Version};

use super::Subject;
use super::cast::{accounts, append, contents, inbox, log_in, pair, told};
use crate::pair::{Completed, append_pairs, complete_open_pairs};
use crate::{Append, AppendError, Store};

/// Later than every subject's clock.
const LATER: Time = Time(u64::MAX >> 1);

pub(super) async fn run<S: Subject>(make: &mut impl FnMut() -> S) {
    a_message_is_in_both_inboxes(make()).await;
    one_to_oneself_is_one_entry(make()).await;
    the_recipient_must_have_an_account_and_the_sender_gets_one(make()).await;
    a_pair_sent_again_is_answered_with_the_first_versions(make()).await;
    pairs_at_the_same_time_are_each_in_both_inboxes(make()).await;
    a_half_is_completed_without_its_sender(make()).await;
    a_half_that_is_sent_again_becomes_whole(make()).await;
    the_steps_do_what_the_whole_does(make()).await;
    a_half_that_is_refused_for_good_is_not_tried_for_ever(make()).await;
}

async fn open(store: &dyn Store) -> usize {
    store.open_pairs(LATER, 100).await.unwrap().len()
}

async fn a_message_is_in_both_inboxes(mut subject: impl Subject) {
    log_in(subject.store(), &["amy", "bob"]).await;
    append(subject.store(), &inbox("bob"), told("eve", "1", "bob", "before")).await.unwrap();
    let message = told("amy", "1", "bob", "hi");
    let stored = pair(subject.store(), message.clone()).await.unwrap();
    assert_eq!((stored.sender.version, stored.recipient.version), (Version(1), Version(2)));
    assert!(!stored.sender.duplicate && !stored.recipient.duplicate);
    subject.restart().await;
    assert_eq!(contents(subject.store(), &inbox("amy")).await, std::slice::from_ref(&message));
    assert_eq!(contents(subject.store(), &inbox("bob")).await[1], message);
}

async fn one_to_oneself_is_one_entry(subject: impl Subject) {
    let store = subject.store();
    log_in(store, &["amy"]).await;
    let note = told("amy", "1", "amy", "buy milk");
    let stored = pair(store, note.clone()).await.unwrap();
    assert_eq!(stored.sender, stored.recipient);
    let again = pair(store, note.clone()).await.unwrap();
    assert!(again.sender.duplicate && again.sender == again.recipient);
    assert_eq!(contents(store, &inbox("amy")).await, [note]);
    assert_eq!(open(store).await, 0);
}

async fn the_recipient_must_have_an_account_and_the_sender_gets_one(mut subject: impl Subject) {
    let store = subject.store();
    let to_nobody = pair(store, told("amy", "1", "bob", "hi")).await;
    assert_eq!(to_nobody, Err(AppendError::UnknownRecipient));
    assert!(accounts(store).await.is_empty(), "nothing is made of what is refused");
    log_in(store, &["bob"]).await;
    // Whoever logged in while nobody could ask the store sends before the login is told to it.
    for (sender, to) in [("amy", "bob"), ("eve", "eve")] {
        let message = told(sender, "1", to, "hi");
        assert_eq!(pair(store, message.clone()).await.unwrap().sender.version, Version(1));
        assert!(pair(store, message).await.unwrap().sender.duplicate);
    }
    subject.restart().await;
    assert_eq!(accounts(subject.store()).await, ["amy", "bob", "eve"]);
    assert!(pair(subject.store(), told("bob", "2", "amy", "so you are here")).await.is_ok());
}

async fn a_pair_sent_again_is_answered_with_the_first_versions(mut subject: impl Subject) {
    log_in(subject.store(), &["amy", "bob", "eve"]).await;
    let message = told("amy", "1", "bob", "hi");
    let first = pair(subject.store(), message.clone()).await.unwrap();
    for _ in 0..2 {
        let again = pair(subject.store(), message.clone()).await.unwrap();
        assert_eq!(again.sender.version, first.sender.version);
        assert_eq!(again.recipient.version, first.recipient.version);
        assert!(again.sender.duplicate && again.recipient.duplicate);
        for other in [told("amy", "1", "bob", "ho"), told("amy", "1", "eve", "hi")] {
            assert_eq!(pair(subject.store(), other).await, Err(AppendError::IdReused));
        }
        subject.restart().await;
    }
    for (name, entries) in [("amy", 1), ("bob", 1), ("eve", 0)] {
        assert_eq!(contents(subject.store(), &inbox(name)).await.len(), entries);
    }
}

async fn pairs_at_the_same_time_are_each_in_both_inboxes(mut subject: impl Subject) {
    let store = subject.store();
    log_in(store, &["amy", "bob"]).await;
    let mut calls = Vec::new();
    for n in 0..50 {
        let id = n.to_string();
        calls.push(store.append_pair(vec![told("amy", &id, "bob", "hi"), told("bob", &id, "amy", "ho")]));
        calls.push(store.append_pair(vec![told("amy", &id, "bob", "hi")]));
    }
    assert!(join_all(calls).await.into_iter().flatten().all(|answer| answer.is_ok()));
    subject.restart().await;
    let (mut amys, mut bobs) =
        (contents(subject.store(), &inbox("amy")).await, contents(subject.store(), &inbox("bob")).await);
    amys.sort();
    bobs.sort();
    assert_eq!((amys.len(), &amys), (100, &bobs));
}

async fn begin(store: &dyn Store, id: &str) -> bytes::Bytes {
    let content = told("amy", id, "bob", "hi");
    let half = Append { log: inbox("amy"), content: content.clone(), open: true };
    store.append(vec![half]).await.pop().unwrap().unwrap();
    content
}

async fn a_half_is_completed_without_its_sender(mut subject: impl Subject) {
    log_in(subject.store(), &["amy", "bob"]).await;
    let message = begin(subject.store(), "1").await;
    subject.restart().await;
    assert_eq!(open(subject.store()).await, 1);
    let time = super::cast::entries(subject.store(), &inbox("amy")).await[0].time;
    let younger = complete_open_pairs(subject.store(), time, 100).await.unwrap();
    assert_eq!(younger, Completed::default(), "a pair that began just now is left to who began it");
    subject.pass(Duration::from_secs(10));
    let before = Time(time.0 + 5_000);
    let completed = complete_open_pairs(subject.store(), before, 100).await.unwrap();
    assert_eq!(completed, Completed { whole: 1, ..Completed::default() });
    assert_eq!(contents(subject.store(), &inbox("bob")).await, [message]);
    subject.restart().await;
    assert_eq!(open(subject.store()).await, 0);
    assert_eq!(complete_open_pairs(subject.store(), before, 100).await.unwrap(), Completed::default());
}

async fn a_half_that_is_sent_again_becomes_whole(subject: impl Subject) {
    let store = subject.store();
    log_in(store, &["amy", "bob"]).await;
    let message = begin(store, "1").await;
    let again = pair(store, message.clone()).await.unwrap();
    assert!(again.sender.duplicate && !again.recipient.duplicate);
    let twice = complete_open_pairs(store, LATER, 100).await;
    assert!(twice.is_ok_and(|completed| completed.left == 0));
    for name in ["amy", "bob"] {
        assert_eq!(contents(store, &inbox(name)).await, std::slice::from_ref(&message));
    }
    assert_eq!(open(store).await, 0);
}

async fn the_steps_do_what_the_whole_does(subject: impl Subject) {
    let store = subject.store();
    let whole = told("amy", "1", "bob", "hi");
    let batch =
        vec![whole.clone(), told("amy", "1", "bob", "ho"), told("amy", "2", "amy", "note"), whole.clone()];
    let pairs = append_pairs(store, batch).await;
    let first = pairs.results[0].clone().unwrap();
    assert!(!first.sender.duplicate && !first.recipient.duplicate);
    assert_eq!(pairs.results[1], Err(AppendError::IdReused));
    assert!(pairs.results[2].is_ok());
    let again = pairs.results[3].clone().unwrap();
    assert_eq!((again.sender.version, again.recipient.version), (Version(1), Version(1)));
    assert!(again.sender.duplicate && again.recipient.duplicate);
    assert_eq!(open(store).await, 1);
    store.close_pairs(pairs.whole.clone()).await.unwrap();
    store.close_pairs(pairs.whole).await.unwrap();
    assert_eq!(open(store).await, 0);
    assert_eq!(contents(store, &inbox("amy")).await.len(), 2);
    assert_eq!(contents(store, &inbox("bob")).await, [whole]);
}

async fn a_half_that_is_refused_for_good_is_not_tried_for_ever(subject: impl Subject) {
    let store = subject.store();
    append(store, &inbox("bob"), told("amy", "1", "bob", "something else")).await.unwrap();
    begin(store, "1").await;
    let completed = complete_open_pairs(store, LATER, 100).await.unwrap();
    assert_eq!(completed, Completed { refused: 1, ..Completed::default() });
    assert_eq!(open(store).await, 0);
}
