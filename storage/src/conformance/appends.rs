//! Appending to one log: versions, repeats, order, and who may.

use std::collections::BTreeSet;

use futures::future::join_all;
use protocol::code::ErrorCode;
use protocol::ids::Version;

use super::Subject;
use super::cast::{
    append, contents, create, create_volatile, inbox, log_in, said, to_log, told, topic, topic_log, user,
};
use crate::{AppendError, Store};

pub(super) async fn run<S: Subject>(make: &mut impl FnMut() -> S) {
    versions_are_given_once_and_without_a_hole(make()).await;
    a_repeat_is_answered_with_the_first_version(make()).await;
    a_repeat_within_one_batch_is_answered_with_the_first_version(make()).await;
    an_id_used_again_for_something_else_is_refused(make()).await;
    repeats_at_the_same_time_are_one_entry(make()).await;
    calls_take_their_place_when_they_are_made(make()).await;
    a_topic_takes_messages_of_its_members_only(make()).await;
    membership_is_checked_in_the_order_of_the_calls(make()).await;
    large_messages_are_taken_and_too_large_ones_refused(make()).await;
}

async fn versions_are_given_once_and_without_a_hole(mut subject: impl Subject) {
    let log = inbox("amy");
    let mut expected = Vec::new();
    for round in 0..3 {
        for batch in 0..4 {
            let batch: Vec<_> = (0..batch * 5 + 1)
                .map(|n| to_log(&log, told("bob", &format!("{round}-{batch}-{n}"), "amy", "hi")))
                .collect();
            expected.extend(batch.iter().map(|message| message.content.clone()));
            let first = expected.len() - batch.len();
            for (n, answer) in subject.store().append(batch).await.into_iter().enumerate() {
                let appended = answer.unwrap();
                assert_eq!(appended.version, Version((first + n + 1) as u64));
                assert!(!appended.duplicate);
            }
        }
        subject.restart().await;
    }
    assert_eq!(contents(subject.store(), &log).await, expected);
    let bounds = subject.store().bounds(vec![log, inbox("nobody")]).await.unwrap();
    assert_eq!((bounds[0].first, bounds[0].head), (Version(1), Version(expected.len() as u64)));
    assert_eq!((bounds[1].first, bounds[1].head), (Version(1), Version(0)));
}

async fn a_repeat_is_answered_with_the_first_version(mut subject: impl Subject) {
    let (log, message) = (inbox("amy"), told("bob", "1", "amy", "hi"));
    let first = append(subject.store(), &log, message.clone()).await.unwrap();
    append(subject.store(), &log, told("bob", "2", "amy", "hi")).await.unwrap();
    for _ in 0..2 {
        subject.pass(super::DEDUPE * 2);
        let again = append(subject.store(), &log, message.clone()).await.unwrap();
        assert_eq!((again.version, again.time, again.duplicate), (first.version, first.time, true));
        subject.restart().await;
    }
    assert_eq!(contents(subject.store(), &log).await.len(), 2);
}

async fn a_repeat_within_one_batch_is_answered_with_the_first_version(subject: impl Subject) {
    let (log, message) = (inbox("amy"), told("bob", "1", "amy", "hi"));
    let batch = vec![
        to_log(&log, message.clone()),
        to_log(&log, message.clone()),
        to_log(&log, told("bob", "1", "amy", "ho")),
    ];
    let answers = subject.store().append(batch).await;
    assert_eq!(answers[0].as_ref().map(|first| (first.version, first.duplicate)), Ok((Version(1), false)));
    assert_eq!(answers[1].as_ref().map(|again| (again.version, again.duplicate)), Ok((Version(1), true)));
    assert_eq!(answers[2], Err(AppendError::IdReused));
    assert_eq!(contents(subject.store(), &log).await, [message]);
}

async fn an_id_used_again_for_something_else_is_refused(mut subject: impl Subject) {
    let log = inbox("amy");
    let message = told("amy", "1", "bob", "hi");
    append(subject.store(), &log, message.clone()).await.unwrap();
    for _ in 0..2 {
        for other in [told("amy", "1", "bob", "ho"), told("amy", "1", "eve", "hi")] {
            assert_eq!(append(subject.store(), &log, other).await, Err(AppendError::IdReused));
        }
        subject.restart().await;
    }
    append(subject.store(), &log, told("bob", "1", "amy", "the same id of another sender")).await.unwrap();
    append(subject.store(), &inbox("bob"), told("amy", "1", "bob", "in another log")).await.unwrap();
    assert_eq!(contents(subject.store(), &log).await.len(), 2);
}

async fn repeats_at_the_same_time_are_one_entry(subject: impl Subject) {
    let log = inbox("amy");
    let store = subject.store();
    let calls: Vec<_> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let message = |n: usize| to_log(&log, told("bob", &n.to_string(), "amy", "hi"));
                    (0..50).map(|n| store.append(vec![message(n)])).collect::<Vec<_>>()
                })
            })
            .collect();
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    });
    let answers = join_all(calls).await;
    let new = answers.iter().flatten().filter(|answer| !answer.as_ref().unwrap().duplicate).count();
    let versions: BTreeSet<_> =
        answers.iter().flatten().map(|answer| answer.as_ref().unwrap().version).collect();
    assert_eq!((new, versions.len()), (50, 50));
    for caller in answers.chunks(50) {
        assert_eq!(versions_of(caller), versions_of(&answers[..50]), "callers were told different versions");
    }
    assert_eq!(contents(store, &log).await.len(), 50);
}

fn versions_of(answers: &[Vec<Result<crate::Appended, AppendError>>]) -> Vec<Version> {
    answers.iter().flatten().map(|answer| answer.as_ref().unwrap().version).collect()
}

async fn calls_take_their_place_when_they_are_made(subject: impl Subject) {
    let log = inbox("amy");
    let message = |n: usize| told("bob", &n.to_string(), "amy", "hi");
    let calls: Vec<_> =
        (0..40).map(|n| (n, subject.store().append(vec![to_log(&log, message(n))]))).collect();
    // Some of the futures are dropped, the others looked at in another order than they were made in.
    for (n, call) in calls.into_iter().filter(|(n, _)| n % 3 > 0).rev() {
        assert_eq!(call.await.pop().unwrap().unwrap().version, Version(n as u64 + 1));
    }
    assert_eq!(contents(subject.store(), &log).await, (0..40).map(message).collect::<Vec<_>>());
}

async fn a_topic_takes_messages_of_its_members_only(subject: impl Subject) {
    let store = subject.store();
    let (garden, radio) = (topic_log("garden"), topic_log("radio"));
    assert_eq!(
        append(store, &garden, said("amy", "1", "hi")).await,
        Err(AppendError::Refused(ErrorCode::UnknownTopic))
    );
    create(store, "garden", "amy").await.unwrap();
    create_volatile(store, "radio", "amy").await.unwrap();
    assert_eq!(
        append(store, &garden, said("bob", "1", "hi")).await,
        Err(AppendError::Refused(ErrorCode::NotAMember))
    );
    assert_eq!(
        append(store, &radio, said("amy", "1", "hi")).await,
        Err(AppendError::Refused(ErrorCode::WrongDurability))
    );
    assert_eq!(append(store, &garden, said("amy", "1", "hi")).await.unwrap().version, Version(1));
    assert_eq!(contents(store, &radio).await.len(), 0);
    assert_eq!(store.logs(None, 9).await.unwrap(), [garden], "a log without entries is no log");
}

async fn membership_is_checked_in_the_order_of_the_calls(subject: impl Subject) {
    let store = subject.store();
    let garden = topic_log("garden");
    create(store, "garden", "amy").await.unwrap();
    for round in 0..10 {
        let id = format!("m{round}");
        store.join_topic(topic("garden"), user("bob"), None).await.unwrap();
        let before = store.append(vec![to_log(&garden, said("bob", &id, "in time"))]);
        let first = before.await.pop().unwrap().unwrap();
        store.leave_topic(topic("garden"), user("bob")).await.unwrap();
        let late = append(store, &garden, said("bob", "late", "too late")).await;
        assert_eq!(late, Err(AppendError::Refused(ErrorCode::NotAMember)));
        let repeated = append(store, &garden, said("bob", &id, "in time")).await.unwrap();
        assert_eq!(
            (repeated.version, repeated.duplicate),
            (first.version, true),
            "it is stored, whoever left since"
        );
    }
    assert_eq!(contents(store, &garden).await.len(), 10);
}

async fn large_messages_are_taken_and_too_large_ones_refused(subject: impl Subject) {
    let store: &dyn Store = subject.store();
    log_in(store, &["amy", "bob"]).await;
    let log = inbox("amy");
    let large = told("bob", "1", "amy", &"x".repeat(1 << 20));
    let batch = (0..5).map(|_| to_log(&log, large.clone())).collect();
    assert!(store.append(batch).await.iter().all(Result::is_ok));
    assert_eq!(contents(store, &log).await, [large]);
    let huge = told("bob", "2", "amy", &"x".repeat(17 << 20));
    let bytes = huge.len();
    for refused in [append(store, &log, huge.clone()).await.err(), super::cast::pair(store, huge).await.err()]
    {
        let Some(AppendError::TooLarge { bytes: told, limit }) = refused else {
            panic!("{bytes} bytes were not refused for that: {refused:?}");
        };
        assert!(told == bytes && limit < bytes);
    }
}
