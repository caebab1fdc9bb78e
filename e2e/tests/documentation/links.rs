//! A link that is made by nothing but the page: a router of fifty lines.

use hmac::{Hmac, KeyInit, Mac};
use protocol::link::{Confirm, Direction, Frame};
use serde_json::{Value, json};
use sha2::Sha256;
use testbed::{Mesh, NewClient, Part, Wire, eventually, text};

const SECRET: &str = "a secret that the page tells";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A proof, as the page describes it.
fn proof(side: &str, nonces: [&str; 2], address: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    for part in ["shoal link 1", side, "router", "by-the-page", "", nonces[0], nonces[1], address] {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part.as_bytes());
    }
    hex(&mac.finalize().into_bytes())
}

async fn say(wire: &mut Wire, command: &str, args: &[&str]) {
    wire.send(json!({"CmdName": command, "Args": args}).to_string().as_bytes()).await;
}

async fn packet(wire: &mut Wire) -> Value {
    serde_json::from_slice(&wire.frame().await.expect("a packet")).unwrap()
}

async fn shake_hands(mesh: &Mesh, server: usize) -> Wire {
    let mut wire = Wire::connect(mesh.msg_server_addr(server)).await;
    let ours = "5a".repeat(32);
    say(&mut wire, "LINK_HELLO", &["router", "by-the-page", &ours, ""]).await;
    let challenge = packet(&mut wire).await;
    assert_eq!(challenge["CmdName"], "LINK_CHALLENGE");
    let [address, theirs, their_proof] =
        [0, 1, 2].map(|at| challenge["Args"][at].as_str().unwrap().to_owned());
    assert_eq!(address, mesh.msg_server_addr(server).to_string());
    assert_eq!(their_proof, proof("listener", [&ours, &theirs], &address));
    say(&mut wire, "LINK_PROOF", &[&proof("dialer", [&ours, &theirs], &address), "", ""]).await;
    let ok = packet(&mut wire).await;
    assert_eq!(ok, json!({"CmdName": "LINK_OK", "Args": [address, "open", ""]}));
    wire
}

/// The next frame that is no sign of life.
async fn frame(wire: &mut Wire) -> Vec<u8> {
    loop {
        let body = wire.frame().await.expect("a frame");
        if body[0] != b'{' {
            return body;
        }
    }
}

#[tokio::test]
async fn a_router_can_be_written_from_the_page() {
    let mesh = Mesh::builder().routers(0).secret(Some(SECRET)).set_all("BeatTime", 5).build();
    for part in mesh.parts() {
        if part.role() == testbed::Role::MsgServer {
            mesh.reconfigure(part, "BeatTime", Value::Null);
            mesh.reconfigure(part, "MonitorBeatTime", 5);
        }
        mesh.spawn(part);
    }
    mesh.settled().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    let mut bob = NewClient::attach(mesh.msg_server_addr(1), "bob").await;
    let (mut from, mut to) = (shake_hands(&mesh, 0).await, shake_hands(&mesh, 1).await);
    for wire in [&mut from, &mut to] {
        for channel in ["/sysctrl/client-status", "/sysctrl/topic-sync", "/sysctrl/send"] {
            say(wire, "SUBSCRIBE_CHANNEL", &[channel, "by-the-page"]).await;
        }
    }
    // The snapshot of the sessions: one, and where it ends.
    let body = frame(&mut to).await;
    let Frame::Change(change) = Frame::parse(&body).unwrap() else { panic!("{body:?}") };
    assert_eq!((change.number, change.channel, change.log), (0, 1, "u/bob"));
    assert_eq!((change.direction, change.device), (Direction::Begin, Some("default")));
    for _ in 0..2 {
        let body = frame(&mut to).await;
        let Frame::Confirm(confirm) = Frame::parse(&body).unwrap() else { panic!("{body:?}") };
        to.send(&Frame::Confirm(Confirm { number: confirm.number }).to_bytes()[4..]).await;
    }
    eventually("the routers are known", async || {
        let known = [Part::MsgServer(0), Part::MsgServer(1)].map(|part| mesh.figure(part, "Routers"));
        let [here, there] = known;
        (here.await == 1 && there.await == 1).then_some(())
    })
    .await;
    amy.send_p2p("bob", "by hand", "m1").await;
    // What is for bob is passed on as the very bytes that came.
    loop {
        let body = frame(&mut from).await;
        if let Frame::Send(send) = Frame::parse(&body).unwrap()
            && send.log == "u/bob"
        {
            to.send(&body).await;
            break;
        }
    }
    assert_eq!(text(&bob.push().await), "by hand");
}
