//! Accounts: one record each, changed only by whoever has read it; names that are not given twice.

use futures::future::join_all;
use protocol::access::{Act, Join};
use protocol::code::ErrorCode;
use protocol::ids::{DeviceId, Time, Version};
use protocol::link::accounts::{PasswordHash, TokenHash};
use protocol::link::request::Mark;

use super::Subject;
use super::cast::{
    accounts, append, contents, create, device, inbox, log_in, new_topic, pair, said, told, topic, topic_log,
    user,
};
use crate::account::{DEVICES, FORGET_AFTER, SEEN_EVERY, Token};
use crate::{
    Account, AccountError, AccountState, AppendError, CursorMove, NewTopic, Store, StoreError, TopicError,
};

const NOT_ALLOWED: AppendError = AppendError::Refused(ErrorCode::NotAllowed);
const GONE: AppendError = AppendError::Refused(ErrorCode::NameGone);

pub(super) async fn run<S: Subject>(make: &mut impl FnMut() -> S) {
    a_record_is_kept_as_it_was_put(make()).await;
    a_record_that_has_changed_is_not_changed_by_who_has_not_read_it(make()).await;
    of_changes_at_the_same_time_one_is_made(make()).await;
    a_name_that_looks_like_another_is_not_taken(make()).await;
    names_that_look_alike_in_mode_open_stay(make()).await;
    a_name_that_has_left_something_is_no_new_one(make()).await;
    devices_are_noted_and_make_room(make()).await;
    a_device_that_goes_takes_its_cursors_along(make()).await;
    whoever_is_disabled_is_not_let_in_and_sends_nothing(make()).await;
    nothing_is_sent_to_a_name_that_is_gone(make()).await;
    ended_access_is_counted_with_the_memberships(make()).await;
    a_login_decided_elsewhere_finds_the_same(make()).await;
    accounts_are_listed_in_pages(make()).await;
    whoever_is_given_a_name_again_inherits_nothing(make()).await;
}

/// An account that somebody has claimed.
pub(super) fn claimed(name: &str) -> Account {
    let mut account = Account::unclaimed(user(name), Time(7));
    account.claimed = true;
    account.password = Some(PasswordHash(format!("$argon2id$v=19${name}")));
    account
}

/// The account, which must be there.
pub(super) async fn account(store: &dyn Store, name: &str) -> Account {
    store.account(user(name)).await.unwrap().unwrap()
}

/// Changes the account that is there; its revision.
pub(super) async fn change(
    store: &dyn Store,
    name: &str,
    change: impl FnOnce(&mut Account),
) -> Result<u64, AccountError> {
    let mut account = store.account(user(name)).await?.ok_or(AccountError::Changed)?;
    change(&mut account);
    let expected = account.revision;
    store.put_account(account, Some(expected)).await
}

async fn set_state(store: &dyn Store, name: &str, state: AccountState) {
    change(store, name, |account| account.state = state).await.unwrap();
}

async fn a_record_is_kept_as_it_was_put(mut subject: impl Subject) {
    assert_eq!(subject.store().account(user("amy")).await, Ok(None));
    let mut amy = claimed("amy");
    let token = |text: &str| {
        Some(Token { hash: TokenHash(text.repeat(64)), issued: Time(8), expires: Time(1 << 42) })
    };
    let phone = amy.see(&device("phone"), Time(9));
    (phone.admitted, phone.token, phone.previous) = (true, token("a"), token("b"));
    phone.ended = Time(3);
    (amy.display, amy.about, amy.generation, amy.ended) = ("Amy ♣".into(), "gardens".into(), 4, Time(5));
    assert_eq!(subject.store().put_account(amy.clone(), None).await, Ok(1));
    for _ in 0..2 {
        assert_eq!(account(subject.store(), "amy").await, Account { revision: 1, ..amy.clone() });
        subject.restart().await;
    }
    let revision = change(subject.store(), "amy", |amy| amy.devices.clear()).await;
    assert_eq!(revision, Ok(2));
    subject.restart().await;
    let kept = account(subject.store(), "amy").await;
    assert_eq!(kept, Account { devices: Vec::new(), revision: 2, ..amy });
}

async fn a_record_that_has_changed_is_not_changed_by_who_has_not_read_it(subject: impl Subject) {
    let store = subject.store();
    let amy = claimed("amy");
    for wrong in [Some(0), Some(1)] {
        assert_eq!(store.put_account(amy.clone(), wrong).await, Err(AccountError::Changed));
    }
    assert_eq!(store.put_account(amy.clone(), None).await, Ok(1));
    for wrong in [None, Some(0), Some(2)] {
        let late = Account { about: "too late".into(), ..amy.clone() };
        assert_eq!(store.put_account(late, wrong).await, Err(AccountError::Changed));
    }
    assert_eq!(account(store, "amy").await, Account { revision: 1, ..amy });
}

async fn of_changes_at_the_same_time_one_is_made(mut subject: impl Subject) {
    let puts = (0..8).map(|n| {
        let amy = Account { generation: n, ..claimed("amy") };
        subject.store().put_account(amy, None)
    });
    let answers = join_all(puts).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
    let first = answers.iter().position(Result::is_ok).unwrap() as u64;
    subject.restart().await;
    assert_eq!(account(subject.store(), "amy").await.generation, first);
    let puts = (10..18).map(|n| {
        let amy = Account { generation: n, ..claimed("amy") };
        subject.store().put_account(amy, Some(1))
    });
    let answers = join_all(puts).await;
    let second = answers.iter().position(|answer| *answer == Ok(2)).unwrap() as u64;
    assert_eq!(answers.iter().filter(|answer| **answer == Err(AccountError::Changed)).count(), 7);
    assert_eq!(account(subject.store(), "amy").await.generation, second + 10);
}

async fn a_name_that_looks_like_another_is_not_taken(mut subject: impl Subject) {
    // The second begins with a Cyrillic letter.
    let alike = ["amy", "\u{430}my", "Amy"];
    let answers = join_all(alike.map(|name| subject.store().put_account(claimed(name), None))).await;
    assert_eq!(answers[0], Ok(1));
    for _ in 0..2 {
        for name in &alike[1..] {
            let refused = subject.store().put_account(claimed(name), None).await;
            assert_eq!(refused, Err(AccountError::Lookalike(user("amy"))));
            assert_eq!(subject.store().account(user(name)).await, Ok(None));
        }
        subject.restart().await;
        // Also one that is gone is not to be taken for.
        set_state(subject.store(), "amy", AccountState::Deleted).await;
    }
    assert_eq!(answers[1..], [(); 2].map(|()| Err(AccountError::Lookalike(user("amy")))));
    assert_eq!(subject.store().put_account(claimed("bob"), None).await, Ok(1));
}

async fn names_that_look_alike_in_mode_open_stay(subject: impl Subject) {
    let store = subject.store();
    log_in(store, &["amy", "Amy"]).await;
    assert_eq!(accounts(store).await, ["Amy", "amy"]);
    let claim = |account: &mut Account| account.claimed = true;
    assert!(change(store, "Amy", claim).await.is_ok(), "whoever claims a name that is there decides");
    let refused = store.put_account(claimed("AMY"), None).await;
    assert_eq!(refused, Err(AccountError::Lookalike(user("Amy"))), "the first of them in their order");
}

async fn a_name_that_has_left_something_is_no_new_one(mut subject: impl Subject) {
    let store = subject.store();
    append(store, &inbox("amy"), told("bob", "1", "amy", "hi")).await.unwrap();
    create(store, "garden", "bob").await.unwrap();
    let cursor = |name: &str, version| CursorMove {
        user: user(name),
        device: None,
        log: inbox("amy"),
        mark: Mark::Read,
        version: Version(version),
    };
    store.move_cursors(vec![cursor("eve", 1)]).await.pop().unwrap().unwrap();
    assert!(accounts(store).await.is_empty());
    for _ in 0..2 {
        for name in ["amy", "bob", "eve"] {
            let left = account(subject.store(), name).await;
            assert_eq!(left, Account::unclaimed(user(name), Time(0)));
            let refused = subject.store().put_account(claimed(name), None).await;
            assert_eq!(refused, Err(AccountError::Changed), "{name}");
        }
        subject.restart().await;
    }
    assert_eq!(subject.store().put_account(claimed("amy"), Some(0)).await, Ok(1));
    assert_eq!(contents(subject.store(), &inbox("amy")).await.len(), 1);
    assert!(subject.store().log_in(user("bob"), None).await.unwrap().new);
    assert_eq!(account(subject.store(), "bob").await.revision, 1);
}

async fn devices_are_noted_and_make_room(mut subject: impl Subject) {
    let on = async |subject: &dyn Store, name: &str| {
        subject.log_in(user("amy"), Some(device(name))).await.unwrap();
        account(subject, "amy").await
    };
    let first = on(subject.store(), "d0").await;
    assert!(!first.claimed && !first.devices[0].admitted);
    subject.pass(SEEN_EVERY / 2);
    assert_eq!(on(subject.store(), "d0").await, first, "nothing is written within the hour");
    subject.pass(SEEN_EVERY / 2);
    assert!(on(subject.store(), "d0").await.devices[0].seen > first.devices[0].seen);
    for n in 1..=DEVICES {
        subject.pass(SEEN_EVERY);
        on(subject.store(), &format!("d{n}")).await;
    }
    subject.restart().await;
    let now = account(subject.store(), "amy").await;
    assert_eq!((now.devices.len(), now.device(&device("d0"))), (DEVICES, None));
    subject.pass(FORGET_AFTER);
    assert_eq!(on(subject.store(), "d5").await.devices.len(), 1);
}

async fn a_device_that_goes_takes_its_cursors_along(mut subject: impl Subject) {
    append(subject.store(), &inbox("amy"), told("bob", "1", "amy", "hi")).await.unwrap();
    let cursor = |on: Option<&str>, mark| {
        let (device, log) = (on.map(device), inbox("amy"));
        CursorMove { user: user("amy"), device, log, mark, version: Version(1) }
    };
    let received = Mark::Received;
    for on in ["phone", "desk"] {
        subject.store().log_in(user("amy"), Some(device(on))).await.unwrap();
        subject.store().move_cursors(vec![cursor(Some(on), received)]).await.pop().unwrap().unwrap();
    }
    for mark in [received, Mark::Read] {
        subject.store().move_cursors(vec![cursor(None, mark)]).await.pop().unwrap().unwrap();
    }
    change(subject.store(), "amy", |amy| amy.devices.retain(|one| one.id != device("phone"))).await.unwrap();
    for _ in 0..2 {
        let mut left = subject.store().cursors_of(user("amy")).await.unwrap();
        left.sort_by_key(|cursor| (cursor.device.clone(), cursor.mark == Mark::Read));
        let expected = [cursor(None, received), cursor(None, Mark::Read), cursor(Some("desk"), received)];
        assert_eq!(left, expected);
        subject.restart().await;
    }
    for n in 0..DEVICES {
        subject.pass(SEEN_EVERY);
        subject.store().log_in(user("amy"), Some(device(&format!("d{n}")))).await.unwrap();
    }
    let left = subject.store().cursors_of(user("amy")).await.unwrap();
    assert!(left.iter().all(|cursor| cursor.device.is_none()), "{left:?}");
}

async fn whoever_is_disabled_is_not_let_in_and_sends_nothing(mut subject: impl Subject) {
    let garden = topic_log("garden");
    log_in(subject.store(), &["amy", "bob"]).await;
    create(subject.store(), "garden", "amy").await.unwrap();
    let before = pair(subject.store(), told("amy", "1", "bob", "hi")).await.unwrap();
    set_state(subject.store(), "amy", AccountState::Disabled).await;
    for _ in 0..2 {
        let store = subject.store();
        let refused = store.log_in(user("amy"), None).await;
        assert_eq!(refused, Err(AccountError::Ended(AccountState::Disabled)));
        for message in [told("amy", "2", "bob", "hi"), told("amy", "3", "amy", "note")] {
            assert_eq!(pair(store, message).await, Err(NOT_ALLOWED));
        }
        assert_eq!(append(store, &garden, said("amy", "4", "hi")).await, Err(NOT_ALLOWED));
        for act in Act::ALL {
            let refused = store.may(act, topic("garden"), user("amy")).await;
            assert_eq!(refused, Err(TopicError::Refused(ErrorCode::NotAllowed)), "{act:?}");
        }
        let again = pair(store, told("amy", "1", "bob", "hi")).await.unwrap();
        assert_eq!((again.sender.version, again.sender.duplicate), (before.sender.version, true));
        subject.restart().await;
    }
    let store = subject.store();
    assert!(pair(store, told("bob", "1", "amy", "where are you?")).await.is_ok(), "it is kept for her");
    set_state(store, "amy", AccountState::Active).await;
    assert!(store.log_in(user("amy"), None).await.is_ok());
    assert!(pair(store, told("amy", "2", "bob", "here")).await.is_ok());
    assert!(append(store, &garden, said("amy", "4", "hi")).await.is_ok());
}

async fn nothing_is_sent_to_a_name_that_is_gone(mut subject: impl Subject) {
    log_in(subject.store(), &["amy", "bob"]).await;
    create(subject.store(), "club", "bob").await.unwrap();
    set_state(subject.store(), "amy", AccountState::Deleted).await;
    for _ in 0..2 {
        let store = subject.store();
        let refused = store.log_in(user("amy"), None).await;
        assert_eq!(refused, Err(AccountError::Ended(AccountState::Deleted)));
        assert_eq!(pair(store, told("bob", "1", "amy", "hi")).await, Err(GONE));
        assert_eq!(pair(store, told("amy", "1", "bob", "hi")).await, Err(NOT_ALLOWED));
        let half = append(store, &inbox("amy"), told("bob", "2", "amy", "hi")).await;
        assert_eq!(half, Err(GONE));
        let invited = store.invite(topic("club"), user("amy"), user("bob")).await;
        assert_eq!(invited, Err(TopicError::Refused(ErrorCode::NameGone)));
        subject.restart().await;
    }
    for name in ["amy", "bob"] {
        assert!(contents(subject.store(), &inbox(name)).await.is_empty());
    }
}

async fn ended_access_is_counted_with_the_memberships(mut subject: impl Subject) {
    let mut amy = claimed("amy");
    for (name, admitted) in [("phone", true), ("desk", true), ("shed", false)] {
        amy.see(&device(name), Time(9)).admitted = admitted;
    }
    subject.store().put_account(amy, None).await.unwrap();
    let count = async |store: &dyn Store| store.bounds(vec![inbox("amy")]).await.unwrap()[0].revision;
    let mut counted = count(subject.store()).await;
    type Change = fn(&mut Account);
    let changes: [(Change, bool); 6] = [
        (|amy| amy.display = "Amy".into(), false),
        (|amy| amy.devices[0].admitted = false, true),
        (|amy| drop(amy.devices.pop()), false),
        (|amy| amy.generation += 1, true),
        (|amy| amy.state = AccountState::Disabled, true),
        (|amy| amy.state = AccountState::Active, false),
    ];
    for (at, (what, ends)) in changes.into_iter().enumerate() {
        change(subject.store(), "amy", what).await.unwrap();
        subject.restart().await;
        let now = count(subject.store()).await;
        assert_eq!(now > counted, ends, "change {at}");
        assert_eq!(subject.store().logged_in(user("amy"), None).await.unwrap().revision, now);
        counted = now;
    }
}

async fn a_login_decided_elsewhere_finds_the_same(subject: impl Subject) {
    let store = subject.store();
    let phone: Option<DeviceId> = Some(device("phone"));
    let nothing = store.logged_in(user("amy"), phone.clone()).await.unwrap();
    assert_eq!((nothing.logs.len(), nothing.logs[0].head, nothing.new), (1, Version(0), false));
    assert_eq!(store.account(user("amy")).await, Ok(None), "nothing is made");
    log_in(store, &["amy", "bob"]).await;
    create(store, "garden", "amy").await.unwrap();
    pair(store, told("amy", "1", "bob", "hi")).await.unwrap();
    let found = store.log_in(user("amy"), phone.clone()).await.unwrap();
    assert_eq!(store.logged_in(user("amy"), phone).await, Ok(found));
}

async fn accounts_are_listed_in_pages(subject: impl Subject) {
    let store = subject.store();
    for name in ["a", "ab", "b", "c"] {
        store.put_account(claimed(name), None).await.unwrap();
    }
    log_in(store, &["d"]).await;
    let page = async |after: Option<&str>, limit| {
        let page = store.accounts(after.map(user), limit).await.unwrap();
        for listed in &page {
            assert_eq!(*listed, account(store, listed.user.as_str()).await);
        }
        page.into_iter().map(|account| String::from(account.user)).collect::<Vec<_>>()
    };
    assert_eq!(page(None, 2).await, ["a", "ab"]);
    assert_eq!(page(Some("ab"), 9).await, ["b", "c", "d"]);
    assert!(page(Some("d"), 9).await.is_empty());
}

/// The topics of a past: amy made the first two, and left the second; she joined the third, left the fourth, was invited
/// to the fifth and put out of the sixth.
const TOPICS: [&str; 6] = ["garden", "attic", "house", "yard", "club", "cellar"];

/// Gives amy everything that a name can stand for: an account, messages, topics, cursors of her own and of a device.
pub(super) async fn give_a_past(store: &dyn Store) {
    log_in(store, &["amy", "bob"]).await;
    store.log_in(user("amy"), Some(device("phone"))).await.unwrap();
    for n in 0..5 {
        pair(store, told("bob", &format!("past{n}"), "amy", "for the first amy")).await.unwrap();
    }
    for (at, name) in TOPICS.into_iter().enumerate() {
        let join = if name == "garden" { Join::Open } else { Join::Invite };
        let made = NewTopic { join: Some(join), ..new_topic(name, if at < 2 { "amy" } else { "bob" }) };
        store.create_topic(made).await.unwrap();
        if at >= 2 {
            store.invite(topic(name), user("amy"), user("bob")).await.unwrap();
        }
    }
    for name in ["house", "yard", "cellar"] {
        store.join_topic(topic(name), user("amy"), None).await.unwrap();
    }
    for name in ["attic", "yard"] {
        store.leave_topic(topic(name), user("amy")).await.unwrap();
    }
    store.remove_member(topic("cellar"), user("amy"), user("bob")).await.unwrap();
    append(store, &topic_log("garden"), said("amy", "g1", "among us")).await.unwrap();
    for (on, mark) in [(None, Mark::Read), (None, Mark::Received), (Some("phone"), Mark::Received)] {
        for log in [inbox("amy"), topic_log("garden")] {
            let to = CursorMove { user: user("amy"), device: on.map(device), log, mark, version: Version(1) };
            store.move_cursors(vec![to]).await.pop().unwrap().unwrap();
        }
    }
}

/// Deletes amy's account, and gives the name to somebody else.
pub(super) async fn give_the_name_again(store: &dyn Store) -> Result<u64, AccountError> {
    let now = store.account(user("amy")).await?.ok_or(AccountError::Store(StoreError::Closed))?;
    if now.state != AccountState::Deleted {
        change(store, "amy", |amy| {
            amy.state = AccountState::Deleted;
            amy.devices.clear();
        })
        .await?;
    }
    change(store, "amy", |amy| *amy = Account { revision: amy.revision, ..claimed("amy") }).await
}

/// Nothing of what amy was is amy's now.
pub(super) async fn nothing_is_inherited(store: &dyn Store) {
    let found = store.logged_in(user("amy"), Some(device("phone"))).await.unwrap();
    let [log] = &found.logs[..] else { panic!("more than an inbox: {found:?}") };
    assert_eq!((log.first, log.head), (log.head.next(), Version(5)), "an inbox that goes on after what was");
    assert_eq!((log.cursor, log.read), (Version(0), Version(0)));
    assert!(contents(store, &inbox("amy")).await.is_empty());
    assert!(found.invites.is_empty());
    assert!(store.cursors_of(user("amy")).await.unwrap().is_empty());
    for name in TOPICS {
        let related = store.relations(topic(name), None, 9).await.unwrap();
        assert!(related.iter().all(|(who, _)| *who != user("amy")), "{name}: {related:?}");
        for act in [Act::Read, Act::Send, Act::Members, Act::Invite, Act::Dissolve] {
            let refused = store.may(act, topic(name), user("amy")).await;
            assert_eq!(refused, Err(TopicError::Refused(ErrorCode::NotAMember)), "{act:?} {name}");
        }
        let joins = store.may(Act::Join, topic(name), user("amy")).await;
        assert_eq!(joins.is_ok(), name == "garden", "{name} takes whom it took from everybody");
    }
}

async fn whoever_is_given_a_name_again_inherits_nothing(mut subject: impl Subject) {
    give_a_past(subject.store()).await;
    let counted = subject.store().bounds(vec![inbox("amy")]).await.unwrap()[0].revision;
    give_the_name_again(subject.store()).await.unwrap();
    for _ in 0..2 {
        nothing_is_inherited(subject.store()).await;
        subject.restart().await;
    }
    let store = subject.store();
    assert!(store.bounds(vec![inbox("amy")]).await.unwrap()[0].revision > counted);
    store.join_topic(topic("garden"), user("amy"), None).await.unwrap();
    let ends = store.dissolve(topic("garden"), user("amy")).await;
    assert_eq!(ends, Err(TopicError::Refused(ErrorCode::NotAllowed)), "another amy made it");
    create(store, "orchard", "amy").await.unwrap();
    assert!(store.may(Act::Dissolve, topic("orchard"), user("amy")).await.is_ok(), "and this one that");
    let first = pair(store, told("bob", "new", "amy", "welcome")).await.unwrap();
    assert_eq!(first.recipient.version, Version(6));
    assert_eq!(contents(store, &inbox("amy")).await.len(), 1);
    assert_eq!(contents(store, &inbox("bob")).await.len(), 6, "what bob has stays his");
    subject.restart().await;
    assert_eq!(contents(subject.store(), &inbox("amy")).await.len(), 1);
}
