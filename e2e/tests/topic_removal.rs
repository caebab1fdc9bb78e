//! Whoever leaves a topic, or is put out: after the `OK` no send and no SYNC of theirs succeeds on any msg_server, and what is
//! pushed to them ends within two seconds, whether a router lives or not.
#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use testbed::{Mesh, NewClient, Part};
use tokio::time::Instant;

/// How long pushes may go on.
const BOUND: Duration = Duration::from_secs(2);

async fn mesh(router: bool) -> Mesh {
    let mesh = Mesh::builder().start().await;
    if !router {
        mesh.kill(Part::Router(0)).await;
        testbed::eventually("no router is linked", async || {
            let linked = [0, 1].map(|server| mesh.figure(Part::MsgServer(server), "Routers"));
            let [here, there] = linked;
            (here.await + there.await == 0).then_some(())
        })
        .await;
    }
    mesh
}

/// Sends and reads until `over`, and once more after it: what begins after it must be refused.
async fn keep_trying(mut bob: NewClient, device: &str, name: String, over: Arc<AtomicBool>) -> u64 {
    let (log, mut tried) = (format!("t/{name}"), 0u64);
    loop {
        let was_over = over.load(Ordering::SeqCst);
        tried += 1;
        // Of its own: a repeat of what is stored is answered as ever.
        let id = json!({"MsgId": format!("{name}-{device}-{tried}")});
        let sent = bob.request_with("SEND_MESSAGE_TOPIC", &[&name, "hi"], id).await;
        let read = bob.request("SYNC", &[&log, "0", "1"]).await;
        bob.pushed_meanwhile();
        if was_over {
            assert_eq!((&sent["Code"], &read["Code"]), (&json!(4003), &json!(4003)), "{sent} {read}");
            return tried;
        }
    }
}

async fn nothing_succeeds_after_the_ok(router: bool) {
    let mesh = mesh(router).await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    for round in 0..6 {
        let name = format!("garden{round}");
        amy.ok("CREATE_TOPIC", &[&name]).await;
        let mut phone = NewClient::attach_as(mesh.msg_server_addr(0), "bob", "phone", json!({})).await;
        phone.ok("JOIN_TOPIC", &[&name]).await;
        let over = Arc::new(AtomicBool::new(false));
        let mut tasks = tokio::task::JoinSet::new();
        for (server, device) in [(0, "desk"), (1, "laptop")] {
            let bob = NewClient::attach_as(mesh.msg_server_addr(server), "bob", device, json!({})).await;
            tasks.spawn(keep_trying(bob, device, name.clone(), Arc::clone(&over)));
        }
        for n in 0..5 {
            amy.send_topic(&name, "hello", &format!("{name}-{n}")).await;
        }
        match round % 2 {
            0 => phone.ok("LEAVE_TOPIC", &[&name]).await,
            _ => amy.ok("REMOVE_FROM_TOPIC", &[&name, "bob"]).await,
        };
        over.store(true, Ordering::SeqCst);
        while let Some(tried) = tasks.join_next().await {
            assert!(tried.expect("no task panics") > 1, "there was traffic");
        }
    }
}

#[tokio::test]
async fn no_send_and_no_sync_succeeds_after_the_ok() {
    nothing_succeeds_after_the_ok(true).await;
}

#[tokio::test]
async fn no_send_and_no_sync_succeeds_after_the_ok_without_a_router() {
    nothing_succeeds_after_the_ok(false).await;
}

/// carl talks on bob's msg_server, on and on, until bob hears no more of it; that must be soon.
async fn pushes_end(mesh: &Mesh, topic: &str, keys: fn(u64) -> Value) {
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    let mut bob = NewClient::attach(mesh.msg_server_addr(1), "bob").await;
    let mut carl = NewClient::attach(mesh.msg_server_addr(1), "carl").await;
    let volatile = keys(0)["Volatile"] == true;
    amy.ok_with("CREATE_TOPIC", &[topic], json!({"Volatile": volatile})).await;
    bob.ok("JOIN_TOPIC", &[topic]).await;
    carl.ok("JOIN_TOPIC", &[topic]).await;
    let mut said = 0;
    let mut say = async |carl: &mut NewClient, bob: &mut NewClient| {
        said += 1;
        carl.ok_with("SEND_MESSAGE_TOPIC", &[topic, "hi"], keys(said)).await;
        bob.fence().await;
        bob.pushed_meanwhile().len()
    };
    testbed::eventually("bob hears carl", async || (say(&mut carl, &mut bob).await > 0).then_some(())).await;
    amy.ok("REMOVE_FROM_TOPIC", &[topic, "bob"]).await;
    let began = Instant::now();
    while say(&mut carl, &mut bob).await > 0 {
        assert!(began.elapsed() < BOUND, "bob is still told what is said in {topic}");
    }
    for _ in 0..20 {
        assert_eq!(say(&mut carl, &mut bob).await, 0, "it has ended for good");
    }
    let late = bob.request_with("SEND_MESSAGE_TOPIC", &[topic, "hi"], keys(1_000)).await;
    assert_eq!(late["Code"], 4003, "{late}");
    assert_eq!(bob.ok("TOPICS", &[]).await["Topics"], json!([]));
    amy.ok("DISSOLVE_TOPIC", &[topic]).await;
    let began = Instant::now();
    loop {
        let refused = carl.request_with("SEND_MESSAGE_TOPIC", &[topic, "hi"], keys(2_000)).await;
        if refused["CmdName"] == "ERROR" {
            break;
        }
        assert!(volatile && began.elapsed() < BOUND, "a message is taken for a topic that is no more");
    }
}

#[tokio::test]
async fn pushes_to_whoever_was_put_out_end_soon() {
    let mesh = mesh(true).await;
    pushes_end(&mesh, "garden", |n| json!({"MsgId": format!("c{n}")})).await;
    pushes_end(&mesh, "ticker", |_| json!({"Volatile": true})).await;
}

#[tokio::test]
async fn pushes_to_whoever_was_put_out_end_soon_without_a_router() {
    let mesh = mesh(false).await;
    pushes_end(&mesh, "garden", |n| json!({"MsgId": format!("c{n}")})).await;
    pushes_end(&mesh, "ticker", |_| json!({"Volatile": true})).await;
}

#[tokio::test]
async fn pushes_to_whoever_was_put_out_end_soon_with_a_router_that_hangs() {
    let mesh = mesh(true).await;
    mesh.pause(Part::Router(0));
    pushes_end(&mesh, "garden", |n| json!({"MsgId": format!("c{n}")})).await;
    pushes_end(&mesh, "ticker", |_| json!({"Volatile": true})).await;
    mesh.resume(Part::Router(0));
}
