//! A process that is told to end sends its clients elsewhere, and loses nothing that was acknowledged.
#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use serde_json::json;
use testbed::{Mesh, NewClient, OldClient, Part, Role, eventually};
use tokio::time::Instant;

#[tokio::test]
async fn a_draining_msg_server_tells_its_clients_and_is_handed_out_no_more() {
    let mesh = Mesh::builder().start().await;
    let mut newer = NewClient::attach(mesh.msg_server_addr(1), "newer").await;
    let mut old = OldClient::login(mesh.msg_server_addr(1), "old").await;
    newer.sees_online("old").await;
    let began = Instant::now();
    mesh.terminate(Part::MsgServer(1));
    assert_eq!(newer.disconnected().await, Some(1000));
    let (other, gateway) = (mesh.msg_server_addr(0).to_string(), mesh.gateway_addr());
    eventually("the gateway has heard of it", async || {
        (NewClient::ask_gateway(gateway).await["Addr"] == other).then_some(())
    })
    .await;
    for _ in 0..10 {
        assert_eq!(NewClient::ask_gateway(gateway).await["Addr"], other);
    }
    old.closed_silently().await;
    let ended = mesh.ended(Part::MsgServer(1)).await;
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert!(began.elapsed() < Duration::from_secs(10), "DrainSeconds: {:?}", began.elapsed());
}

#[tokio::test]
async fn of_what_was_sent_before_a_drain_the_acked_is_stored_and_the_rest_can_be_sent_again() {
    let mesh = Mesh::builder().start().await;
    let mut bob = NewClient::attach(mesh.msg_server_addr(0), "bob").await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(1), "amy").await;
    for n in 0..400 {
        let body = n.to_string();
        amy.send_with("SEND_MESSAGE_P2P", &["bob", &body], json!({"MsgId": body})).await;
        if n == 200 {
            mesh.terminate(Part::MsgServer(1));
        }
    }
    let (mut acked, mut told) = (0, None);
    while let Some(packet) = amy.next().await {
        assert_eq!(told, None, "DISCONNECT is the last packet: {packet}");
        match packet["CmdName"].as_str() {
            Some("OK") => acked += 1,
            Some("DISCONNECT") => told = packet["Code"].as_u64(),
            _ => assert!(packet["Retry"].is_u64(), "{packet}"),
        }
    }
    assert_eq!(told, Some(1000));
    assert_eq!(mesh.ended(Part::MsgServer(1)).await.code(), Some(0));
    let stored = bob.ok("SYNC", &["u/bob", "0", "1"]).await["Head"].as_u64().expect("a head");
    assert!(stored >= acked, "{acked} were acked, {stored} are stored");
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    for n in 0..400 {
        amy.send_p2p("bob", &n.to_string(), &n.to_string()).await;
    }
    let seen = bob.pushed_meanwhile();
    let pages = seen.iter().filter(|push| push["Seq"].is_u64()).count();
    let mut count = seen.len() - pages;
    while count < 400 {
        let push = bob.push().await;
        count += usize::from(push["Seq"].is_null());
        assert_eq!(push["Version"], count);
    }
}

#[tokio::test]
async fn every_process_that_is_told_to_end_does_so_in_time_with_exit_code_zero() {
    let mesh = Mesh::builder().monitor(true).start().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    amy.send_p2p("amy", "note", "m1").await;
    for part in mesh.parts().collect::<Vec<_>>().into_iter().rev() {
        let began = Instant::now();
        let ended = mesh.stop(part).await;
        assert_eq!(ended.code(), Some(0), "{part}: {ended}");
        assert!(began.elapsed() < Duration::from_secs(10), "{part} took {:?}", began.elapsed());
    }
    mesh.parts().for_each(|part| mesh.spawn(part));
    mesh.settled().await;
    let amy = NewClient::login(mesh.msg_server_addr(0), "amy").await;
    assert_eq!(amy.logs[0]["Head"], 1);
}

#[tokio::test]
async fn a_manager_that_is_exchanged_loses_no_append() {
    let mesh = Mesh::builder().start().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    let mut bob = NewClient::attach(mesh.msg_server_addr(1), "bob").await;
    let mut numbers = Vec::new();
    for n in 0..300 {
        let body = n.to_string();
        numbers.push(amy.send_with("SEND_MESSAGE_P2P", &["bob", &body], json!({"MsgId": body})).await);
        if n == 100 {
            mesh.terminate(Part::Manager(0));
        }
    }
    assert_eq!(mesh.ended(Part::Manager(0)).await.code(), Some(0));
    mesh.start(Part::Manager(0)).await;
    for seq in numbers {
        let answer = amy.answer(seq).await;
        assert_eq!(answer["CmdName"], "OK", "{answer}");
    }
    assert_eq!(bob.texts("u/bob", 300).await, (0..300).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_second_signal_ends_a_process_at_once() {
    let mesh = Mesh::builder()
        .set(Role::MsgServer, "DrainSeconds", 3600)
        .set(Role::MsgServer, "AppendTimeout", 600)
        .start()
        .await;
    // Its append waits for a manager: so the drain waits too.
    let mut amy = NewClient::attach(mesh.msg_server_addr(1), "amy").await;
    mesh.kill(Part::Manager(0)).await;
    amy.send_with("SEND_MESSAGE_P2P", &["amy", "hi"], json!({"MsgId": "m1"})).await;
    eventually("the append is under way", async || {
        (mesh.figure(Part::MsgServer(1), "UnansweredAppends").await > 0).then_some(())
    })
    .await;
    mesh.terminate(Part::MsgServer(1));
    mesh.logged(Part::MsgServer(1), "drain").await;
    mesh.terminate(Part::MsgServer(1));
    let ended = mesh.ended(Part::MsgServer(1)).await;
    assert_eq!(ended.code(), Some(143), "{ended}");
}

#[tokio::test]
async fn a_reload_adds_a_msg_server_to_a_running_mesh() {
    let mesh = Mesh::builder().msg_servers(3).build();
    let two: Vec<_> = (0..2).map(|n| mesh.msg_server_addr(n).to_string()).collect();
    let three: Vec<_> = (0..3).map(|n| mesh.msg_server_addr(n).to_string()).collect();
    let dialers = [Part::Router(0), Part::Manager(0), Part::Gateway(0)];
    for part in dialers {
        mesh.reconfigure(part, "MsgServerList", two.clone());
        mesh.start(part).await;
    }
    for server in 0..3 {
        mesh.start(Part::MsgServer(server)).await;
    }
    eventually("the two are linked", async || {
        (mesh.figure(Part::MsgServer(1), "Routers").await == 1).then_some(())
    })
    .await;
    assert_eq!(mesh.figure(Part::MsgServer(2), "Routers").await, 0);
    for part in dialers {
        mesh.reconfigure(part, "MsgServerList", three.clone());
        mesh.reload(part);
    }
    mesh.settled().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(2), "amy").await;
    let mut bob = NewClient::attach(mesh.msg_server_addr(0), "bob").await;
    bob.send_p2p("amy", "welcome", "m1").await;
    assert_eq!(amy.texts("u/amy", 1).await, ["welcome"]);
}
