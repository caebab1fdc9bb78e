//! Old clients that talk in twos: every row of the field's table, byte for byte.

use std::time::Duration;

use serde_json::json;
use testbed::{Mesh, NewClient, OldClient, Part, Role, Wire, eventually};

/// Who tells that an old client is logged in, which nobody tells the old client itself.
async fn observer(mesh: &Mesh) -> NewClient {
    NewClient::attach(mesh.msg_server_addr(0), "observer").await
}

/// Logs an old client in, and waits until it can be written to.
async fn online(mesh: &Mesh, observer: &mut NewClient, server: usize, id: &str) -> OldClient {
    let client = OldClient::login(mesh.msg_server_addr(server), id).await;
    observer.sees_online(id).await;
    client
}

#[tokio::test]
async fn the_gateway_hands_out_the_local_ip_of_a_msg_server_byte_for_byte() {
    let mesh = Mesh::builder().start().await;
    let known = [mesh.msg_server_addr(0).to_string(), mesh.msg_server_addr(1).to_string()];
    for _ in 0..4 {
        let address = OldClient::ask_gateway(mesh.gateway_addr()).await;
        assert!(known.contains(&address), "{address} is none of {known:?}");
    }
}

#[tokio::test]
async fn a_message_arrives_on_one_msg_server_and_over_two() {
    let mesh = Mesh::builder().start().await;
    let mut observer = observer(&mesh).await;
    let mut bob = online(&mesh, &mut observer, 1, "bob").await;
    for (server, text) in [(1, "on one"), (0, "over two: <\"ü\\n\">")] {
        let mut amy = online(&mesh, &mut observer, server, "amy").await;
        amy.send_p2p("bob", text, "amy").await;
        bob.p2p(text, "amy").await;
        bob.send_p2p("amy", "and back", "bob").await;
        let uuid = amy.p2p("and back", "bob").await;
        amy.send("P2P_ACK", &["amy", &uuid]).await;
        drop(amy);
        observer.sees_offline("amy").await;
    }
}

#[tokio::test]
async fn messages_that_waited_follow_the_login_in_order() {
    let mesh = Mesh::builder().start().await;
    let mut observer = observer(&mesh).await;
    drop(online(&mesh, &mut observer, 1, "bob").await);
    observer.sees_offline("bob").await;
    let mut amy = online(&mesh, &mut observer, 0, "amy").await;
    for text in ["one", "two", "three"] {
        amy.send_p2p("bob", text, "amy").await;
    }
    let mut bob = online(&mesh, &mut observer, 0, "bob").await;
    for text in ["one", "two", "three"] {
        bob.p2p(text, "amy").await;
    }
}

#[tokio::test]
async fn what_is_sent_to_an_id_that_never_logged_in_is_lost_silently() {
    let mesh = Mesh::builder().start().await;
    let mut observer = observer(&mesh).await;
    let mut amy = online(&mesh, &mut observer, 0, "amy").await;
    amy.send_p2p("ghost", "lost", "amy").await;
    amy.send_p2p("amy", "the lost one was handled", "amy").await;
    amy.p2p("the lost one was handled", "amy").await;
    let mut ghost = online(&mesh, &mut observer, 1, "ghost").await;
    amy.send_p2p("ghost", "first", "amy").await;
    ghost.p2p("first", "amy").await;
}

#[tokio::test]
async fn after_a_broken_connection_only_what_was_not_acked_comes_again() {
    let mesh = Mesh::builder().start().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    let mut bob = online(&mesh, &mut amy, 1, "bob").await;
    for text in ["one", "two", "three"] {
        amy.send_p2p("bob", text, text).await;
    }
    bob.p2p("one", "amy").await;
    let second = bob.p2p("two", "amy").await;
    let third = bob.p2p("three", "amy").await;
    bob.send("P2P_ACK", &["bob", &second]).await;
    let receipt = amy.push_where(|push| push["CmdName"] == "RECEIPT").await;
    assert_eq!(receipt["Args"], json!(["bob", "two", "delivered"]));
    drop(bob);
    amy.sees_offline("bob").await;
    let mut bob = online(&mesh, &mut amy, 0, "bob").await;
    assert_eq!(bob.p2p("three", "amy").await, third, "a message keeps its uuid");
}

#[tokio::test]
async fn the_race_frame_is_an_ack_and_a_message() {
    let mesh = Mesh::builder().start().await;
    let mut observer = observer(&mesh).await;
    let mut bob = online(&mesh, &mut observer, 1, "bob").await;
    let mut amy = online(&mesh, &mut observer, 0, "amy").await;
    amy.send_p2p("bob", "question", "amy").await;
    let uuid = bob.p2p("question", "amy").await;
    bob.send("P2P_ACK", &["bob", &uuid, "amy", "answer", "bob"]).await;
    amy.p2p("answer", "bob").await;
    drop(bob);
    observer.sees_offline("bob").await;
    amy.send_p2p("bob", "next", "amy").await;
    let mut bob = online(&mesh, &mut observer, 1, "bob").await;
    bob.p2p("next", "amy").await;
}

#[tokio::test]
async fn extra_args_mean_nothing_in_any_frame() {
    let mesh = Mesh::builder().msg_servers(1).start().await;
    let mut observer = observer(&mesh).await;
    let mut gateway = OldClient::connect(mesh.gateway_addr()).await;
    gateway.send("REQ_MSG_SERVER", &["a", "b", "c"]).await;
    assert!(gateway.frame().await.starts_with(r#"{"CmdName":"SELECT_MSG_SERVER_FOR_CLIENT","Args":["#));
    let mut amy = OldClient::connect(mesh.msg_server_addr(0)).await;
    amy.send("SEND_PING", &["before", "the", "login"]).await;
    amy.send("SEND_CLIENT_ID", &["amy", "x", "y"]).await;
    observer.sees_online("amy").await;
    amy.send("SEND_PING", &["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]).await;
    amy.send("SEND_MESSAGE_P2P", &["amy", "note", "amy", "x", "y", "z"]).await;
    let uuid = amy.p2p("note", "amy").await;
    amy.send("P2P_ACK", &["amy", &uuid, "x"]).await;
    amy.send("P2P_ACK", &["amy", &uuid, "x", "y"]).await;
    amy.send("P2P_ACK", &["amy", &uuid, "amy", "raced", "amy", "x", "y"]).await;
    amy.p2p("raced", "amy").await;
    amy.send("CREATE_TOPIC", &["t", "x", "y"]).await;
    amy.send("JOIN_TOPIC", &["t", "amy", "x"]).await;
    amy.located(&mesh.msg_server_addr(0).to_string(), "t").await;
    amy.send("SEND_MESSAGE_TOPIC", &["t", "hi", "amy", "x"]).await;
    amy.topic("t", "hi", "amy").await;
}

#[tokio::test]
async fn a_message_under_another_name_is_dropped_and_the_session_goes_on() {
    let mesh = Mesh::builder().start().await;
    let mut observer = observer(&mesh).await;
    let mut bob = online(&mesh, &mut observer, 1, "bob").await;
    let mut amy = online(&mesh, &mut observer, 0, "amy").await;
    amy.send_p2p("bob", "forged", "carl").await;
    amy.send("P2P_ACK", &["amy", "no uuid", "bob", "forged as well", "carl"]).await;
    amy.send_p2p("bob", "true", "amy").await;
    bob.p2p("true", "amy").await;
}

#[tokio::test]
async fn two_old_sessions_of_one_id_live_side_by_side() {
    let mesh = Mesh::builder().start().await;
    let mut observer = observer(&mesh).await;
    let mut bob = online(&mesh, &mut observer, 1, "bob").await;
    let mut here = online(&mesh, &mut observer, 0, "amy").await;
    let mut also_here = OldClient::login(mesh.msg_server_addr(0), "amy").await;
    let mut there = OldClient::login(mesh.msg_server_addr(1), "amy").await;
    eventually("all sessions are in", async || {
        let here = mesh.figure(Part::MsgServer(0), "Sessions").await;
        let there = mesh.figure(Part::MsgServer(1), "Sessions").await;
        ((here, there) == (3, 2)).then_some(())
    })
    .await;
    bob.send_p2p("amy", "to all of you", "bob").await;
    for amy in [&mut here, &mut also_here, &mut there] {
        amy.p2p("to all of you", "bob").await;
    }
    // No session sees what another one of the same id sends, but the recipient's answer.
    also_here.send_p2p("bob", "own", "amy").await;
    bob.p2p("own", "amy").await;
    bob.send_p2p("amy", "seen", "bob").await;
    for amy in [&mut here, &mut also_here, &mut there] {
        amy.p2p("seen", "bob").await;
    }
}

#[tokio::test]
async fn old_and_newer_clients_talk_with_each_other() {
    let mesh = Mesh::builder().start().await;
    let mut observer = observer(&mesh).await;
    let mut old = online(&mesh, &mut observer, 1, "old").await;
    observer.send_p2p("old", "hello", "m1").await;
    old.p2p("hello", "observer").await;
    old.send_p2p("observer", "hi", "old").await;
    let push = observer.push().await;
    assert_eq!(push["Args"], json!(["hi", "old", push["Args"][2]]));
    let picture = json!({"MsgId": "m2", "Body64": "/wA=", "Type": "image/png"});
    observer.ok_with("SEND_MESSAGE_P2P", &["old", ""], picture).await;
    old.p2p("\u{fffd}\0", "observer").await;
}

#[tokio::test]
async fn a_session_that_makes_no_sense_is_closed_without_a_frame() {
    let mesh = Mesh::builder().msg_servers(1).set(Role::MsgServer, "LoginTimeout", 0.3).start().await;
    let address = mesh.msg_server_addr(0);
    let mut not_logged_in = OldClient::connect(address).await;
    not_logged_in.send_p2p("bob", "hi", "amy").await;
    not_logged_in.closed_silently().await;
    let mut no_id = OldClient::login(address, " \t").await;
    no_id.closed_silently().await;
    let mut says_nothing = OldClient::connect(address).await;
    says_nothing.closed_silently().await;
    for garbage in [&b"not json"[..], b"{}", b"", br#"{"CmdName":"SEND_MESSAGE_P2P","Args":[1]}"#] {
        let mut amy = OldClient::login(address, "amy").await;
        amy.wire().send(garbage).await;
        amy.closed_silently().await;
    }
    let mut too_long = Wire::connect(address).await;
    too_long.write(&0x8000_0000_u32.to_be_bytes()).await;
    assert_eq!(too_long.closed().await, Vec::<Vec<u8>>::new());
}

#[tokio::test]
async fn a_silent_session_is_ended_and_pings_keep_one_alive() {
    let mesh = Mesh::builder()
        .msg_servers(1)
        .set(Role::MsgServer, "Expire", 2)
        .set(Role::MsgServer, "ScanDeadSessionTimeout", 0.2)
        .start()
        .await;
    let mut silent = OldClient::login(mesh.msg_server_addr(0), "silent").await;
    let mut alive = OldClient::login(mesh.msg_server_addr(0), "alive").await;
    let pings = async {
        loop {
            alive.send("SEND_PING", &[]).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    tokio::select! {
        () = silent.closed_silently() => {}
        () = pings => {}
    }
    alive.send_p2p("alive", "still here", "alive").await;
    alive.p2p("still here", "alive").await;
}

#[tokio::test]
async fn a_gateway_without_a_msg_server_holds_an_old_client_until_there_is_one() {
    let mesh = Mesh::builder().build();
    mesh.start(Part::Gateway(0)).await;
    let mut client = OldClient::connect(mesh.gateway_addr()).await;
    client.send("REQ_MSG_SERVER", &[]).await;
    eventually("the client is held", async || {
        (mesh.figure(Part::Gateway(0), "Held").await == 1).then_some(())
    })
    .await;
    mesh.spawn(Part::MsgServer(1));
    let address = mesh.msg_server_addr(1);
    let wanted = format!(r#"{{"CmdName":"SELECT_MSG_SERVER_FOR_CLIENT","Args":["{address}"]}}"#);
    assert_eq!(client.frame().await, wanted);
}

#[tokio::test]
async fn a_gateway_without_a_msg_server_closes_an_old_client_after_the_hold_and_refuses_a_newer_one() {
    let mesh = Mesh::builder().set(Role::Gateway, "OldClientHold", 0.3).build();
    mesh.start(Part::Gateway(0)).await;
    let mut client = OldClient::connect(mesh.gateway_addr()).await;
    client.send("REQ_MSG_SERVER", &[]).await;
    client.closed_silently().await;
    let refused = NewClient::ask_gateway(mesh.gateway_addr()).await;
    assert_eq!(refused["Code"], 5003);
    assert!(refused["Retry"].as_u64().is_some_and(|wait| wait > 0), "{refused}");
}

#[tokio::test]
async fn who_logs_in_and_sends_in_one_go_is_somebody_already() {
    let mesh = Mesh::builder().start().await;
    for round in 0..10 {
        let id = format!("amy-{round}");
        let mut amy = OldClient::login(mesh.msg_server_addr(round % 2), &id).await;
        amy.send_p2p(&id, "note", &id).await;
        amy.p2p("note", &id).await;
    }
}

#[tokio::test]
async fn frames_come_in_crumbs_or_in_one_lump() {
    let mesh = Mesh::builder().msg_servers(1).start().await;
    let mut observer = observer(&mesh).await;
    let frame =
        |body: &str| [&u32::try_from(body.len()).unwrap_or(0).to_be_bytes(), body.as_bytes()].concat();
    let login = frame(r#"{"CmdName":"SEND_CLIENT_ID","Args":["amy"]}"#);
    let mut amy = OldClient::connect(mesh.msg_server_addr(0)).await;
    for byte in login {
        amy.wire().write(&[byte]).await;
    }
    observer.sees_online("amy").await;
    let sends: Vec<u8> = (0..50)
        .flat_map(|n| {
            frame(&format!(
                r#"{{ "Args" : ["amy", "{n}", "amy"], "Other": null, "CmdName":"SEND_MESSAGE_P2P" }}"#
            ))
        })
        .collect();
    amy.wire().write(&sends).await;
    for n in 0..50 {
        amy.p2p(&n.to_string(), "amy").await;
    }
}
