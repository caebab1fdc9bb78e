//! Questions and their answers, over whole stores.

use std::sync::atomic::{AtomicU64, Ordering};

use futures::FutureExt;
use futures::future::join_all;
use protocol::content::Content;
use protocol::ids::{LogName, TopicName, Version};
use protocol::link::accounts::State;
use storage::conformance::ModelStore;
use storage::embedded::{EmbeddedStore, Options};
use storage::{AccountState, NewTopic, ReadRange};

use super::*;

pub const DAY: u64 = 24 * 3_600_000;
const GOOD_FOR: u64 = 30 * DAY;

pub fn account() -> Account {
    let password = Some(PasswordHash("$argon2id$amy".into()));
    Account { claimed: true, password, ..Account::unclaimed(user("amy"), Time(0)) }
}

pub fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

pub fn device(name: &str) -> DeviceId {
    DeviceId::new(name).unwrap()
}

/// A hash that stands for a token of this name.
pub fn hash(name: &str) -> TokenHash {
    TokenHash(name.bytes().chain(std::iter::repeat(0)).take(32).map(|byte| format!("{byte:02x}")).collect())
}

pub fn new_token(name: &str) -> NewToken {
    NewToken { hash: hash(name), good_for: GOOD_FOR }
}

fn password(name: &str) -> PasswordHash {
    PasswordHash(format!("$argon2id${name}"))
}

/// A mesh's accounts, asked one question after another.
struct Desk<S> {
    store: S,
    mode: AuthMode,
    now: u64,
    stamps: AtomicU64,
}

impl Default for Desk<ModelStore> {
    fn default() -> Self {
        Self::over(ModelStore::default())
    }
}

impl<S: Store> Desk<S> {
    fn over(store: S) -> Self {
        Self { store, mode: AuthMode::Accounts, now: 100 * DAY, stamps: AtomicU64::default() }
    }

    async fn ask(&self, question: Question) -> Result<Reply, ErrorCode> {
        let stamp = || self.stamps.fetch_add(1, Ordering::SeqCst);
        let accounts = Accounts { store: &self.store, mode: self.mode, now: Time(self.now), stamp: &stamp };
        accounts.answer(question).await.map_err(|refusal| refusal.code())
    }

    async fn answer(&self, question: Question) -> Answer {
        match self.ask(question).await {
            Ok(Reply::Account { answer }) => answer,
            other => panic!("{other:?}"),
        }
    }

    async fn log_in(&self, name: &str, on: &str, proof: Proof) -> Result<Login, ErrorCode> {
        self.ask(Question::Login { user: user(name), device: device(on), proof }).await.map(login)
    }

    async fn register(&self, name: &str) -> Result<Login, ErrorCode> {
        let (user, device, token) = (user(name), device("phone"), new_token("first"));
        let question =
            Question::Register { user, password: password(name), display: "Somebody".into(), device, token };
        self.ask(question).await.map(login)
    }

    async fn add(&self, name: &str, past: Past) -> Result<Reply, ErrorCode> {
        let (password, display) = (Some(password(name)), String::new());
        self.ask(Question::Add { user: user(name), password, display, past }).await
    }

    async fn delete(&self, name: &str) {
        let ended = self.answer(Question::Delete { user: user(name), generation: None }).await;
        assert!(matches!(ended, Answer::Ended { .. }));
    }

    async fn generation(&self, name: &str) -> u64 {
        match self.answer(Question::Credentials { user: user(name) }).await {
            Answer::Credentials { generation, .. } => generation,
            other => panic!("{other:?}"),
        }
    }

    async fn by_password(&self, name: &str, on: &str, token: &str) -> Result<Login, ErrorCode> {
        let generation = self.generation(name).await;
        let proof = Proof::Password { generation, token: new_token(token), renewed: None };
        self.log_in(name, on, proof).await
    }

    async fn send(&self, from: &str, to: &str, id: &str) {
        let content = Content::text(from, id, Some(to), "hi").to_bytes();
        self.store.append_pair(vec![content]).await.pop().unwrap().unwrap();
    }
}

/// What a login came to.
#[derive(Debug, PartialEq, Eq)]
struct Login {
    stamp: u64,
    first: u64,
    head: u64,
    logs: usize,
    renewed: bool,
}

fn login(reply: Reply) -> Login {
    let Reply::LoggedIn { stamp, logs, welcome: Some(welcome), .. } = reply else { panic!("{reply:?}") };
    let (first, head) = (logs[0].first.0, logs[0].head.0);
    Login { stamp, first, head, logs: logs.len(), renewed: welcome.renewed }
}

fn by_token(token: &str) -> Proof {
    Proof::Token { hash: hash(token), next: new_token("next") }
}

fn foreign() -> Proof {
    Proof::Foreign { issued: Time(99 * DAY), expires: Time(101 * DAY) }
}

#[tokio::test]
async fn whoever_registers_is_in_and_comes_in_again() {
    let desk = Desk::default();
    let first = desk.register("amy").await.unwrap();
    assert_eq!((first.renewed, first.logs), (true, 1));
    let again = desk.log_in("amy", "phone", by_token("first")).await.unwrap();
    assert!(!again.renewed && again.stamp > first.stamp);
    assert!(desk.by_password("amy", "desk", "second").await.unwrap().renewed);
    let refused = desk.log_in("amy", "desk", by_token("first")).await;
    assert_eq!(refused, Err(ErrorCode::LoginRefused));
    let Answer::Devices { devices } = desk.answer(Question::Devices { user: user("amy") }).await else {
        panic!("no devices")
    };
    assert_eq!(devices.len(), 2);
    let profile = desk.answer(Question::Profile { user: user("amy") }).await;
    assert!(matches!(profile, Answer::Profile { profile } if profile.display == "Somebody"));
}

#[tokio::test]
async fn a_login_that_changes_nothing_writes_nothing() {
    let desk = Desk::default();
    desk.register("amy").await.unwrap();
    let before = desk.store.account(user("amy")).await.unwrap();
    desk.log_in("amy", "phone", by_token("first")).await.unwrap();
    assert_eq!(desk.store.account(user("amy")).await.unwrap(), before);
}

#[tokio::test]
async fn of_one_name_and_of_two_that_look_alike_one_is_registered() {
    let desk = Desk::default();
    desk.register("amy").await.unwrap();
    for name in ["amy", "Amy", "\u{430}my"] {
        assert_eq!(desk.register(name).await, Err(ErrorCode::NameTaken), "{name}");
        assert_eq!(desk.add(name, Past::Fresh).await, Err(ErrorCode::NameTaken), "{name}");
    }
    let refused = desk.log_in("Amy", "phone", foreign()).await;
    assert_eq!(refused, Err(ErrorCode::NameTaken));
}

#[tokio::test]
async fn what_ends_access_has_a_greater_number_than_the_logins_that_it_ends() {
    let desk = Desk::default();
    let in_then = desk.register("amy").await.unwrap();
    let asks = (device("phone"), new_token("new"));
    let everything = [
        Question::EndDevice { user: user("amy"), device: Some(device("phone")) },
        Question::EndDevice { user: user("amy"), device: None },
        Question::SetPassword {
            user: user("amy"),
            password: password("new"),
            generation: 1,
            device: asks.0,
            token: asks.1,
        },
        Question::ResetPassword { user: user("amy"), password: password("reset") },
        Question::Disable { user: user("amy"), disabled: true },
        Question::Delete { user: user("amy"), generation: None },
    ];
    let mut last = in_then.stamp;
    for question in everything {
        let Answer::Ended { stamp } = desk.answer(question).await else { panic!("it ended nothing") };
        assert!(stamp > last);
        last = stamp;
    }
    assert_eq!(desk.answer(Question::Access { user: user("amy") }).await, nobody());
}

fn nobody() -> Answer {
    Answer::Access { active: false, devices: Vec::new() }
}

#[tokio::test]
async fn a_change_decided_over_what_has_changed_is_decided_again() {
    let store = ModelStore::default();
    store.put_account(account(), None).await.unwrap();
    let rivals = AtomicU64::new(3);
    let decide = |stored: Option<Account>| {
        let stored = stored.unwrap();
        if rivals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            let rival = Account { generation: stored.generation + 10, ..stored.clone() };
            store.put_account(rival, Some(stored.revision)).now_or_never().unwrap().unwrap();
        }
        let generation = stored.generation + 1;
        Ok((Account { generation, ..stored }, generation))
    };
    let kept = kept::change(&store, &user("amy"), &|| 7, decide).await.unwrap();
    assert_eq!(kept, (7, 31), "three rivals were quicker, and none was undone");
    assert_eq!(store.account(user("amy")).await.unwrap().unwrap().generation, 31);
    rivals.store(u64::MAX, Ordering::SeqCst);
    let refused = kept::change(&store, &user("amy"), &|| 7, decide).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Busy);
}

#[tokio::test]
async fn devices_that_log_in_at_the_same_time_are_all_in() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::over(EmbeddedStore::open(dir.path(), Options::default()).unwrap());
    desk.register("amy").await.unwrap();
    let names: Vec<_> = (0..8).map(|n| format!("d{n}")).collect();
    let logins = names.iter().map(|name| desk.by_password("amy", name, name));
    assert!(join_all(logins).await.iter().all(Result::is_ok));
    let again = names.iter().map(|name| desk.log_in("amy", name, by_token(name)));
    assert!(join_all(again).await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn of_names_registered_at_the_same_time_one_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::over(EmbeddedStore::open(dir.path(), Options::default()).unwrap());
    let names = ["amy", "amy", "Amy", "AMY", "\u{430}my"];
    let answers = join_all(names.map(|name| desk.register(name))).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
    let refused = answers.iter().filter_map(|answer| answer.as_ref().err());
    assert!(refused.clone().all(|code| *code == ErrorCode::NameTaken), "{answers:?}");
}

#[tokio::test]
async fn a_mesh_in_mode_open_has_no_accounts_but_for_operators() {
    let mut desk = Desk::default();
    desk.register("amy").await.unwrap();
    desk.mode = AuthMode::Open;
    assert_eq!(desk.register("bob").await, Err(ErrorCode::NoAccounts));
    let refused = desk.log_in("amy", "phone", by_token("first")).await;
    assert_eq!(refused, Err(ErrorCode::NoAccounts));
    for question in [
        Question::Credentials { user: user("amy") },
        Question::EndDevice { user: user("amy"), device: None },
        Question::Delete { user: user("amy"), generation: Some(0) },
    ] {
        assert_eq!(desk.ask(question).await, Err(ErrorCode::NoAccounts));
    }
    assert!(desk.add("bob", Past::Refuse).await.is_ok());
    let Answer::Accounts { accounts, more } = desk.answer(Question::List { after: None, limit: 1 }).await
    else {
        panic!("no list")
    };
    assert_eq!((accounts[0].user.as_str(), accounts[0].state, more), ("amy", State::Active, true));
}

#[tokio::test]
async fn what_no_record_may_hold_is_refused() {
    let desk = Desk::default();
    let long = |bytes| "x".repeat(bytes);
    let login = |proof| Question::Login { user: user("amy"), device: device("phone"), proof };
    let next = new_token("a");
    for question in [
        login(Proof::Token { hash: TokenHash(String::new()), next: next.clone() }),
        login(Proof::Token { hash: hash("a"), next: NewToken { hash: TokenHash(long(64)), ..next } }),
        Question::ResetPassword { user: user("amy"), password: PasswordHash(String::new()) },
        Question::ResetPassword { user: user("amy"), password: PasswordHash(long(513)) },
        Question::SetProfile { user: user("amy"), display: Some(long(129)), about: None },
        Question::SetProfile { user: user("amy"), display: None, about: Some(long(1025)) },
    ] {
        assert_eq!(desk.ask(question).await, Err(ErrorCode::BadRequest));
    }
    assert_eq!(desk.store.account(user("amy")).await, Ok(None));
}

#[tokio::test]
async fn of_a_name_that_nobody_has_everything_is_answered_as_of_one_that_may_not_be_used() {
    let desk = Desk::default();
    desk.register("amy").await.unwrap();
    desk.delete("amy").await;
    for name in ["amy", "nobody"] {
        let credentials = desk.answer(Question::Credentials { user: user(name) }).await;
        assert_eq!(credentials, Answer::Credentials { password: None, generation: 0 });
        assert_eq!(desk.by_password(name, "phone", "a").await, Err(ErrorCode::LoginRefused));
        assert_eq!(desk.log_in(name, "phone", by_token("first")).await, Err(ErrorCode::LoginRefused));
        assert_eq!(desk.answer(Question::Access { user: user(name) }).await, nobody());
    }
    let unknown = Question::Delete { user: user("nobody"), generation: None };
    assert_eq!(desk.ask(unknown).await, Err(ErrorCode::UnknownUser));
}

/// Names with a past, each of another kind; every one has five messages that are nobody else's business, or would have.
async fn names_with_a_past(desk: &Desk<ModelStore>) -> [&'static str; 4] {
    for name in ["bob", "open"] {
        desk.store.log_in(user(name), None).await.unwrap();
    }
    let lost = Content::text("bob", "lost", Some("lost"), "whose account was lost").to_bytes();
    let half = storage::Append { log: LogName::inbox(&user("lost")), content: lost, open: false };
    desk.store.append(vec![half]).await.pop().unwrap().unwrap();
    let garden = NewTopic::new(TopicName::new("garden").unwrap(), user("member"));
    desk.store.create_topic(garden).await.unwrap();
    desk.register("gone").await.unwrap();
    for n in 0..5 {
        for name in ["open", "gone"] {
            desk.send("bob", name, &format!("{name}{n}")).await;
        }
    }
    desk.delete("gone").await;
    ["open", "lost", "member", "gone"]
}

#[tokio::test]
async fn no_stranger_inherits_an_inbox_whichever_way_they_come() {
    let desk = Desk::default();
    for name in names_with_a_past(&desk).await {
        let before = desk.store.account(user(name)).await.unwrap();
        assert_eq!(desk.register(name).await, Err(ErrorCode::NameTaken), "{name}");
        assert_eq!(desk.add(name, Past::Refuse).await, Err(ErrorCode::NameTaken), "{name}");
        for proof in [by_token("first"), foreign()] {
            let refused = desk.log_in(name, "phone", proof).await;
            assert_eq!(refused, Err(ErrorCode::LoginRefused), "{name}");
        }
        assert_eq!(desk.by_password(name, "phone", "a").await, Err(ErrorCode::LoginRefused), "{name}");
        assert_eq!(desk.store.account(user(name)).await.unwrap(), before, "{name} is as it was");
    }
    assert_eq!(desk.add("gone", Past::Adopt).await, Err(ErrorCode::NameTaken));
}

#[tokio::test]
async fn a_name_that_begins_anew_has_nothing_of_what_was() {
    let desk = Desk::default();
    for name in names_with_a_past(&desk).await {
        desk.add(name, Past::Fresh).await.unwrap();
        let fresh = desk.by_password(name, "phone", "a").await.unwrap();
        assert_eq!((fresh.first, fresh.logs), (fresh.head + 1, 1), "{name}");
        let log = LogName::inbox(&user(name));
        let range = ReadRange { log, after: Version(0), max_entries: 100, max_bytes: 1 << 20 };
        assert!(desk.store.read(range.clone()).await.unwrap().entries.is_empty(), "{name}");
        desk.send("bob", name, &format!("to the new {name}")).await;
        assert_eq!(desk.store.read(range).await.unwrap().entries.len(), 1, "{name}");
        assert_eq!(desk.add(name, Past::Fresh).await, Err(ErrorCode::NameTaken), "{name} is somebody's");
    }
}

#[tokio::test]
async fn a_name_of_mode_open_that_is_adopted_has_all_that_it_had() {
    let desk = Desk::default();
    names_with_a_past(&desk).await;
    desk.add("open", Past::Adopt).await.unwrap();
    let adopted = desk.by_password("open", "phone", "a").await.unwrap();
    assert_eq!((adopted.first, adopted.head), (1, 5));
}

#[tokio::test]
async fn a_foreign_token_of_before_a_name_began_anew_is_refused() {
    let mut desk = Desk::default();
    desk.log_in("amy", "phone", foreign()).await.unwrap();
    desk.delete("amy").await;
    desk.add("amy", Past::Fresh).await.unwrap();
    desk.now += DAY / 2;
    assert_eq!(desk.log_in("amy", "phone", foreign()).await, Err(ErrorCode::LoginRefused));
    let newer = Proof::Foreign { issued: Time(desk.now), expires: Time(desk.now + DAY) };
    assert!(desk.log_in("amy", "phone", newer).await.is_ok());
}

#[tokio::test]
async fn whoever_is_disabled_is_out_until_enabled_again() {
    let desk = Desk::default();
    desk.register("amy").await.unwrap();
    let disable = |disabled| Question::Disable { user: user("amy"), disabled };
    desk.answer(disable(true)).await;
    assert_eq!(desk.log_in("amy", "phone", by_token("first")).await, Err(ErrorCode::LoginRefused));
    assert_eq!(desk.register("amy").await, Err(ErrorCode::NameTaken));
    assert_eq!(desk.answer(disable(false)).await, Answer::Done);
    assert!(desk.log_in("amy", "phone", by_token("first")).await.is_ok());
    let there = desk.store.account(user("amy")).await.unwrap().unwrap();
    assert_eq!(there.state, AccountState::Active);
}
