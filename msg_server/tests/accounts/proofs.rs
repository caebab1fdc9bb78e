//! Logging in, out, and all that a user does with an account.

use crate::stage::{Book, Client, Link, PATIENCE, Server};
use protocol::code::DisconnectCode;
use protocol::ids::{DeviceId, UserId};
use protocol::link::Frame;
use protocol::link::accounts::{Answer, Question};
use protocol::link::request::{Notice, Reply, Request};
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse";

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn device(name: &str) -> DeviceId {
    DeviceId::new(name).unwrap()
}

/// Makes an account, and stays logged in on this device; the client and its token.
async fn registered(server: &Server, name: &str, on: &str) -> (Client, String) {
    let mut client = server.client().await;
    let ok = client.ok("REGISTER", &[name], json!({"Password": PASSWORD, "Device": on})).await;
    (client, ok["Token"].as_str().unwrap().to_owned())
}

async fn logged_in(server: &Server, name: &str, on: &str, key: &str, secret: &str) -> (Client, Value) {
    let mut client = server.client().await;
    let ok = client.ok("SEND_CLIENT_ID", &[name], json!({key: secret, "Device": on})).await;
    (client, ok)
}

/// A login that is refused; its whole answer.
async fn refused_login(server: &Server, name: &str, keys: Value) -> Value {
    let answer = server.client().await.ask("SEND_CLIENT_ID", &[name], keys).await;
    assert_eq!(answer["CmdName"], "ERROR", "{answer}");
    answer
}

#[tokio::test]
async fn who_registers_is_in_and_comes_back_by_password_and_by_token() {
    let (server, book) = Server::with_manager("").await;
    let mut amy = server.client().await;
    let ok = amy
        .ok("REGISTER", &["ａmy"], json!({"Password": PASSWORD, "Device": "phone", "Display": "Amy"}))
        .await;
    assert_eq!((&ok["User"], &ok["Logs"][0]["Log"]), (&json!("amy"), &json!("u/amy")));
    let token = ok["Token"].as_str().unwrap();
    assert!(token.starts_with("shoal_") && ok["Expires"].as_u64().unwrap() > mesh::report::now());
    let (_, by_token) = logged_in(&server, "amy", "phone", "Token", token).await;
    assert_eq!((&by_token["User"], &by_token["Token"]), (&json!("amy"), &Value::Null));
    assert_eq!(amy.ended().await, 3000);
    let (_, by_password) = logged_in(&server, "amy", "desk", "Password", PASSWORD).await;
    assert_ne!(by_password["Token"], json!(token));
    book.write(|pages| pages.rotates = true);
    let (_, renewed) = logged_in(&server, "amy", "phone", "Token", token).await;
    assert!(renewed["Token"].is_string() && renewed["Token"] != json!(token));
}

#[tokio::test]
async fn an_unknown_user_and_a_wrong_password_are_answered_alike_and_cost_one_verification_each() {
    let (server, _book) = Server::with_manager("").await;
    registered(&server, "amy", "phone").await;
    let before = server.figure("PasswordsCheckedTotal").await;
    let wrong = refused_login(&server, "amy", json!({"Password": "wrong horse"})).await;
    assert_eq!(server.figure("PasswordsCheckedTotal").await, before + 1);
    let unknown = refused_login(&server, "nobody", json!({"Password": "wrong horse"})).await;
    assert_eq!(server.figure("PasswordsCheckedTotal").await, before + 2);
    assert_eq!(wrong, unknown);
    assert_eq!(wrong["Code"], 4014);
    let bad_token = refused_login(&server, "amy", json!({"Token": "shoal_wrong"})).await;
    let token_of_nobody = refused_login(&server, "nobody", json!({"Token": "shoal_wrong"})).await;
    assert_eq!((&bad_token, &token_of_nobody), (&wrong, &wrong));
}

#[tokio::test]
async fn after_many_wrong_passwords_not_even_the_right_one_is_looked_at_and_others_are_not_disturbed() {
    let (server, _book) = Server::with_manager("").await;
    let (_amy, token) = registered(&server, "amy", "phone").await;
    registered(&server, "bob", "phone").await;
    for _ in 0..10 {
        assert_eq!(refused_login(&server, "amy", json!({"Password": "wrong horse"})).await["Code"], 4014);
    }
    let before = server.figure("PasswordsCheckedTotal").await;
    for password in [PASSWORD, "wrong horse"] {
        let answer = refused_login(&server, "amy", json!({"Password": password})).await;
        let retry = answer["Retry"].as_u64().unwrap();
        assert_eq!(answer["Code"], 5008);
        assert!((1..=10_001).contains(&retry), "{answer}");
    }
    assert_eq!(server.figure("PasswordsCheckedTotal").await, before);
    logged_in(&server, "amy", "phone", "Token", &token).await;
    logged_in(&server, "bob", "desk", "Password", PASSWORD).await;
}

#[tokio::test]
async fn more_logins_at_once_than_can_be_checked_are_told_to_come_again() {
    let (server, _book) = Server::with_manager("").await;
    let mut clients = Vec::new();
    for number in 0..200 {
        let mut client = server.client().await;
        let name = format!("u{number}");
        client.request("SEND_CLIENT_ID", &[&name], json!({"Password": PASSWORD})).await;
        clients.push(client);
    }
    let mut codes = std::collections::BTreeMap::<u64, usize>::new();
    for mut client in clients {
        let answer = client.next().await.unwrap();
        assert!(answer["Code"] != 5008 || answer["Retry"].as_u64().unwrap() > 0, "{answer}");
        *codes.entry(answer["Code"].as_u64().unwrap()).or_default() += 1;
    }
    assert!(codes[&4014] > 0 && codes[&5008] > 0 && codes.len() == 2, "{codes:?}");
    assert_eq!(server.figure("PasswordsWaiting").await, 0);
}

#[tokio::test]
async fn an_old_login_is_closed_without_a_frame_and_the_page_says_what_to_set() {
    let (server, _book) = Server::with_manager("").await;
    let mut old = server.client().await;
    old.send(&json!({"CmdName": "SEND_CLIENT_ID", "Args": ["amy"]})).await;
    assert_eq!(old.next().await, None);
    let health = server.health().await;
    let troubles = health["Troubles"].to_string();
    assert!(
        troubles.contains("1 logins of old clients") && troubles.contains("set AuthMode to open"),
        "{troubles}"
    );
    assert_eq!(health["Figures"]["OldLoginsRefusedTotal"], 1);
}

#[tokio::test]
async fn an_id_that_is_only_claimed_is_nobody() {
    let (server, _book) = Server::with_manager("").await;
    registered(&server, "amy", "phone").await;
    let mut mallory = server.client().await;
    assert_eq!(mallory.refused("SEND_CLIENT_ID", &["amy"], json!({})).await, 4014);
    assert_eq!(mallory.refused("SEND_MESSAGE_P2P", &["bob", "hi"], json!({"MsgId": "m1"})).await, 4001);
    mallory.ok("REGISTER", &["mallory"], json!({"Password": PASSWORD})).await;
    let password = json!({"Password": PASSWORD});
    assert_eq!(mallory.refused("SEND_CLIENT_ID", &["amy"], password.clone()).await, 4002);
    assert_eq!(mallory.refused("REGISTER", &["amy"], password).await, 4002);
}

#[tokio::test]
async fn a_known_token_logs_in_while_no_manager_answers_until_its_access_ends() {
    let (server, book) = Server::with_manager("").await;
    let mut router = Link::dial(server.address, "router", &["/sysctrl/topic-status"]).await;
    let (amy, token) = registered(&server, "amy", "phone").await;
    drop(amy);
    let away = Book::default();
    // The manager's place is taken by one that never answers.
    let _silent = Link::dial(server.address, "manager", &["/store/message"]).await;
    let ((mut amy, ok), unknown) = tokio::join!(
        logged_in(&server, "amy", "phone", "Token", &token),
        refused_login(&server, "amy", json!({"Token": "shoal_unknown", "Device": "phone"}))
    );
    assert_eq!((&ok["User"], &ok["Logs"]), (&json!("amy"), &Value::Null));
    assert_eq!(unknown["Code"], 5001);
    let ended =
        Notice::AccessEnded { user: user("amy"), device: None, kept: None, before: 1_000, code: 3005 };
    router.tell(&ended).await;
    assert_eq!(amy.ended().await, 3005);
    let forgotten = refused_login(&server, "amy", json!({"Token": token, "Device": "phone"})).await;
    assert_eq!(forgotten["Code"], 5001);
    assert_eq!((away.asked("Login"), book.asked("Register")), (0, 1));
}

#[tokio::test]
async fn news_of_ended_access_ends_what_rests_on_it_and_nothing_else() {
    let (server, _book) = Server::with_manager("").await;
    let mut router = Link::dial(server.address, "router", &["/sysctrl/topic-status"]).await;
    let (mut phone, _) = registered(&server, "amy", "phone").await;
    let (mut desk, _) = logged_in(&server, "amy", "desk", "Password", PASSWORD).await;
    let ended = |on: &str, before| Notice::AccessEnded {
        user: user("amy"),
        device: Some(device(on)),
        kept: None,
        before,
        code: DisconnectCode::LoggedOut.number(),
    };
    // It ended before these logins: late news.
    router.tell(&ended("phone", 1)).await;
    router.tell(&ended("desk", u64::MAX)).await;
    assert_eq!(desk.ended().await, 3005);
    phone.ok("SEND_PING", &[], json!({})).await;
}

#[tokio::test]
async fn a_log_out_is_answered_ends_the_device_and_is_told_to_all() {
    let (server, book) = Server::with_manager("").await;
    let mut router = Link::dial(server.address, "router", &["/sysctrl/topic-status"]).await;
    let (mut phone, token) = registered(&server, "amy", "phone").await;
    let (mut desk, _) = logged_in(&server, "amy", "desk", "Password", PASSWORD).await;
    phone.ok("LOGOUT", &[], json!({})).await;
    assert_eq!(phone.ended().await, 3005);
    let Notice::AccessEnded { device: Some(on), .. } = router.news().await else { panic!("other news") };
    assert_eq!(on, device("phone"));
    assert_eq!(refused_login(&server, "amy", json!({"Token": token, "Device": "phone"})).await["Code"], 4014);
    let (mut phone, _) = logged_in(&server, "amy", "phone", "Password", PASSWORD).await;
    desk.ok("END_DEVICE", &["phone"], json!({})).await;
    assert_eq!(phone.ended().await, 3005);
    let (mut phone, _) = logged_in(&server, "amy", "phone", "Password", PASSWORD).await;
    desk.ok("LOGOUT", &["everywhere"], json!({})).await;
    assert_eq!((desk.ended().await, phone.ended().await), (3005, 3005));
    assert!(book.write(|pages| pages.accounts[&user("amy")].devices.is_empty()));
}

#[tokio::test]
async fn another_password_ends_all_other_devices_and_gives_this_one_a_new_token() {
    let (server, _book) = Server::with_manager("").await;
    let (mut phone, old) = registered(&server, "amy", "phone").await;
    let (mut desk, _) = logged_in(&server, "amy", "desk", "Password", PASSWORD).await;
    let wrong = json!({"Password": "wrong horse", "NewPassword": "another horse"});
    assert_eq!(phone.refused("PASSWD", &[], wrong).await, 4014);
    let short = json!({"Password": PASSWORD, "NewPassword": "short"});
    assert_eq!(phone.refused("PASSWD", &[], short).await, 4000);
    let right = json!({"Password": PASSWORD, "NewPassword": "another horse"});
    let ok = phone.ok("PASSWD", &[], right).await;
    assert_eq!(desk.ended().await, 3005);
    phone.ok("SEND_PING", &[], json!({})).await;
    assert_eq!(refused_login(&server, "amy", json!({"Token": old, "Device": "phone"})).await["Code"], 4014);
    assert_eq!(refused_login(&server, "amy", json!({"Password": PASSWORD})).await["Code"], 4014);
    logged_in(&server, "amy", "phone", "Token", ok["Token"].as_str().unwrap()).await;
    logged_in(&server, "amy", "desk", "Password", "another horse").await;
}

#[tokio::test]
async fn devices_and_profiles_are_told_and_a_deleted_account_is_out() {
    let (server, _book) = Server::with_manager("").await;
    let (mut phone, _) = registered(&server, "amy", "phone").await;
    let (mut desk, _) = logged_in(&server, "amy", "desk", "Password", PASSWORD).await;
    let devices = phone.ok("DEVICES", &[], json!({})).await;
    assert_eq!(
        devices["Devices"],
        json!([{"Device": "desk", "Seen": 7}, {"Device": "phone", "Seen": 7, "This": true}])
    );
    let profile = phone.ok("PROFILE", &["ａmy"], json!({})).await;
    assert_eq!(profile["Profile"], json!({"User": "amy", "Display": "Amy", "About": ""}));
    assert_eq!(phone.refused("PROFILE", &["nobody"], json!({})).await, 4005);
    assert_eq!(phone.refused("SET_PROFILE", &[], json!({"Display": "x".repeat(129)})).await, 4000);
    assert_eq!(phone.refused("DELETE_ACCOUNT", &[], json!({"Password": "wrong horse"})).await, 4014);
    phone.ok("DELETE_ACCOUNT", &[], json!({"Password": PASSWORD})).await;
    assert_eq!((phone.ended().await, desk.ended().await), (3006, 3006));
    assert_eq!(refused_login(&server, "amy", json!({"Password": PASSWORD})).await["Code"], 4014);
}

#[tokio::test]
async fn registrations_have_a_bound_and_may_be_closed() {
    let (server, _book) = Server::with_manager(r#","RegistrationsPerHourPerAddress":2"#).await;
    registered(&server, "amy", "phone").await;
    let taken = json!({"Password": PASSWORD});
    assert_eq!(server.client().await.refused("REGISTER", &["amy"], taken.clone()).await, 4015);
    let answer = server.client().await.ask("REGISTER", &["bob"], taken.clone()).await;
    assert_eq!(answer["Code"], 5008);
    assert!((1..=1_800_001).contains(&answer["Retry"].as_u64().unwrap()), "{answer}");
    let (closed, _book) = Server::with_manager(r#","Registration":"closed""#).await;
    assert_eq!(closed.client().await.refused("REGISTER", &["amy"], taken).await, 4019);
}

#[tokio::test]
async fn where_news_was_lost_the_count_of_the_inbox_is_the_net() {
    let (server, book) = Server::with_manager(r#","AskInterval":0.2"#).await;
    let (mut phone, _) = registered(&server, "amy", "phone").await;
    let (mut desk, _) = logged_in(&server, "amy", "desk", "Password", PASSWORD).await;
    book.write(|pages| {
        let amy = pages.accounts.get_mut(&user("amy")).unwrap();
        amy.devices.remove(&device("desk"));
        amy.revision += 1;
    });
    assert_eq!(desk.ended().await, 3005);
    phone.ok("SEND_PING", &[], json!({})).await;
    book.write(|pages| {
        let amy = pages.accounts.get_mut(&user("amy")).unwrap();
        amy.active = false;
        amy.revision += 1;
    });
    assert_eq!(phone.ended().await, 3006);
}

#[tokio::test]
async fn an_operator_asks_over_a_link_of_their_own_and_nothing_but_that() {
    let (server, _book) = Server::with_manager("").await;
    let (mut phone, _) = registered(&server, "amy", "phone").await;
    let mut operator = Link::dial(server.address, "operator", &[]).await;
    let mut router = Link::dial(server.address, "router", &["/sysctrl/topic-status"]).await;
    let list = asked(&mut operator, Question::List { after: None, limit: 10 }).await;
    assert!(matches!(list, Reply::Account { answer: Answer::Accounts { .. } }), "{list:?}");
    let credentials = asked(&mut operator, Question::Credentials { user: user("amy") }).await;
    assert!(matches!(credentials, Reply::Refused { code: 4006, .. }), "{credentials:?}");
    let disabled = asked(&mut operator, Question::Disable { user: user("amy"), disabled: true }).await;
    assert!(matches!(disabled, Reply::Account { answer: Answer::Ended { .. } }), "{disabled:?}");
    assert_eq!(phone.ended().await, 3006);
    assert!(matches!(router.news().await, Notice::AccessEnded { code: 3006, device: None, .. }));
    // A router may not ask.
    let question = Request::Account { question: Question::List { after: None, limit: 10 } };
    router.send(Frame::Ask(1, &serde_json::to_vec(&question).unwrap())).await;
    asked(&mut operator, Question::List { after: None, limit: 10 }).await;
}

async fn asked(operator: &mut Link, question: Question) -> Reply {
    let request = Request::Account { question };
    operator.send(Frame::Ask(1, &serde_json::to_vec(&request).unwrap())).await;
    let answer = async {
        loop {
            let body = operator.read().await.unwrap();
            if let Frame::Answer(1, json) = Frame::parse(&body).unwrap() {
                return serde_json::from_slice(json).unwrap();
            }
        }
    };
    tokio::time::timeout(PATIENCE, answer).await.unwrap()
}

#[tokio::test]
async fn a_process_of_another_mode_is_told_ours_and_what_it_answers_is_seen() {
    let server = Server::start("accounts", "").await;
    let mut router = Link::dial(server.address, "router", &[]).await;
    assert_eq!(router.mode, "accounts");
    let last = protocol::command::Packet::new("DISCONNECT", ["its AuthMode is another", "3004", ""]);
    router.send(Frame::Packet(&serde_json::to_vec(&last).unwrap())).await;
    let seen = async {
        while !server.health().await["Troubles"]
            .to_string()
            .contains("the router router.1 refuses this msg_server")
        {}
    };
    tokio::time::timeout(PATIENCE, seen).await.unwrap();
    let _linked = Link::dial(server.address, "router", &["/sysctrl/send"]).await;
    let mended = async { while server.health().await["Troubles"].to_string().contains("refuses") {} };
    tokio::time::timeout(PATIENCE, mended).await.unwrap();
}

#[tokio::test]
async fn mode_open_has_no_accounts_and_says_so() {
    let open = Server::start("open", "").await;
    let mut client = open.client().await;
    assert_eq!(client.refused("REGISTER", &["amy"], json!({"Password": PASSWORD})).await, 4021);
}
