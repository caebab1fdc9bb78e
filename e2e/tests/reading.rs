//! `SYNC`: reading a log in pages.
#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

use serde_json::{Value, json};
use testbed::{Mesh, NewClient, text};

/// Reads one page: the texts, and the `OK`.
async fn page(client: &mut NewClient, log: &str, after: u64, limit: u64) -> (Vec<String>, Value) {
    let seq = client.send("SYNC", &[log, &after.to_string(), &limit.to_string()]).await;
    let ok = client.answer(seq).await;
    let pushes = client.pushed_meanwhile();
    assert!(pushes.iter().all(|push| push["Seq"] == seq), "a page carries its request's number: {pushes:?}");
    (pushes.iter().map(|push| text(push).to_owned()).collect(), ok)
}

async fn filled(mesh: &Mesh, count: u64) -> NewClient {
    let mut amy = NewClient::login(mesh.msg_server_addr(0), "amy").await;
    for n in 1..=count {
        amy.send_p2p("amy", &n.to_string(), &format!("m{n}")).await;
    }
    amy
}

#[tokio::test]
async fn pages_follow_each_other_to_the_head() {
    let mesh = Mesh::builder().start().await;
    drop(filled(&mesh, 25).await);
    let mut amy = NewClient::attach(mesh.msg_server_addr(1), "amy").await;
    let (mut after, mut all) = (0, Vec::new());
    for complete in [false, false, true] {
        let (texts, ok) = page(&mut amy, "u/amy", after, 10).await;
        assert_eq!((&ok["CmdName"], &ok["First"], &ok["Head"]), (&json!("OK"), &json!(1), &json!(25)));
        assert_eq!(ok["Complete"], complete, "{ok}");
        all.extend(texts);
        after = ok["Next"].as_u64().expect("where to go on");
        assert_eq!(after, all.len() as u64);
    }
    let wanted: Vec<_> = (1..=25).map(|n| n.to_string()).collect();
    assert_eq!(all, wanted, "own messages are read as well");
    for after in [25, 26, 1 << 52] {
        let (texts, ok) = page(&mut amy, "u/amy", after, 10).await;
        assert_eq!((texts.len(), &ok["Complete"]), (0, &json!(true)), "after {after}: {ok}");
    }
}

#[tokio::test]
async fn a_page_has_a_thousand_messages_or_a_mebibyte_at_most() {
    let mesh = Mesh::builder().msg_servers(1).start().await;
    let mut amy = NewClient::login(mesh.msg_server_addr(0), "amy").await;
    amy.ok("CREATE_TOPIC", &["many"]).await;
    let mut numbers = Vec::new();
    for n in 0..1_100 {
        let id = json!({"MsgId": format!("m{n}")});
        numbers.push(amy.send_with("SEND_MESSAGE_TOPIC", &["many", "x"], id).await);
    }
    for seq in numbers {
        assert_eq!(amy.answer(seq).await["CmdName"], "OK");
    }
    let (texts, ok) = page(&mut amy, "t/many", 0, 1_000_000).await;
    assert_eq!((texts.len(), &ok["Next"], &ok["Complete"]), (1_000, &json!(1_000), &json!(false)));
    let (texts, ok) = page(&mut amy, "t/many", 1_000, 1_000_000).await;
    assert_eq!((texts.len(), &ok["Complete"]), (100, &json!(true)));

    amy.ok("CREATE_TOPIC", &["large"]).await;
    let body = "x".repeat(400_000);
    for n in 0..5 {
        amy.send_topic("large", &body, &format!("l{n}")).await;
    }
    let (texts, ok) = page(&mut amy, "t/large", 0, 1_000).await;
    assert!((2..=4).contains(&texts.len()), "{} messages of 400 kB in one page", texts.len());
    assert_eq!((&ok["Next"], &ok["Complete"]), (&json!(texts.len()), &json!(false)));
    let (rest, ok) = page(&mut amy, "t/large", texts.len() as u64, 1_000).await;
    assert_eq!((texts.len() + rest.len(), &ok["Complete"]), (5, &json!(true)));
}

#[tokio::test]
async fn reading_moves_neither_cursor_nor_push_position() {
    let mesh = Mesh::builder().msg_servers(1).start().await;
    drop(filled(&mesh, 3).await);
    let mut amy = NewClient::login(mesh.msg_server_addr(0), "amy").await;
    assert_eq!(page(&mut amy, "u/amy", 0, 10).await.0, ["1", "2", "3"]);
    amy.resume(json!({"u/amy": 1})).await;
    assert_eq!(amy.texts("u/amy", 2).await, ["2", "3"]);
    assert_eq!(page(&mut amy, "u/amy", 0, 1).await.0, ["1"]);
    drop(amy);
    let amy = NewClient::login(mesh.msg_server_addr(0), "amy").await;
    assert_eq!(amy.logs[0]["Cursor"], 0);
}

#[tokio::test]
async fn only_members_read_a_topic() {
    let mesh = Mesh::builder().start().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    let mut bob = NewClient::attach(mesh.msg_server_addr(1), "bob").await;
    amy.ok("CREATE_TOPIC", &["garden"]).await;
    amy.send_topic("garden", "hi", "m1").await;
    bob.refused(4003, "SYNC", &["t/garden", "0", "10"]).await;
    bob.refused(4003, "MEMBERS", &["garden"]).await;
    bob.refused(4003, "ACK", &["t/garden", "1"]).await;
    bob.refused(4004, "SYNC", &["t/nowhere", "0", "10"]).await;
    bob.refused(4004, "MEMBERS", &["nowhere"]).await;
    bob.ok("JOIN_TOPIC", &["garden"]).await;
    assert_eq!(page(&mut bob, "t/garden", 0, 10).await.0, ["hi"]);
    bob.ok("LEAVE_TOPIC", &["garden"]).await;
    bob.refused(4003, "SYNC", &["t/garden", "0", "10"]).await;
}

#[tokio::test]
async fn a_limit_or_a_name_that_cannot_be_is_refused() {
    let mesh = Mesh::builder().msg_servers(1).start().await;
    let mut amy = filled(&mesh, 1).await;
    amy.ok("CREATE_TOPIC", &["garden"]).await;
    for limit in ["0", "-1", "x"] {
        amy.refused(4000, "SYNC", &["u/amy", "0", limit]).await;
        amy.refused(4000, "MEMBERS", &["garden", "", limit]).await;
    }
    amy.refused(4000, "MEMBERS", &["garden", "no name", "10"]).await;
    assert_eq!(amy.ok("MEMBERS", &["garden", "", ""]).await["Members"], json!(["amy"]));
}

#[tokio::test]
async fn of_two_resumes_at_once_one_counts() {
    let mesh = Mesh::builder().msg_servers(1).start().await;
    let mut amy = filled(&mesh, 1).await;
    // Beyond what login told, so that both wait for the manager.
    let mut requests = Vec::new();
    for _ in 0..2 {
        requests.push(amy.send_with("RESUME", &[], json!({"Logs": {"u/amy": 1}})).await);
    }
    let mut codes = Vec::new();
    for seq in requests {
        codes.push(amy.answer(seq).await["Code"].as_u64());
    }
    codes.sort_unstable();
    assert_eq!(codes, [None, Some(4000)]);
}
