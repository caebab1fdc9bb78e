//! Who sends volatile messages faster than they can go on is read more slowly; nobody else notices.
#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

use serde_json::json;
use testbed::{Mesh, NewClient, Part, Role, eventually};

const SENDERS: usize = 4;
/// Of each: more than the sockets and the queue on the way to the router take.
const COUNT: usize = 100;
const BODY: usize = 100_000;

async fn flood(mut sender: NewClient) {
    let mut requests = Vec::new();
    for n in 0..COUNT {
        let body = format!("{n} {}", "x".repeat(BODY));
        requests.push(sender.send_with("SEND_MESSAGE_P2P", &["bob", &body], json!({"Volatile": true})).await);
    }
    for seq in requests {
        assert_eq!(sender.answer(seq).await["CmdName"], "OK");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fast_senders_of_volatile_messages_wait_for_a_slow_router_and_end_no_link() {
    let mesh = Mesh::builder()
        .set(Role::MsgServer, "LinkQueueBytes", 1 << 20)
        .set(Role::MsgServer, "SessionQueueBytes", 256 << 20)
        .set(Role::MsgServer, "MonitorBeatTime", 60)
        .set(Role::Router, "BeatTime", 60)
        .start()
        .await;
    let mut bob = NewClient::attach(mesh.msg_server_addr(1), "bob").await;
    let mut carl = NewClient::attach(mesh.msg_server_addr(0), "carl").await;
    let mut senders = Vec::new();
    for n in 0..SENDERS {
        senders.push(NewClient::attach(mesh.msg_server_addr(0), &format!("sender{n}")).await);
    }
    mesh.pause(Part::Router(0));
    let floods: Vec<_> = senders.into_iter().map(|sender| tokio::spawn(flood(sender))).collect();
    eventually("the senders are held", async || {
        (mesh.figure(Part::MsgServer(0), "HeldSenders").await == SENDERS as u64).then_some(())
    })
    .await;
    carl.send_p2p("carl", "mine", "m1").await;
    mesh.resume(Part::Router(0));
    let mut next = [0; SENDERS];
    while next != [COUNT; SENDERS] {
        let packet = bob.next().await.expect("a push");
        let arg = |index: usize| packet["Args"][index].as_str().expect("an argument");
        let sender: usize = arg(1)["sender".len()..].parse().expect("a sender");
        let number = arg(0).split(' ').next().expect("a number");
        assert_eq!(number, next[sender].to_string(), "of sender {sender}");
        next[sender] += 1;
    }
    for flood in floods {
        flood.await.expect("every message is answered");
    }
    assert_eq!(mesh.figure(Part::MsgServer(0), "VolatileDroppedTotal").await, 0);
    eventually("nobody is held any more", async || {
        (mesh.figure(Part::MsgServer(0), "HeldSenders").await == 0).then_some(())
    })
    .await;
}
