//! The two programs in a pipe, as processes, against a server that does what each test says.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod fake;

use std::process::{Output, Stdio};
use std::time::Duration;

use fake::{Connection, FakeMesh, from_bob, inbox};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const P2P: &str = env!("CARGO_BIN_EXE_client_p2p");
const TOPIC: &str = env!("CARGO_BIN_EXE_client_topic");

/// Runs a program with this on standard input, which is then closed.
fn run(program: &str, args: &[&str], input: &'static str) -> JoinHandle<Output> {
    let mut command = Command::new(program);
    // Where the names of devices are taken.
    command.env("XDG_RUNTIME_DIR", env!("CARGO_TARGET_TMPDIR"));
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.kill_on_drop(true).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    tokio::spawn(async move {
        stdin.write_all(input.as_bytes()).await.unwrap();
        drop(stdin);
        timeout(Duration::from_secs(30), child.wait_with_output()).await.expect("an end").unwrap()
    })
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

async fn refuse(connection: &mut Connection, name: &str, code: u16) {
    let asked = connection.expect(name).await;
    let args = json!(["no", code.to_string(), ""]);
    let error = json!({"CmdName": "ERROR", "Args": args, "Code": code, "Stored": "no"});
    connection.answer(&asked, error).await;
}

/// Answers what comes until the program has gone.
async fn until_gone(mut connection: Connection) -> Vec<Value> {
    let mut rest = Vec::new();
    while let Some(packet) = connection.next().await {
        connection.answer(&packet, json!({"CmdName": "OK"})).await;
        rest.push(packet);
    }
    rest
}

#[tokio::test]
async fn once_sends_each_line_and_ends_when_all_are_stored() {
    let mesh = FakeMesh::start().await;
    let args = ["--gateway", &mesh.gateway, "--id", "amy", "--to", "bob", "--once", "--json"];
    let program = run(P2P, &args, "one\r\n\ntwo");
    let mut connection = mesh.accept().await;
    connection.login(inbox(3, 5)).await;
    for (version, text) in [(6, "one"), (7, "two")] {
        assert_eq!(connection.store(version).await["Args"], json!(["bob", text]));
    }
    assert_eq!(until_gone(connection).await, [] as [Value; 0], "nothing is acknowledged that nobody saw");
    let output = program.await.unwrap();
    assert_eq!(output.status.code(), Some(0));
    let versions: Vec<_> = lines(&output).iter().map(|line| line["version"].clone()).collect();
    assert_eq!(versions, [6, 7]);
}

/// Answers the login; gives the device's name.
async fn device(connection: &mut Connection) -> String {
    let login = connection.expect("SEND_CLIENT_ID").await;
    connection.answer(&login, json!({"CmdName": "OK", "Logs": inbox(0, 0)})).await;
    let resume = connection.expect("RESUME").await;
    connection.answer(&resume, json!({"CmdName": "OK"})).await;
    login["Device"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn two_at_once_are_two_devices_and_one_after_another_are_one() {
    let mesh = FakeMesh::start().await;
    let args = ["--gateway", &mesh.gateway, "--id", "amy", "--to", "bob", "--once"];
    let (first, second) = (run(P2P, &args, "hi\n"), run(P2P, &args, "hi\n"));
    let (mut one, mut other) = (mesh.accept().await, mesh.accept().await);
    let mut together = [device(&mut one).await, device(&mut other).await];
    together.sort();
    assert_eq!(together[1], format!("{}-2", together[0]));
    one.store(1).await;
    other.store(2).await;
    tokio::join!(until_gone(one), until_gone(other));
    assert!(first.await.unwrap().status.success() && second.await.unwrap().status.success());

    let third = run(P2P, &args, "hi\n");
    let mut again = mesh.accept().await;
    assert_eq!(device(&mut again).await, together[0], "devices do not pile up in the account");
    again.store(3).await;
    until_gone(again).await;
    assert!(third.await.unwrap().status.success());
}

#[tokio::test]
async fn an_unknown_recipient_is_a_refusal_with_a_line_that_helps() {
    let mesh = FakeMesh::start().await;
    let program = run(P2P, &["--gateway", &mesh.gateway, "--id", "amy", "--to", "bob", "--once"], "hi\n");
    let mut connection = mesh.accept().await;
    connection.login(inbox(0, 0)).await;
    refuse(&mut connection, "SEND_MESSAGE_P2P", 4005).await;
    let output = program.await.unwrap();
    assert_eq!(output.status.code(), Some(76));
    assert!(stderr(&output).contains("once they have, as --id bob, send it again"), "{}", stderr(&output));
}

#[tokio::test]
async fn what_is_not_stored_in_time_is_worth_another_try() {
    let mesh = FakeMesh::start().await;
    let args = ["--gateway", &mesh.gateway, "--id", "amy", "--to", "bob", "--once", "--wait", "1"];
    let program = run(P2P, &args, "hi\n");
    let mut connection = mesh.accept().await;
    connection.login(inbox(0, 0)).await;
    connection.expect("SEND_MESSAGE_P2P").await;
    assert_eq!(program.await.unwrap().status.code(), Some(75));
}

#[tokio::test]
async fn without_a_mesh_it_says_where_it_looked() {
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let args = ["--gateway", &nowhere, "--id", "amy", "--to", "bob", "--once", "--wait", "1"];
    let output = run(P2P, &args, "hi\n").await.unwrap();
    assert_eq!(output.status.code(), Some(69));
    assert!(stderr(&output).contains(&format!("the gateway {nowhere}")), "{}", stderr(&output));
}

#[tokio::test]
async fn a_wrong_command_line_is_named() {
    for (args, named) in [
        (&["--id", "a b", "--to", "bob", "--once"][..], "the character ' '"),
        (&["--id", "amy"], "--to NAME"),
        (&["--to", "bob"], "--id NAME"),
        (&["--id", "amy", "--to", "bob", "--gateway", "here"], "host and port"),
        (&["--id", "amy", "--to", "bob", "-conf_file=/nowhere.json"], "/nowhere.json"),
        (&["--nonsense"], "--nonsense"),
    ] {
        let output = run(P2P, args, "").await.unwrap();
        assert_eq!(output.status.code(), Some(64), "{args:?}");
        assert!(stderr(&output).contains(named), "{args:?}: {}", stderr(&output));
    }
}

#[tokio::test]
async fn listening_shows_what_comes_and_acknowledges_what_it_showed() {
    let mesh = FakeMesh::start().await;
    let args = ["--gateway", &mesh.gateway, "--id", "amy", "--listen", "--count", "2", "--json"];
    let program = run(P2P, &args, "");
    let mut connection = mesh.accept().await;
    assert_eq!(connection.login(inbox(4, 5)).await, json!({"u/amy": 4}));
    connection.send(from_bob(5, "a")).await;
    connection.send(from_bob(6, "b \u{1b}")).await;
    let rest = until_gone(connection).await;
    assert_eq!(rest.last().unwrap()["Args"], json!(["u/amy", "6"]));
    let output = program.await.unwrap();
    assert_eq!(output.status.code(), Some(0));
    let texts: Vec<_> = lines(&output).iter().filter_map(|line| line.get("text").cloned()).collect();
    assert_eq!(texts, ["a", "b \u{1b}"]);
}

#[tokio::test]
async fn a_configuration_file_of_the_field_names_the_gateway() {
    let mesh = FakeMesh::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("client.json");
    let text = json!({"TransportProtocols": "tcp", "GatewayServer": mesh.gateway, "HeartBeatTime": 20, "Expire": 40});
    std::fs::write(&file, text.to_string()).unwrap();
    let conf = format!("-conf_file={}", file.display());
    let program = run(P2P, &[&conf, "--id", "amy", "--to", "bob", "--once"], "hi\n");
    let mut connection = mesh.accept().await;
    connection.login(inbox(0, 0)).await;
    connection.store(1).await;
    assert_eq!(program.await.unwrap().status.code(), Some(0));
}

#[tokio::test]
async fn a_topic_is_made_and_talked_in() {
    let mesh = FakeMesh::start().await;
    let args = ["--gateway", &mesh.gateway, "--id", "amy", "--create", "garden", "--once", "--json"];
    let program = run(TOPIC, &args, "rain\n");
    let mut connection = mesh.accept().await;
    connection.login(inbox(0, 0)).await;
    let create = connection.expect("CREATE_TOPIC").await;
    assert_eq!(create["Args"], json!(["garden"]));
    connection.answer(&create, json!({"CmdName": "OK", "Log": "t/garden", "Head": 0})).await;
    let sent = connection.expect("SEND_MESSAGE_TOPIC").await;
    assert_eq!(sent["Args"], json!(["garden", "rain"]));
    connection.answer(&sent, json!({"CmdName": "OK", "Log": "t/garden", "Version": 1})).await;
    let output = program.await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(lines(&output)[0]["topic"], "garden");
}

#[tokio::test]
async fn a_topic_that_is_not_there_is_a_refusal() {
    let mesh = FakeMesh::start().await;
    let program =
        run(TOPIC, &["--gateway", &mesh.gateway, "--id", "amy", "--join", "garden", "--once"], "x\n");
    let mut connection = mesh.accept().await;
    connection.login(inbox(0, 0)).await;
    refuse(&mut connection, "JOIN_TOPIC", 4004).await;
    let output = program.await.unwrap();
    assert_eq!(output.status.code(), Some(76));
    assert!(stderr(&output).contains("--create garden"));
}

#[tokio::test]
async fn help_and_completions_need_no_mesh() {
    for (program, name) in [(P2P, "client_p2p"), (TOPIC, "client_topic")] {
        let help = run(program, &["--help"], "").await.unwrap();
        let text = String::from_utf8(help.stdout).unwrap();
        for part in ["Examples:", "Exit codes:", "coming_back_ms"] {
            assert!(text.contains(part), "{part}");
        }
        for shell in ["bash", "zsh", "fish"] {
            let completions = run(program, &["--completions", shell], "").await.unwrap();
            assert_eq!(completions.status.code(), Some(0));
            assert!(String::from_utf8(completions.stdout).unwrap().contains(name));
        }
    }
}
