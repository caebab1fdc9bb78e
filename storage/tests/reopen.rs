//! What was answered is there when the store is opened again.

#![allow(clippy::unwrap_used, reason = "what is set up for the tests fails by panicking")]

use protocol::access::Act;
use protocol::content::Content;
use protocol::ids::{LogName, TopicName, UserId, Version};
use storage::embedded::{EmbeddedStore, OpenError, Options};
use storage::{Append, AppendError, NewTopic, ReadRange, Store};

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn all(log: &LogName) -> ReadRange {
    ReadRange { log: log.clone(), after: Version(0), max_entries: 100, max_bytes: 1 << 20 }
}

#[tokio::test]
async fn messages_accounts_and_members_outlive_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let (amy, bob, garden) = (user("amy"), user("bob"), TopicName::new("garden").unwrap());
    let said = Content::text("amy", "1", Some("bob"), "hi").to_bytes();
    {
        let store = EmbeddedStore::open(dir.path(), Options::default()).unwrap();
        let refused = store.append_pair(vec![said.clone()]).await.remove(0);
        assert_eq!(refused, Err(AppendError::UnknownRecipient));
        assert!(store.log_in(amy.clone(), None).await.unwrap().new);
        assert!(store.log_in(bob.clone(), None).await.unwrap().new);
        let stored = store.append_pair(vec![said.clone()]).await.remove(0).unwrap();
        assert_eq!((stored.sender.version, stored.recipient.version), (Version(1), Version(1)));
        store.create_topic(NewTopic::new(garden.clone(), amy.clone())).await.unwrap();
        let content = Content::text("amy", "2", None, "hello all").to_bytes();
        let append = Append { log: LogName::topic(&garden), content, open: false };
        assert_eq!(store.append(vec![append]).await.remove(0).unwrap().version, Version(1));
    }
    for rebuild in [false, true] {
        let store = EmbeddedStore::open(dir.path(), Options { rebuild, ..Options::default() }).unwrap();
        let again = store.append_pair(vec![said.clone()]).await.remove(0).unwrap();
        assert!(again.sender.duplicate && again.recipient.duplicate);
        let page = store.read(all(&LogName::inbox(&bob))).await.unwrap();
        assert_eq!(page.entries.len(), 1);
        assert_eq!(page.entries[0].content, said);
        store.may(Act::Send, garden.clone(), amy.clone()).await.unwrap();
        let state = store.log_in(amy.clone(), None).await.unwrap();
        assert!(!state.new);
        assert_eq!(state.logs.len(), 2);
        assert_eq!(state.logs[1].head, Version(1));
    }
}

#[test]
fn a_store_that_is_open_elsewhere_is_refused_by_the_holders_name() {
    let dir = tempfile::tempdir().unwrap();
    let _store = EmbeddedStore::open(dir.path(), Options::default()).unwrap();
    let error = EmbeddedStore::open(dir.path(), Options::default()).err().unwrap();
    assert!(matches!(error, OpenError::Locked { .. }), "{error}");
    assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
}
