//! The client over real sockets, against a server that does what each test says.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod fake;

use std::time::Duration;

use client::{Event, Reason, RequestError, SendError, Target, UserId, Version};
use fake::{FakeMesh, encoded, from_bob, inbox, news, texts};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, timeout};

fn bob() -> UserId {
    "bob".parse().unwrap()
}

#[tokio::test]
async fn after_a_broken_connection_it_resumes_from_what_it_has() {
    let mesh = FakeMesh::start().await;
    let (_client, mut events, mut connection) = mesh.connected(mesh.options(), inbox(1, 3)).await;
    connection.send(from_bob(2, "a")).await;
    connection.send(from_bob(3, "b")).await;
    assert_eq!(texts(&mut events, 2).await, ["a", "b"]);
    drop(connection);
    assert!(matches!(news(&mut events).await, Some(Event::Disconnected { reason: Reason::Broken(_), .. })));
    let mut connection = mesh.accept().await;
    assert_eq!(connection.login(inbox(1, 4)).await, json!({"u/amy": 3}));
    connection.send(from_bob(3, "b")).await;
    connection.send(from_bob(4, "c")).await;
    assert_eq!(texts(&mut events, 1).await, ["c"]);
}

#[tokio::test]
async fn unanswered_sends_go_again_in_order_under_their_ids() {
    let mesh = FakeMesh::start().await;
    let (client, _events, mut connection) = mesh.connected(mesh.options(), inbox(0, 0)).await;
    let mut pending = Vec::new();
    for text in ["a", "b", "c"] {
        pending.push(client.post(Target::User(bob()), text).await.unwrap());
    }
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(connection.expect("SEND_MESSAGE_P2P").await["MsgId"].clone());
    }
    drop(connection);
    let mut connection = mesh.accept().await;
    connection.login(inbox(0, 0)).await;
    for (version, id) in (1..).zip(&ids) {
        assert_eq!(connection.store(version).await["MsgId"], *id);
    }
    for (version, pending) in (1..).zip(pending) {
        assert_eq!(pending.await.unwrap().version, Version(version));
    }
}

#[tokio::test]
async fn what_was_sent_while_there_was_no_connection_goes_when_there_is_one() {
    let mesh = FakeMesh::start().await;
    let (client, _events) = client::Client::connect(mesh.options()).unwrap();
    let pending = client.post(Target::User(bob()), "early").await.unwrap();
    let mut connection = mesh.accept().await;
    connection.login(inbox(0, 0)).await;
    assert_eq!(connection.store(1).await["Args"], json!(["bob", "early"]));
    assert!(pending.await.is_ok());
}

#[tokio::test]
async fn a_packet_may_come_byte_by_byte_and_many_at_once() {
    let mesh = FakeMesh::start().await;
    let (_client, mut events, mut connection) = mesh.connected(mesh.options(), inbox(0, 0)).await;
    for byte in encoded(&from_bob(1, "slow")) {
        connection.stream.write_all(&[byte]).await.unwrap();
        connection.stream.flush().await.unwrap();
        tokio::task::yield_now().await;
    }
    let many: Vec<u8> = (2..500).flat_map(|version| encoded(&from_bob(version, "fast"))).collect();
    connection.stream.write_all(&many).await.unwrap();
    let came = texts(&mut events, 499).await;
    assert_eq!((came[0].as_str(), came[498].as_str()), ("slow", "fast"));
}

#[tokio::test]
async fn a_server_that_goes_down_is_left_for_the_next_one_and_a_replaced_session_ends() {
    let mesh = FakeMesh::start().await;
    let (client, mut events, mut connection) = mesh.connected(mesh.options(), inbox(0, 0)).await;
    let goodbye = json!({"CmdName": "DISCONNECT", "Args": ["going down", "1000", ""], "Code": 1000});
    connection.send(goodbye).await;
    let Some(Event::Disconnected { reason, coming_back_in }) = news(&mut events).await else { panic!() };
    assert_eq!(reason, Reason::Told { code: 1000, message: "going down".into() });
    assert!(coming_back_in <= Duration::from_millis(500), "{coming_back_in:?}");

    let mut connection = mesh.accept().await;
    connection.login(inbox(0, 0)).await;
    let pending = client.post(Target::User(bob()), "x").await.unwrap();
    connection.expect("SEND_MESSAGE_P2P").await;
    let replaced = json!({"CmdName": "DISCONNECT", "Args": ["elsewhere", "3000", ""], "Code": 3000});
    connection.send(replaced).await;
    let reason = Reason::Told { code: 3000, message: "elsewhere".into() };
    let ended = SendError::Ended { reason: reason.clone(), maybe_stored: true };
    assert_eq!(pending.await, Err(ended));
    assert!(matches!(news(&mut events).await, Some(Event::Connected { .. })));
    assert_eq!(news(&mut events).await, Some(Event::Ended(reason.clone())));
    assert_eq!(news(&mut events).await, None);
    assert_eq!(client.connected().await, Err(reason));
    assert!(client.send_p2p(&bob(), "y").await.is_err());
}

#[tokio::test]
async fn a_gateway_that_has_no_server_is_asked_again() {
    let none = json!({"CmdName": "ERROR", "Args": ["none", "5003", ""], "Code": 5003, "Retry": 50});
    let mesh = FakeMesh::with_gateway_answers(vec![none]).await;
    let (client, mut events) = client::Client::connect(mesh.options()).unwrap();
    let Some(Event::Retrying { reason, .. }) = news(&mut events).await else { panic!() };
    assert!(matches!(reason, Reason::NotNow { code: 5003, .. }));
    assert_eq!(client.trouble(), Some(reason));
    let mut connection = mesh.accept().await;
    connection.login(inbox(0, 0)).await;
    assert_eq!(client.connected().await, Ok(()));
    assert_eq!(client.trouble(), None);
}

#[tokio::test]
async fn not_now_is_sent_again_after_what_the_server_says() {
    let mesh = FakeMesh::start().await;
    let (client, mut events, mut connection) = mesh.connected(mesh.options(), inbox(0, 0)).await;
    let pending = client.post(Target::User(bob()), "x").await.unwrap();
    let first = connection.expect("SEND_MESSAGE_P2P").await;
    let refused = Instant::now();
    let busy = json!({"CmdName": "ERROR", "Args": ["busy", "5007", ""], "Code": 5007, "Retry": 200, "Stored": "maybe"});
    connection.answer(&first, busy).await;
    assert!(matches!(news(&mut events).await, Some(Event::Delayed { code: 5007, .. })));
    assert_eq!(connection.store(1).await["MsgId"], first["MsgId"]);
    assert!(refused.elapsed() >= Duration::from_millis(200));
    assert!(pending.await.is_ok());
}

#[tokio::test]
async fn a_silent_connection_is_given_up() {
    let mesh = FakeMesh::start().await;
    let mut options = mesh.options();
    options.timings.heartbeat = Duration::from_millis(50);
    options.timings.pong = Duration::from_millis(50);
    let (_client, mut events, mut connection) = mesh.connected(options, inbox(0, 0)).await;
    assert_eq!(connection.next().await.unwrap()["CmdName"], "SEND_PING");
    assert!(matches!(news(&mut events).await, Some(Event::Disconnected { reason: Reason::Silent(_), .. })));
    let mut connection = mesh.accept().await;
    connection.login(inbox(0, 0)).await;
    assert!(matches!(news(&mut events).await, Some(Event::Connected { .. })));
}

#[tokio::test]
async fn a_program_that_does_not_read_holds_the_server_back_and_loses_nothing() {
    const MESSAGES: u64 = 2000;
    let mesh = FakeMesh::start().await;
    let mut options = mesh.options();
    options.event_bytes = 64 << 10;
    let (_client, mut events, mut connection) = mesh.connected(options, inbox(0, 0)).await;
    let text = "x".repeat(30_000);
    let mut next = 1;
    // Far more than sockets take: a write that stands still shows that nobody reads.
    while next <= MESSAGES {
        let packet = encoded(&from_bob(next, &format!("{next} {text}")));
        let write = connection.stream.write_all(&packet);
        match timeout(Duration::from_millis(300), write).await {
            Ok(written) => written.unwrap(),
            Err(_) => break,
        }
        next += 1;
    }
    assert!(next < MESSAGES, "60 MB were taken though nobody reads");
    let cut = next;
    drop(connection);
    let had = texts(&mut events, 1).await.remove(0);
    assert!(had.starts_with("1 "));
    let read = tokio::spawn(async move { (texts(&mut events, cut as usize).await, events) });
    let mut connection = mesh.accept().await;
    let resumed = connection.login(inbox(0, MESSAGES)).await["u/amy"].as_u64().unwrap();
    for version in resumed + 1..=cut + 1 {
        connection.send(from_bob(version, &format!("{version} {text}"))).await;
    }
    let (came, _events) = read.await.unwrap();
    for (version, text) in (2..).zip(came) {
        assert!(text.starts_with(&format!("{version} ")), "{version}");
    }
}

#[tokio::test]
async fn a_full_outbox_makes_the_next_send_wait() {
    let mesh = FakeMesh::start().await;
    let mut options = mesh.options();
    options.outbox_bytes = 1000;
    let (client, _events, mut connection) = mesh.connected(options, inbox(0, 0)).await;
    let first = client.post(Target::User(bob()), "x".repeat(700)).await.unwrap();
    let other = client.clone();
    let second = tokio::spawn(async move { other.post(Target::User(bob()), "y").await });
    connection.store(1).await;
    assert!(first.await.is_ok());
    assert_eq!(connection.store(2).await["Args"], json!(["bob", "y"]));
    assert!(second.await.unwrap().unwrap().await.is_ok());
}

#[tokio::test]
async fn what_was_handled_is_acknowledged_before_goodbye() {
    let mesh = FakeMesh::start().await;
    let mut options = mesh.options();
    options.timings.ack = Duration::from_secs(3600);
    let (client, mut events, mut connection) = mesh.connected(options, inbox(0, 0)).await;
    for version in 1..=3 {
        connection.send(from_bob(version, "x")).await;
    }
    texts(&mut events, 2).await;
    events.handled();
    drop(events);
    let closing = tokio::spawn(async move { client.close(Duration::from_secs(10)).await });
    let ack = connection.next().await.unwrap();
    assert_eq!((&ack["CmdName"], &ack["Args"]), (&json!("ACK"), &json!(["u/amy", "2"])));
    connection.answer(&ack, json!({"CmdName": "OK"})).await;
    assert_eq!(connection.next().await, None);
    closing.await.unwrap();
}

#[tokio::test]
async fn requests_get_their_answers_and_refusals_their_reasons() {
    let mesh = FakeMesh::start().await;
    let (client, _events, mut connection) = mesh.connected(mesh.options(), inbox(0, 2)).await;
    let server = tokio::spawn(async move {
        let asked = connection.expect("PRESENCE").await;
        assert_eq!(asked["Args"], json!(["bob"]));
        connection.answer(&asked, json!({"CmdName": "OK", "Online": {"bob": true}})).await;
        let asked = connection.expect("JOIN_TOPIC").await;
        let unknown = json!({"CmdName": "ERROR", "Args": ["no such", "4004", ""], "Code": 4004});
        connection.answer(&asked, unknown).await;
        let asked = connection.expect("SYNC").await;
        let mut first = from_bob(1, "old");
        first["Seq"] = asked["Seq"].clone();
        connection.send(first).await;
        let done = json!({"CmdName": "OK", "First": 1, "Next": 1, "Head": 2, "Complete": false});
        connection.answer(&asked, done).await;
        let asked = connection.expect("MEMBERS").await;
        assert_eq!(asked["Args"], json!(["garden", "", "10"]));
        connection
            .answer(&asked, json!({"CmdName": "OK", "Members": ["amy", "bob"], "Complete": true}))
            .await;
        let asked = connection.expect("SEND_MESSAGE_P2P").await;
        assert_eq!(asked["Volatile"], true);
        connection.answer(&asked, json!({"CmdName": "OK"})).await;
        connection
    });
    assert!(client.presence(&[bob()]).await.unwrap()[&bob()]);
    let garden = "garden".parse().unwrap();
    let refused = RequestError::Refused { code: 4004, message: "no such".into() };
    assert_eq!(client.join_topic(&garden).await, Err(refused));
    let page = client.sync(&"u/amy".parse().unwrap(), Version(0), 1).await.unwrap();
    assert_eq!((page.messages().count(), page.next, page.complete), (1, Version(1), false));
    assert_eq!(client.members(&garden, None, 10).await.unwrap().members.len(), 2);
    assert_eq!(client.volatile(Target::User(bob()), "now").await, Ok(()));
    server.await.unwrap();
}

#[tokio::test]
async fn a_message_above_the_limit_is_refused_here() {
    let mesh = FakeMesh::start().await;
    let (client, _events) = client::Client::connect(mesh.options()).unwrap();
    let error = client.send_p2p(&bob(), "x".repeat(1 << 20)).await.unwrap_err();
    assert!(matches!(error, SendError::TooLarge { limit: 1_048_576, .. }));
}

#[tokio::test]
async fn garbage_from_the_server_ends_the_connection_and_not_the_client() {
    let mesh = FakeMesh::start().await;
    let (_client, mut events, mut connection) = mesh.connected(mesh.options(), inbox(0, 0)).await;
    for garbage in [&b"\xff\xff\xff\xff"[..], b"\0\0\0\x02[]", b"\0\0\0\x04\xff\xfe\xfd\xfc"] {
        connection.stream.write_all(garbage).await.unwrap();
        assert!(matches!(
            news(&mut events).await,
            Some(Event::Disconnected { reason: Reason::BadPacket(_), .. })
        ));
        connection = mesh.accept().await;
        connection.login(inbox(0, 0)).await;
        assert!(matches!(news(&mut events).await, Some(Event::Connected { .. })));
    }
}

#[tokio::test]
async fn without_handles_and_events_the_connection_ends() {
    let mesh = FakeMesh::start().await;
    let (client, events, mut connection) = mesh.connected(mesh.options(), inbox(0, 0)).await;
    drop(client);
    drop(events);
    assert_eq!(connection.next().await, None);
}
