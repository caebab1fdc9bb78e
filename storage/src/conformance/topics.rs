//! Accounts, topics and their members.

use protocol::access::Act;
use protocol::code::ErrorCode;
use protocol::ids::{LogKind, Version};

use super::Subject;
use super::cast::{
    accounts, append, create, create_volatile, device, inbox, new_topic, said, topic, topic_log, user,
};
use crate::{NewTopic, Rules, Store, TopicError};

pub(super) async fn run<S: Subject>(make: &mut impl FnMut() -> S) {
    the_first_login_makes_the_account(make()).await;
    a_topic_is_made_once(make()).await;
    members_come_and_go(make()).await;
    a_login_lists_inbox_and_topics(make()).await;
    every_change_of_memberships_is_counted(make()).await;
    lists_are_given_in_pages(make()).await;
}

async fn the_first_login_makes_the_account(mut subject: impl Subject) {
    let first = subject.store().log_in(user("amy"), Some(device("phone"))).await.unwrap();
    assert!(first.new);
    assert_eq!(first.logs.len(), 1);
    assert_eq!(first.logs[0].log, inbox("amy"));
    assert_eq!((first.logs[0].first, first.logs[0].head), (Version(1), Version(0)));
    subject.restart().await;
    assert!(!subject.store().log_in(user("amy"), None).await.unwrap().new);
    assert_eq!(accounts(subject.store()).await, ["amy"]);
}

async fn a_topic_is_made_once(mut subject: impl Subject) {
    let garden = topic("garden");
    assert_eq!(subject.store().topic(garden.clone()).await.unwrap(), None);
    let made = create(subject.store(), "garden", "amy").await.unwrap();
    assert!(!made.already && !made.log.volatile);
    assert_eq!((made.log.log, made.log.first, made.log.head), (topic_log("garden"), Version(1), Version(0)));
    subject.restart().await;
    let store = subject.store();
    assert!(create(store, "garden", "amy").await.unwrap().already);
    let exists = Err(TopicError::Refused(ErrorCode::TopicExists));
    assert_eq!(create(store, "garden", "bob").await, exists);
    assert_eq!(create_volatile(store, "garden", "amy").await, exists);
    let found = store.topic(garden).await.unwrap().unwrap();
    assert_eq!((found.creator, found.rules, found.dissolved), (user("amy"), Rules::default(), false));
    let radio = create_volatile(store, "radio", "amy").await.unwrap();
    assert!(radio.log.volatile);
}

async fn members_come_and_go(mut subject: impl Subject) {
    let (garden, amy, bob) = (topic("garden"), user("amy"), user("bob"));
    let unknown = subject.store().join_topic(garden.clone(), bob.clone(), None).await;
    assert_eq!(unknown, Err(TopicError::Refused(ErrorCode::UnknownTopic)));
    create(subject.store(), "garden", "amy").await.unwrap();
    assert!(!subject.store().join_topic(garden.clone(), bob.clone(), None).await.unwrap().already);
    assert!(subject.store().join_topic(garden.clone(), bob.clone(), None).await.unwrap().already);
    subject.restart().await;
    subject.store().may(Act::Send, garden.clone(), bob.clone()).await.unwrap();
    assert_eq!(subject.store().members(garden.clone(), None, 10).await.unwrap(), [amy.clone(), bob.clone()]);
    for ended in [Some(1), None] {
        assert_eq!(subject.store().leave_topic(garden.clone(), bob.clone()).await, Ok(ended));
    }
    subject.restart().await;
    let may = subject.store().may(Act::Send, garden.clone(), bob.clone()).await;
    assert_eq!(may, Err(TopicError::Refused(ErrorCode::NotAMember)));
    assert_eq!(subject.store().members(garden.clone(), None, 10).await.unwrap(), [amy]);
    assert!(subject.store().topics_of(bob.clone()).await.unwrap().topics.is_empty());
    assert_eq!(subject.store().leave_topic(topic("nowhere"), bob).await, Ok(None));
}

async fn a_login_lists_inbox_and_topics(mut subject: impl Subject) {
    let amy = user("amy");
    for (name, volatile) in [("b", false), ("a", true), ("c", false)] {
        let new = NewTopic { volatile, ..new_topic(name, "amy") };
        subject.store().create_topic(new).await.unwrap();
    }
    append(subject.store(), &topic_log("b"), said("amy", "1", "hi")).await.unwrap();
    subject.store().leave_topic(topic("c"), amy.clone()).await.unwrap();
    subject.restart().await;
    let login = subject.store().log_in(amy.clone(), None).await.unwrap();
    assert!(matches!(login.logs[0].log.kind(), LogKind::Inbox("amy")));
    let mut topics: Vec<_> =
        login.logs[1..].iter().map(|log| (log.log.clone(), log.head.0, log.volatile)).collect();
    topics.sort();
    assert_eq!(topics, [(topic_log("a"), 0, true), (topic_log("b"), 1, false)]);
    let of_amy = subject.store().topics_of(amy).await.unwrap().topics;
    let heads: Vec<_> = of_amy.iter().map(|state| (state.log.as_str(), state.head.0)).collect();
    assert_eq!(heads, [("t/a", 0), ("t/b", 1)]);
}

async fn every_change_of_memberships_is_counted(mut subject: impl Subject) {
    let (garden, amy) = (topic("garden"), user("amy"));
    let revision = async |store: &dyn Store| {
        let login = store.log_in(user("amy"), None).await.unwrap().revision;
        let bounds = store.bounds(vec![inbox("amy"), topic_log("garden")]).await.unwrap();
        assert_eq!(bounds[0].revision, login);
        (login, bounds[1].revision)
    };
    let before = revision(subject.store()).await;
    create(subject.store(), "garden", "amy").await.unwrap();
    let joined = revision(subject.store()).await;
    assert!(joined.0 > before.0);
    subject.store().join_topic(garden.clone(), amy.clone(), None).await.unwrap();
    assert_eq!(revision(subject.store()).await, joined, "nothing changed");
    let ended = subject.store().leave_topic(garden, amy).await.unwrap();
    subject.restart().await;
    let left = revision(subject.store()).await;
    assert!(left.0 > joined.0);
    assert_eq!((joined.1, Some(left.1)), (0, ended), "a topic counts the memberships that ended");
}

async fn lists_are_given_in_pages(subject: impl Subject) {
    let store = subject.store();
    let names = ["a", "ab", "b", "c", "d"];
    for name in names {
        store.log_in(user(name), None).await.unwrap();
        create(store, name, "a").await.unwrap();
        store.join_topic(topic("a"), user(name), None).await.unwrap();
        append(store, &topic_log(name), said("a", "1", "hi")).await.unwrap();
    }
    assert_eq!(store.members(topic("a"), Some(user("a")), 2).await.unwrap(), [user("ab"), user("b")]);
    let topics = store.topics(Some(topic("aa")), 9).await.unwrap();
    assert_eq!(topics.iter().map(|topic| topic.name.as_str()).collect::<Vec<_>>(), ["ab", "b", "c", "d"]);
    assert_eq!(store.logs(Some(topic_log("b")), 1).await.unwrap(), [topic_log("c")]);
    assert_eq!(store.logs(Some(topic_log("d")), 1).await.unwrap(), []);
}
