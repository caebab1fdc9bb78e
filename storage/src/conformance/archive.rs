//! Export, import, and putting things back.

use std::io::Cursor;

use protocol::access::{History, Join};
use protocol::content::Entry;
use protocol::ids::{Time, Version};
use protocol::link::accounts::PasswordHash;
use protocol::link::request::Mark;

use super::accounts::{change, claimed, give_a_past, give_the_name_again, nothing_is_inherited};
use super::cast::{
    append, create, create_volatile, device, entries, inbox, log_in, new_topic, pair, said, told, topic,
    topic_log, user,
};
use super::{Subject, dump};
use crate::export::{Counts, ImportError, MAGIC, export, import, verify};
use crate::{Account, AccountError, AppendError, CursorMove, NewTopic, Restored, Store, StoreError};

pub(super) async fn run<S: Subject>(make: &mut impl FnMut() -> S) {
    an_export_is_put_back_as_it_was(make(), make()).await;
    an_import_is_begun_again_after_an_interruption(make(), make()).await;
    a_store_that_holds_something_else_is_not_mixed_with_an_export(make(), make()).await;
    a_cut_or_changed_export_is_refused_and_nothing_of_it_imported(make(), make()).await;
    things_are_put_back_in_order_only(make()).await;
    an_emptied_inbox_is_put_back_empty(make(), make()).await;
    another_account_of_the_same_name_is_in_the_way(make()).await;
}

/// A store with some of everything.
async fn fill(store: &dyn Store) {
    log_in(store, &["amy", "bob", "eve"]).await;
    change(store, "amy", |amy| {
        amy.password = Some(PasswordHash("$argon2id$v=19$hash".into()));
        amy.see(&device("phone"), amy.made).admitted = true;
    })
    .await
    .unwrap();
    create(store, "garden", "amy").await.unwrap();
    store.join_topic(topic("garden"), user("bob"), None).await.unwrap();
    create_volatile(store, "radio", "eve").await.unwrap();
    let club =
        NewTopic { join: Some(Join::Invite), history: Some(History::FromJoin), ..new_topic("club", "amy") };
    store.create_topic(club).await.unwrap();
    append(store, &topic_log("club"), said("amy", "1", "before")).await.unwrap();
    store.invite(topic("club"), user("eve"), user("amy")).await.unwrap();
    store.invite(topic("club"), user("bob"), user("amy")).await.unwrap();
    store.join_topic(topic("club"), user("bob"), None).await.unwrap();
    store.remove_member(topic("garden"), user("eve"), user("amy")).await.unwrap();
    create(store, "ruin", "bob").await.unwrap();
    append(store, &topic_log("ruin"), said("bob", "1", "never shown again")).await.unwrap();
    store.dissolve(topic("ruin"), user("bob")).await.unwrap();
    for n in 0..20 {
        pair(store, told("amy", &format!("p{n}"), "bob", "hi")).await.unwrap();
        append(store, &topic_log("garden"), said("bob", &format!("t{n}"), &"x".repeat(n))).await.unwrap();
    }
    store.trim(inbox("bob"), Version(15)).await.unwrap();
    for (who, on, mark, to) in [
        ("bob", None, Mark::Read, 16),
        ("bob", Some("phone"), Mark::Received, 20),
        ("amy", None, Mark::Received, 1),
    ] {
        let (device, log) = (on.map(device), inbox(who));
        let to = CursorMove { user: user(who), device, log, mark, version: Version(to) };
        store.move_cursors(vec![to]).await.pop().unwrap().unwrap();
    }
}

async fn exported(store: &dyn Store) -> Vec<u8> {
    let mut file = Vec::new();
    let told = export(store, &mut file, |_| {}).await.unwrap();
    assert_eq!(verify(&file[..]).unwrap(), told);
    file
}

async fn imported(store: &dyn Store, file: &[u8]) -> Result<Counts, ImportError> {
    import(store, Cursor::new(file), |_| {}).await
}

async fn an_export_is_put_back_as_it_was(from: impl Subject, mut to: impl Subject) {
    fill(from.store()).await;
    let file = exported(from.store()).await;
    let counts = imported(to.store(), &file).await.unwrap();
    let expected = Counts { accounts: 3, topics: 4, members: 8, logs: 5, entries: 47, cursors: 3, ..counts };
    assert_eq!(counts, expected);
    to.restart().await;
    assert_eq!(dump(to.store()).await, dump(from.store()).await);
    for log in [inbox("amy"), inbox("bob"), topic_log("garden")] {
        assert_eq!(entries(to.store(), &log).await, entries(from.store(), &log).await, "times of {log}");
    }
    let accounts = async |store: &dyn Store| store.accounts(None, 9).await.unwrap();
    assert_eq!(accounts(to.store()).await, accounts(from.store()).await, "with their times");
    let alike = to.store().put_account(claimed("Amy"), None).await;
    assert_eq!(alike, Err(AccountError::Lookalike(user("amy"))));
    // What came with the import is known when it is sent again.
    let again = append(to.store(), &topic_log("garden"), said("bob", "t3", "xxx")).await.unwrap();
    assert_eq!((again.version, again.duplicate), (Version(4), true));
    let other = append(to.store(), &topic_log("garden"), said("bob", "t3", "other")).await;
    assert_eq!(other, Err(AppendError::IdReused));
    assert_eq!(verify(&exported(to.store()).await[..]).unwrap(), counts);
}

async fn an_import_is_begun_again_after_an_interruption(from: impl Subject, mut to: impl Subject) {
    fill(from.store()).await;
    let file = exported(from.store()).await;
    let half = entries(from.store(), &inbox("amy")).await.into_iter().take(7);
    let half = half.map(|entry| Restored::Entry(inbox("amy"), entry));
    to.store().restore(half.collect()).await.unwrap();
    for _ in 0..2 {
        to.restart().await;
        imported(to.store(), &file).await.unwrap();
        assert_eq!(dump(to.store()).await, dump(from.store()).await);
    }
}

async fn a_store_that_holds_something_else_is_not_mixed_with_an_export(from: impl Subject, to: impl Subject) {
    fill(from.store()).await;
    let file = exported(from.store()).await;
    append(to.store(), &inbox("amy"), told("eve", "1", "amy", "I was here before")).await.unwrap();
    let refused = imported(to.store(), &file).await;
    assert!(matches!(refused, Err(ImportError::Store(StoreError::Unwritable(_)))), "{refused:?}");
}

async fn a_cut_or_changed_export_is_refused_and_nothing_of_it_imported(from: impl Subject, to: impl Subject) {
    fill(from.store()).await;
    let file = exported(from.store()).await;
    let whole = verify(&file[..]).unwrap();
    for end in 0..file.len() {
        let refused = imported(to.store(), &file[..end]).await;
        let right = match end {
            ..=15 => matches!(refused, Err(ImportError::NotAnExport)),
            _ => matches!(refused, Err(ImportError::Damaged { .. })),
        };
        assert!(right, "cut at {end}: {refused:?}");
    }
    for at in 0..file.len() {
        let mut changed = file.clone();
        changed[at] ^= 1;
        // A few bits of the compression's own header change nothing.
        let right = verify(&changed[..]).is_ok_and(|counts| counts == whole);
        assert!(right || imported(to.store(), &changed).await.is_err(), "changed at {at}");
    }
    let mut newer = file.clone();
    newer[MAGIC.len()] += 1;
    assert!(matches!(imported(to.store(), &newer).await, Err(ImportError::NewerFormat { found: 3 })));
    assert_eq!(dump(to.store()).await, super::Dump::default());
}

async fn things_are_put_back_in_order_only(subject: impl Subject) {
    let store = subject.store();
    let entry = |version, text| {
        let content = told("bob", &format!("{version}"), "amy", text);
        Restored::Entry(inbox("amy"), Entry { version: Version(version), time: Time(5), content })
    };
    store.restore(vec![Restored::First(inbox("amy"), Version(3)), entry(3, "hi")]).await.unwrap();
    assert!(store.restore(vec![entry(5, "hi")]).await.is_err(), "a hole");
    assert!(store.restore(vec![entry(3, "ho")]).await.is_err(), "another entry");
    store.restore(vec![entry(3, "hi"), entry(4, "hi")]).await.unwrap();
    let left = entries(store, &inbox("amy")).await;
    assert_eq!(
        left.iter().map(|entry| (entry.version.0, entry.time.0)).collect::<Vec<_>>(),
        [(3, 5), (4, 5)]
    );
    assert_eq!(append(store, &inbox("amy"), told("bob", "new", "amy", "hi")).await.unwrap().version.0, 5);
}

async fn an_emptied_inbox_is_put_back_empty(from: impl Subject, to: impl Subject) {
    give_a_past(from.store()).await;
    give_the_name_again(from.store()).await.unwrap();
    let file = exported(from.store()).await;
    for _ in 0..2 {
        imported(to.store(), &file).await.unwrap();
        nothing_is_inherited(to.store()).await;
        assert_eq!(dump(to.store()).await, dump(from.store()).await);
    }
}

async fn another_account_of_the_same_name_is_in_the_way(subject: impl Subject) {
    let store = subject.store();
    let account = |display: &str| {
        let account = Account { display: display.into(), revision: 3, ..claimed("amy") };
        Restored::Account(Box::new(account))
    };
    for _ in 0..2 {
        store.restore(vec![account("Amy")]).await.unwrap();
    }
    assert!(store.restore(vec![account("somebody else")]).await.is_err());
    let kept = store.account(user("amy")).await.unwrap().unwrap();
    assert_eq!((&*kept.display, kept.revision), ("Amy", 3));
}
