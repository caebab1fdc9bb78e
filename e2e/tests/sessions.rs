//! Newer sessions: logging in, being replaced, being refused, and being ended.

use serde_json::json;
use testbed::{Mesh, NewClient, Role, Wire};

#[tokio::test]
async fn a_login_lists_what_there_is_to_read() {
    let mesh = Mesh::builder().start().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    assert_eq!(amy.logs, json!([{"Log": "u/amy", "First": 1, "Head": 0, "Cursor": 0, "Read": 0}]));
    amy.ok("CREATE_TOPIC", &["garden"]).await;
    amy.ok_with("CREATE_TOPIC", &["ticker"], json!({"Volatile": true})).await;
    for n in 1..=3 {
        amy.send_topic("garden", "hi", &format!("t{n}")).await;
        amy.send_p2p("amy", "note", &format!("p{n}")).await;
    }
    amy.ok("ACK", &["u/amy", "2"]).await;
    amy.ok("READ", &["t/garden", "1"]).await;
    drop(amy);
    let mut amy = NewClient::login(mesh.msg_server_addr(1), "amy").await;
    let logs = amy.logs.take();
    assert_eq!(logs[0], json!({"Log": "u/amy", "First": 1, "Head": 3, "Cursor": 2, "Read": 0}));
    let rest = logs.as_array().map(|logs| &logs[1..]).unwrap_or_default();
    let garden = json!({"Log": "t/garden", "First": 1, "Head": 3, "Cursor": 0, "Read": 1});
    assert!(rest.contains(&garden), "{logs}");
    assert!(rest.iter().any(|log| log["Log"] == "t/ticker" && log["Volatile"] == true), "{logs}");
    let elsewhere = NewClient::login_as(mesh.msg_server_addr(0), "amy", "other").await;
    assert_eq!(elsewhere.logs[0]["Cursor"], 0, "a cursor is a device's own: {}", elsewhere.logs);
}

#[tokio::test]
async fn a_later_login_of_a_device_replaces_the_earlier_one_here_and_elsewhere() {
    let mesh = Mesh::builder().start().await;
    let mut other = NewClient::login_as(mesh.msg_server_addr(0), "amy", "laptop").await;
    let mut first = NewClient::login_as(mesh.msg_server_addr(0), "amy", "phone").await;
    let mut second = NewClient::login_as(mesh.msg_server_addr(0), "amy", "phone").await;
    assert_eq!(first.disconnected().await, Some(3000));
    let mut third = NewClient::login_as(mesh.msg_server_addr(1), "amy", "phone").await;
    assert_eq!(second.disconnected().await, Some(3000));
    let mut fourth = NewClient::login_as(mesh.msg_server_addr(0), "amy", "phone").await;
    assert_eq!(third.disconnected().await, Some(3000));
    fourth.fence().await;
    other.fence().await;
}

#[tokio::test]
async fn of_many_logins_of_one_device_at_once_one_stays() {
    one_of_many_stays(&Mesh::builder().start().await).await;
}

#[tokio::test]
async fn of_many_logins_of_one_device_in_one_millisecond_without_a_manager_one_stays() {
    let mesh = Mesh::builder().build();
    mesh.parts().filter(|part| part.role() != Role::Manager).for_each(|part| mesh.spawn(part));
    mesh.settled().await;
    one_of_many_stays(&mesh).await;
}

async fn one_of_many_stays(mesh: &Mesh) {
    let mut racers = tokio::task::JoinSet::new();
    for n in 0..12 {
        let address = mesh.msg_server_addr(n % 2);
        racers.spawn(async move {
            let mut client = NewClient::connect(address).await;
            client.send_with("SEND_CLIENT_ID", &["amy"], json!({"Device": "phone"})).await;
            let mut code = None;
            while let Some(packet) = client.next().await {
                if packet["CmdName"] == "DISCONNECT" {
                    code = packet["Code"].as_u64();
                }
            }
            code
        });
    }
    for _ in 0..11 {
        let ended = racers.join_next().await;
        assert!(matches!(ended, Some(Ok(Some(3000)))), "{ended:?}");
    }
    let mut observer = NewClient::login(mesh.msg_server_addr(0), "observer").await;
    observer.sees_online("amy").await;
    assert_eq!(racers.len(), 1);
}

#[tokio::test]
async fn who_makes_no_sense_is_told_why() {
    let mesh = Mesh::builder().msg_servers(1).start().await;
    let mut client = NewClient::connect(mesh.msg_server_addr(0)).await;
    client.ok("SEND_PING", &[]).await;
    client.refused(4001, "TOPICS", &[]).await;
    client.refused_with(4001, "SEND_MESSAGE_P2P", &["bob", "hi"], json!({"MsgId": "1"})).await;
    let long = "x".repeat(65);
    for id in ["", "a b", "a\u{7}", "a\u{200b}b", &long] {
        client.refused(4000, "SEND_CLIENT_ID", &[id]).await;
    }
    client.refused(4000, "SEND_CLIENT_ID", &[]).await;
    for device in ["", "a b", "ü", &long] {
        client.refused_with(4000, "SEND_CLIENT_ID", &["amy"], json!({"Device": device})).await;
    }
    client.ok("SEND_CLIENT_ID", &["amy"]).await;
    client.refused(4002, "SEND_CLIENT_ID", &["bob"]).await;
    client.refused(4006, "MAKE_COFFEE", &[]).await;
    client.refused(4012, "SYNC", &["u/bob", "0", "10"]).await;
    client.refused(4012, "ACK", &["u/bob", "1"]).await;
    client.refused(4000, "SYNC", &["x/bob", "0", "10"]).await;
    client.refused(4000, "SYNC", &["u/amy", "minus one", "10"]).await;
    client.refused(4000, "ACK", &["u/amy"]).await;
    client.refused(4000, "READ", &["u/amy", "-1"]).await;
    client.refused_with(4012, "RESUME", &[], json!({"Logs": {"u/bob": 0}})).await;
    client.refused_with(4000, "RESUME", &[], json!({"Logs": {"u/amy": 1}})).await;
    client.refused_with(4000, "RESUME", &[], json!({"Logs": {"not a log": 0}})).await;
    client.resume(json!({"u/amy": 0})).await;
    client.refused_with(4000, "RESUME", &[], json!({"Logs": {"u/amy": 0}})).await;
    client.refused(4000, "PRESENCE", &["bob", "a b"]).await;
}

#[tokio::test]
async fn every_error_has_three_args_its_code_and_whether_to_retry() {
    let mesh = Mesh::builder().msg_servers(1).start().await;
    let mut amy = NewClient::login(mesh.msg_server_addr(0), "amy").await;
    let error = amy.refused_with(4005, "SEND_MESSAGE_P2P", &["nobody", "hi"], json!({"MsgId": "1"})).await;
    assert_eq!(error["Args"].as_array().map(Vec::len), Some(3), "{error}");
    assert_eq!(error["Args"][1], "4005");
    assert_eq!((&error["Stored"], &error["Retry"]), (&json!("no"), &json!(null)));
    let error = amy.refused(4004, "JOIN_TOPIC", &["nowhere"]).await;
    assert_eq!(error["Stored"], json!(null), "only a durable send says whether it may be stored: {error}");
}

#[tokio::test]
async fn a_request_without_a_number_is_not_answered() {
    let mesh = Mesh::builder().msg_servers(1).start().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    for packet in [
        json!({"CmdName": "SEND_PING", "Args": []}),
        json!({"CmdName": "TOPICS", "Args": []}),
        json!({"CmdName": "MAKE_COFFEE", "Args": []}),
        json!({"CmdName": "SEND_MESSAGE_P2P", "Args": ["nobody", "hi"], "MsgId": "1"}),
    ] {
        amy.wire().send(packet.to_string().as_bytes()).await;
    }
    amy.ok("TOPICS", &[]).await;
    amy.fence().await;
    assert_eq!(amy.pushed_meanwhile(), Vec::<serde_json::Value>::new());
}

#[tokio::test]
async fn a_session_is_ended_with_the_reason() {
    let mesh = Mesh::builder()
        .msg_servers(1)
        .set(Role::MsgServer, "LoginTimeout", 0.5)
        .set(Role::MsgServer, "Expire", 1)
        .set(Role::MsgServer, "ScanDeadSessionTimeout", 0.2)
        .set(Role::MsgServer, "MaxFrameBytes", 4096)
        .start()
        .await;
    let address = mesh.msg_server_addr(0);
    let mut no_login = NewClient::connect(address).await;
    no_login.ok("SEND_PING", &[]).await;
    let mut silent = NewClient::login(address, "silent").await;
    let mut garbage = NewClient::login(address, "garbage").await;
    garbage.wire().send(b"{]").await;
    assert_eq!(garbage.disconnected().await, Some(3001));
    let mut too_large = NewClient::login(address, "large").await;
    too_large.wire().write(&4097_u32.to_be_bytes()).await;
    assert_eq!(too_large.disconnected().await, Some(3002));
    assert_eq!(no_login.disconnected().await, Some(3003));
    assert_eq!(silent.disconnected().await, Some(1002));
}

#[tokio::test]
async fn presence_is_known_of_all_msg_servers() {
    let mesh = Mesh::builder().start().await;
    let mut amy = NewClient::login(mesh.msg_server_addr(0), "amy").await;
    let bob = NewClient::login(mesh.msg_server_addr(1), "bob").await;
    amy.sees_online("bob").await;
    let told = amy.ok("PRESENCE", &["amy", "bob", "carl"]).await;
    assert_eq!(told["Online"], json!({"amy": true, "bob": true, "carl": false}));
    drop(bob);
    amy.sees_offline("bob").await;
}

#[tokio::test]
async fn a_client_never_becomes_a_link() {
    let mesh = Mesh::builder().msg_servers(1).start().await;
    let address = mesh.msg_server_addr(0);
    let subscribe = br#"{"CmdName":"SUBSCRIBE_CHANNEL","Args":["/sysctrl/send","me"]}"#;
    let mut at_once = Wire::connect(address).await;
    at_once.send(subscribe).await;
    assert_eq!(at_once.closed().await, Vec::<Vec<u8>>::new());
    for command in ["SUBSCRIBE_CHANNEL", "LINK_HELLO", "LINK_PROOF"] {
        let mut amy = NewClient::attach(address, "amy").await;
        amy.send_with(command, &["/sysctrl/send", "me", &"0".repeat(64)], json!({})).await;
        amy.disconnected().await;
        assert_eq!(amy.pushed_meanwhile(), Vec::<serde_json::Value>::new());
    }
}
