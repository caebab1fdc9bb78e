//! A gateway over real sockets, with msg_servers that say what the test wants.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "the helpers of tests fail as tests do")]

#[path = "../../mesh/tests/fake_msg_server/mod.rs"]
mod fake_msg_server;
mod harness;

use fake_msg_server::{FakeMsgServer, report};
use harness::Gateway;
use mesh::config::{HostPort, Secret};
use mesh::link::Secrecy;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

fn select(addr: &str) -> String {
    format!(r#"{{"CmdName":"SELECT_MSG_SERVER_FOR_CLIENT","Args":["{addr}"]}}"#)
}

#[tokio::test]
async fn an_old_client_gets_exactly_the_address_that_the_msg_server_calls_its_own() {
    let server = FakeMsgServer::start(Secrecy::default()).await;
    let gateway = Gateway::start(&[&server.addr], json!({})).await;
    server.linked(1).await;
    server.publish(&report("msg_server", "Chat.Example:19000", "Chat.Example:19000", 0));
    gateway.until("LiveMsgServers", 1).await;
    let mut client = gateway.connect().await;
    for _ in 0..3 {
        client.ask().await;
        assert_eq!(client.next().await, Some(select("Chat.Example:19000")));
    }
    gateway.drained().await;
    assert_eq!(client.next().await, None, "an old client hears nothing of the drain");
}

#[tokio::test]
async fn newer_clients_are_answered_under_their_number_and_may_ask_in_one_go() {
    let server = FakeMsgServer::start(Secrecy::default()).await;
    let gateway = Gateway::start(&[&server.addr], json!({})).await;
    server.linked(1).await;
    let mut client = gateway.connect().await;
    let refused = client.ask_numbered(7).await;
    assert_eq!(
        (&refused["CmdName"], &refused["Seq"], &refused["Code"]),
        (&json!("ERROR"), &json!(7), &json!(5003))
    );
    assert!(refused["Retry"].as_u64().is_some() && refused["Args"].as_array().unwrap().len() == 3);
    server.publish(&server.report(3));
    gateway.until("LiveMsgServers", 1).await;
    let packets = [r#"{"CmdName":"SEND_PING","Args":[],"Seq":1}"#, r#"{"CmdName":"REQ_MSG_SERVER","Seq":2}"#];
    for packet in packets {
        client.send(packet).await;
    }
    assert_eq!(client.next().await.unwrap(), r#"{"CmdName":"OK","Args":[],"Seq":1}"#);
    let found = format!(r#"{{"CmdName":"OK","Args":[],"Seq":2,"Addr":"{}"}}"#, server.addr);
    assert_eq!(client.next().await.unwrap(), found);
    client.send(r#"{"CmdName":"JOIN_TOPIC","Args":["garden"],"Seq":3}"#).await;
    let unknown: Value = serde_json::from_str(&client.next().await.unwrap()).unwrap();
    assert_eq!((&unknown["Seq"], &unknown["Code"]), (&json!(3), &json!(4006)));
    gateway.drained().await;
    let farewell: Value = serde_json::from_str(&client.next().await.unwrap()).unwrap();
    assert_eq!((&farewell["CmdName"], &farewell["Code"]), (&json!("DISCONNECT"), &json!(1000)));
    assert_eq!(client.next().await, None);
}

#[tokio::test]
async fn an_old_client_is_held_and_answered_as_soon_as_there_is_a_msg_server() {
    let server = FakeMsgServer::start(Secrecy::default()).await;
    let gateway = Gateway::start(&[&server.addr], json!({"OldClientHold": 60})).await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        let mut client = gateway.connect().await;
        // The second request waits behind the first.
        client.ask().await;
        client.ask().await;
        clients.push(client);
    }
    gateway.until("Held", 5).await;
    server.linked(1).await;
    server.publish(&server.report(0));
    for client in &mut clients {
        assert_eq!(client.next().await, Some(select(&server.addr)));
        assert_eq!(client.next().await, Some(select(&server.addr)));
    }
    assert_eq!(gateway.figure("HandedOutTotal").await, 10);
    gateway.drained().await;
}

#[tokio::test]
async fn an_old_client_that_was_held_in_vain_is_closed_without_a_frame() {
    let gateway = Gateway::start(&["127.0.0.1:1"], json!({"OldClientHold": 0.1})).await;
    let mut client = gateway.connect().await;
    client.ask().await;
    assert_eq!(client.next().await, None);
    assert_eq!(gateway.figure("TurnedAwayTotal").await, 1);
    gateway.drained().await;
}

#[tokio::test]
async fn a_drain_ends_clients_that_are_held() {
    let gateway = Gateway::start(&["127.0.0.1:1"], json!({"OldClientHold": 60})).await;
    let mut client = gateway.connect().await;
    client.ask().await;
    gateway.until("Held", 1).await;
    gateway.drained().await;
    assert_eq!(client.next().await, None);
}

#[tokio::test]
async fn clients_go_where_there_is_room_and_never_to_a_msg_server_that_drains_or_died() {
    let (busy, idle) =
        (FakeMsgServer::start(Secrecy::default()).await, FakeMsgServer::start(Secrecy::default()).await);
    let gateway = Gateway::start(&[&busy.addr, &idle.addr], json!({"BeatTime": 20})).await;
    busy.linked(1).await;
    idle.linked(1).await;
    busy.publish(&busy.report(1000));
    idle.publish(&idle.report(0));
    gateway.until("LiveMsgServers", 2).await;
    let mut client = gateway.connect().await;
    for _ in 0..20 {
        client.ask().await;
        assert_eq!(client.next().await, Some(select(&idle.addr)));
    }
    idle.publish(&mesh::report::Report { ready: false, ..idle.report(0) });
    gateway.until("LiveMsgServers", 1).await;
    client.ask().await;
    assert_eq!(client.next().await, Some(select(&busy.addr)));
    busy.die().await;
    gateway.until("LiveMsgServers", 0).await;
    assert_eq!(client_refused(&gateway).await, 5003);
    gateway.drained().await;
}

async fn client_refused(gateway: &Gateway) -> u64 {
    gateway.connect().await.ask_numbered(1).await["Code"].as_u64().unwrap()
}

#[tokio::test]
async fn a_msg_server_that_falls_silent_is_passed_over_and_comes_back() {
    let server = FakeMsgServer::start(Secrecy::default()).await;
    let gateway = Gateway::start(&[&server.addr], json!({"BeatTime": 20})).await;
    server.linked(1).await;
    server.publish(&mesh::report::Report { beat: 100, ..server.report(0) });
    gateway.until("LiveMsgServers", 1).await;
    gateway.until("LiveMsgServers", 0).await;
    let (status, body) = gateway.http("/healthz").await;
    assert!(status == 503 && body.contains("no msg_server is live"), "{status} {body}");
    server.publish(&server.report(0));
    gateway.until("LiveMsgServers", 1).await;
    gateway.drained().await;
}

#[tokio::test]
async fn a_msg_server_that_dies_and_returns_is_linked_again() {
    let server = FakeMsgServer::start(Secrecy::default()).await;
    let gateway = Gateway::start(&[&server.addr], json!({"BeatTime": 20})).await;
    server.linked(1).await;
    server.publish(&server.report(0));
    gateway.until("LiveMsgServers", 1).await;
    let addr = server.addr.clone();
    server.die().await;
    gateway.until("LiveMsgServers", 0).await;
    let server = FakeMsgServer::start_at(&addr, Secrecy::default()).await;
    server.linked(1).await;
    server.publish(&server.report(0));
    gateway.until("LiveMsgServers", 1).await;
    gateway.drained().await;
}

#[tokio::test]
async fn a_reloaded_list_adds_and_takes_away_msg_servers() {
    let (old, new) =
        (FakeMsgServer::start(Secrecy::default()).await, FakeMsgServer::start(Secrecy::default()).await);
    let gateway = Gateway::start(&[&old.addr], json!({"BeatTime": 20})).await;
    old.linked(1).await;
    old.publish(&old.report(0));
    gateway.until("LiveMsgServers", 1).await;
    gateway.config.dial.msg_server_list.replace(vec![new.addr.parse::<HostPort>().unwrap()]);
    gateway.until("LiveMsgServers", 0).await;
    new.linked(1).await;
    new.publish(&new.report(0));
    gateway.until("LiveMsgServers", 1).await;
    let mut client = gateway.connect().await;
    client.ask().await;
    assert_eq!(client.next().await, Some(select(&new.addr)));
    gateway.drained().await;
}

#[tokio::test]
async fn the_gateway_reports_itself_over_links_that_prove_the_secret() {
    let secret = Secret::new("a secret of the mesh");
    let server = FakeMsgServer::start(Secrecy::new(Some(secret))).await;
    let gateway = Gateway::start(&[&server.addr], json!({"MeshSecret": "a secret of the mesh"})).await;
    server.linked(1).await;
    let greeting = server.greetings().remove(0);
    assert_eq!((greeting.role.as_str(), greeting.uuid.as_str()), ("gateway", "17000"));
    let own = server.heard(|report| report.process == "gateway").await;
    assert_eq!((&own.uuid, &own.addr, own.beat), (&"17000".to_owned(), &gateway.addr, 200));
    server.publish(&server.report(0));
    server.heard(|report| report.ready && report.figures["LiveMsgServers"] == 1).await;
    gateway.drained().await;
}

#[tokio::test]
async fn what_is_no_packet_ends_the_connection_and_a_newer_client_hears_why() {
    let gateway = Gateway::start(&["127.0.0.1:1"], json!({"MaxFrameBytes": 4096})).await;
    for (bad, code) in [(&b"\0\0\0\x02[]"[..], 3001), (b"\0\0\x10\x01", 3002), (b"\x80\0\0\0", 3002)] {
        let mut old = gateway.connect().await;
        old.0.write_all(bad).await.unwrap();
        assert_eq!(old.next().await, None);
        let mut newer = gateway.connect().await;
        newer.ask_numbered(1).await;
        newer.0.write_all(bad).await.unwrap();
        let farewell: Value = serde_json::from_str(&newer.next().await.unwrap()).unwrap();
        assert_eq!((&farewell["CmdName"], &farewell["Code"]), (&json!("DISCONNECT"), &json!(code)));
        assert_eq!(newer.next().await, None);
    }
    gateway.drained().await;
}

#[tokio::test]
async fn a_connection_that_says_nothing_whole_is_closed_in_time() {
    let gateway = Gateway::start(&["127.0.0.1:1"], json!({"LoginTimeout": 0.1})).await;
    for beginning in [&b""[..], b"GE", b"GET / HTTP/1.1\r\n", b"\0\0\0\x20{\"Cmd"] {
        let mut client = gateway.connect().await;
        client.0.write_all(beginning).await.unwrap();
        assert_eq!(client.next().await, None);
    }
    gateway.drained().await;
}

#[tokio::test]
async fn http_on_the_same_port_tells_how_it_is() {
    let server = FakeMsgServer::start(Secrecy::default()).await;
    let gateway = Gateway::start(&[&server.addr], json!({"BeatTime": 20})).await;
    assert_eq!(gateway.http("/readyz").await.0, 503);
    server.linked(1).await;
    server.publish(&server.report(0));
    gateway.until("LiveMsgServers", 1).await;
    assert_eq!((gateway.http("/healthz").await.0, gateway.http("/readyz").await.0), (200, 200));
    let (_, metrics) = gateway.http("/metrics").await;
    assert!(metrics.contains("shoal_live_msg_servers{process=\"gateway\"} 1"), "{metrics}");
    gateway.drained().await;
}
