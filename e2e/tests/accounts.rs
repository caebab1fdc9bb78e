//! Accounts over a whole mesh: whoever proves to be somebody is let in, on whichever msg_server, and nobody else.
#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};
use testbed::{Mesh, NewClient, OldClient, Part, Role, Wire, eventually, text};

const PASSWORD: &str = "correct horse battery";

async fn mesh() -> Mesh {
    mesh_with_logs("info").await
}

async fn mesh_with_logs(level: &str) -> Mesh {
    Mesh::builder()
        .set_all("AuthMode", "accounts")
        .set_all("LogLevel", level)
        .set(Role::MsgServer, "RegistrationsPerHourPerAddress", 0)
        .start()
        .await
}

/// Makes an account, and stays in on this device; the client, ready to be pushed to, and its token.
async fn register(address: SocketAddr, user: &str, device: &str) -> (NewClient, String) {
    let mut client = NewClient::connect(address).await;
    let ok = client.ok_with("REGISTER", &[user], json!({"Password": PASSWORD, "Device": device})).await;
    client.resume(json!({})).await;
    (client, ok["Token"].as_str().expect("a token").to_owned())
}

async fn log_in(address: SocketAddr, user: &str, device: &str, key: &str, secret: &str) -> NewClient {
    let mut client = NewClient::connect(address).await;
    client.ok_with("SEND_CLIENT_ID", &[user], json!({key: secret, "Device": device})).await;
    client.resume(json!({})).await;
    client
}

#[tokio::test]
async fn who_registered_anywhere_talks_and_comes_back_anywhere_by_password_and_token() {
    let mesh = mesh().await;
    let (here, there) = (mesh.msg_server_addr(0), mesh.msg_server_addr(1));
    let (mut amy, token) = register(here, "amy", "phone").await;
    let (mut bob, _) = register(there, "bob", "desk").await;
    amy.send_p2p("bob", "hi", "m1").await;
    assert_eq!(text(&bob.push().await), "hi");
    let mut desk = log_in(there, "amy", "desk", "Password", PASSWORD).await;
    bob.send_p2p("amy", "hello", "m2").await;
    assert_eq!((text(&amy.push().await), text(&desk.push().await)), ("hello", "hello"));
    // The same device elsewhere takes the place of its session here.
    let _phone = log_in(there, "amy", "phone", "Token", &token).await;
    assert_eq!(amy.disconnected().await, Some(3000));
    let mut mallory = NewClient::connect(here).await;
    let claims = json!({"Device": "phone"});
    mallory.refused_with(4014, "SEND_CLIENT_ID", &["amy"], claims).await;
    mallory.refused_with(4014, "SEND_CLIENT_ID", &["amy"], json!({"Password": "correct hose"})).await;
    mallory.refused_with(4014, "SEND_CLIENT_ID", &["amy"], json!({"Token": token, "Device": "desk"})).await;
    mallory.refused_with(4015, "REGISTER", &["Amy"], json!({"Password": PASSWORD})).await;
    OldClient::login(here, "amy").await.closed_silently().await;
}

#[tokio::test]
async fn a_device_that_is_ended_is_out_on_whichever_msg_server_it_is_and_its_token_with_it() {
    let mesh = mesh().await;
    let (mut phone, _) = register(mesh.msg_server_addr(0), "amy", "phone").await;
    let mut desk = log_in(mesh.msg_server_addr(1), "amy", "desk", "Password", PASSWORD).await;
    phone.ok("END_DEVICE", &["desk"]).await;
    assert_eq!(desk.disconnected().await, Some(3005));
    let mut desk = log_in(mesh.msg_server_addr(1), "amy", "desk", "Password", PASSWORD).await;
    let keys = json!({"Password": PASSWORD, "NewPassword": "battery staple"});
    let token = phone.ok_with("PASSWD", &[], keys).await["Token"].as_str().expect("a token").to_owned();
    assert_eq!(desk.disconnected().await, Some(3005));
    phone.ok("SEND_PING", &[]).await;
    let mut phone = log_in(mesh.msg_server_addr(1), "amy", "phone", "Token", &token).await;
    phone.ok_with("DELETE_ACCOUNT", &[], json!({"Password": "battery staple"})).await;
    assert_eq!(phone.disconnected().await, Some(3006));
    let mut nobody = NewClient::connect(mesh.msg_server_addr(0)).await;
    nobody.refused_with(4014, "SEND_CLIENT_ID", &["amy"], json!({"Password": "battery staple"})).await;
    nobody.refused_with(4015, "REGISTER", &["amy"], json!({"Password": PASSWORD})).await;
}

#[tokio::test]
async fn where_no_router_told_it_the_count_of_the_inbox_does() {
    let mesh =
        Mesh::builder().set_all("AuthMode", "accounts").set(Role::MsgServer, "AskInterval", 1).start().await;
    let (mut phone, _) = register(mesh.msg_server_addr(0), "amy", "phone").await;
    let mut desk = log_in(mesh.msg_server_addr(1), "amy", "desk", "Password", PASSWORD).await;
    mesh.kill(Part::Router(0)).await;
    phone.ok("END_DEVICE", &["desk"]).await;
    assert_eq!(desk.disconnected().await, Some(3005));
}

#[tokio::test]
async fn while_no_manager_lives_sessions_stand_and_a_known_token_logs_in() {
    let mesh = mesh().await;
    let (mut amy, token) = register(mesh.msg_server_addr(0), "amy", "phone").await;
    let (mut bob, _) = register(mesh.msg_server_addr(0), "bob", "phone").await;
    mesh.kill(Part::Manager(0)).await;
    amy.ok_with("SEND_MESSAGE_P2P", &["bob", "there?"], json!({"Volatile": true})).await;
    assert_eq!(text(&bob.push().await), "there?");
    let mut again = NewClient::connect(mesh.msg_server_addr(0)).await;
    let ok = again.ok_with("SEND_CLIENT_ID", &["amy"], json!({"Token": token, "Device": "phone"})).await;
    assert_eq!((&ok["User"], &ok["Logs"]), (&json!("amy"), &Value::Null));
    let mut by_password = NewClient::connect(mesh.msg_server_addr(0)).await;
    by_password.refused_with(5001, "SEND_CLIENT_ID", &["amy"], json!({"Password": PASSWORD})).await;
    mesh.start(Part::Manager(0)).await;
    again.resume(json!({})).await;
    bob.send_p2p("amy", "back", "m1").await;
    assert_eq!(again.texts("u/amy", 1).await, ["back"]);
}

#[tokio::test]
async fn a_flood_of_logins_is_bounded_and_messages_pass_meanwhile() {
    let mesh = mesh().await;
    let (mut amy, _) = register(mesh.msg_server_addr(0), "amy", "phone").await;
    let (mut bob, _) = register(mesh.msg_server_addr(0), "bob", "phone").await;
    let mut flood = Vec::new();
    for number in 0..300 {
        let mut stranger = NewClient::connect(mesh.msg_server_addr(0)).await;
        let keys = json!({"Password": PASSWORD});
        let seq = stranger.send_with("SEND_CLIENT_ID", &[&format!("u{number}")], keys).await;
        flood.push((stranger, seq));
    }
    amy.send_p2p("bob", "durable", "m1").await;
    amy.ok_with("SEND_MESSAGE_P2P", &["bob", "volatile"], json!({"Volatile": true})).await;
    let mut heard = [text(&bob.push().await).to_owned(), text(&bob.push().await).to_owned()];
    heard.sort();
    assert_eq!(heard, ["durable", "volatile"]);
    let mut codes = BTreeMap::<u64, usize>::new();
    for (mut stranger, seq) in flood {
        let answer = stranger.answer(seq).await;
        *codes.entry(answer["Code"].as_u64().expect("a refusal")).or_default() += 1;
    }
    assert!(codes[&4014] > 0 && codes[&5008] > 0 && codes.len() == 2, "{codes:?}");
}

#[tokio::test]
async fn a_process_of_another_mode_is_not_linked_and_both_logs_say_what_to_set() {
    let mesh = Mesh::builder()
        .set_all("AuthMode", "accounts")
        .set_for(Part::MsgServer(1), "AuthMode", "open")
        .build();
    for part in mesh.parts() {
        mesh.spawn(part);
    }
    for part in [Part::Manager(0), Part::Router(0), Part::Gateway(0), Part::MsgServer(1)] {
        mesh.logged(part, "set the same in every process").await;
    }
    eventually("the rest of the mesh works", async || {
        let health = mesh.healthz(Part::MsgServer(0)).await?;
        (health.status == 200).then_some(())
    })
    .await;
    register(mesh.msg_server_addr(0), "amy", "phone").await;
}

/// Passwords that are wrong, right and malformed, and what was handed out: none of it is to be found anywhere but in the
/// store, and there as a hash.
#[tokio::test]
async fn no_secret_is_in_any_log_or_figure_or_on_disk() {
    let mesh = mesh_with_logs("trace").await;
    let (mut phone, token) = register(mesh.msg_server_addr(0), "amy", "phone").await;
    let mut stranger = NewClient::connect(mesh.msg_server_addr(1)).await;
    let login = |keys: Value| ("SEND_CLIENT_ID", keys);
    for (command, keys) in [
        login(json!({"Password": "wr0ngS3cret"})),
        login(json!({"Token": "shoal_wr0ngS3cret"})),
        login(json!({"Token": "wr0ngS3cret.wr0ngS3cret.wr0ngS3cret"})),
        login(json!({"Password": ["wr0ngS3cret"]})),
        login(json!({"Password": "wr0ngS3cret", "Token": "wr0ngS3cret"})),
        login(json!({"Password": "wr0ngS3cret".repeat(200)})),
        ("REGISTER", json!({"Password": "wr0ngS3cret", "Display": "two\nlines"})),
        ("PASSWD", json!({"Password": "wr0ngS3cret", "NewPassword": "wr0ngS3cret"})),
    ] {
        let answer = stranger.request_with(command, &["amy"], keys).await;
        assert!(!answer.to_string().contains("wr0ngS3cret"), "{answer}");
    }
    phone.request_with("PASSWD", &[], json!({"Password": "wr0ngS3cret", "NewPassword": "wr0ngS3cret"})).await;
    phone.request_with("PASSWD", &[], json!({"Password": PASSWORD, "NewPassword": ["wr0ngS3cret"]})).await;
    for malformed in [
        r#"{"CmdName":"SEND_CLIENT_ID","Args":"wr0ngS3cret"}"#,
        r#"{"CmdName":"SEND_CLIENT_ID","Args":["amy"],"Seq":1,"Password":"wr0ngS3cret"#,
        r#"{"CmdName":["wr0ngS3cret"]}"#,
    ] {
        let mut wire = Wire::connect(mesh.msg_server_addr(0)).await;
        wire.send(malformed.as_bytes()).await;
        wire.closed().await;
    }
    let rest = &token["shoal_".len()..];
    let secrets = [PASSWORD, "wr0ngS3cret", rest, "argon2id$"];
    for part in mesh.parts() {
        let told = mesh.readyz(part).await.expect("an answer").report.to_string();
        is_free_of(&told, &secrets, &format!("the figures of {part}"));
        is_free_of(&mesh.log(part), &secrets, &format!("the log of {part}"));
    }
    let mut looked_at = 0;
    each_file(mesh.folder(), &mut |path, bytes| {
        looked_at += 1;
        let on_disk = String::from_utf8_lossy(bytes);
        is_free_of(&on_disk, &secrets[..3], &path.display().to_string());
    });
    assert!(looked_at > 10, "{looked_at} files");
}

#[track_caller]
fn is_free_of(text: &str, secrets: &[&str], what: &str) {
    for secret in secrets {
        assert!(!text.contains(secret), "{what} has {secret:?}");
    }
}

fn each_file(folder: &Path, act: &mut impl FnMut(&Path, &[u8])) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            each_file(&path, act);
        } else if let Ok(bytes) = fs::read(&path) {
            act(&path, &bytes);
        }
    }
}
