//! What retention took is told once, as a gap, to whoever knows that word; nobody else hears of it.
#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

use serde_json::{Value, json};
use testbed::{Mesh, NewClient, OldClient, Part, Role, eventually};

const SECONDS_A_DAY: f64 = 86_400.0;
/// How many messages there were of which retention has left the newest.
const TAKEN: u64 = 9;
const HEAD: u64 = 12;

/// A mesh in which amy sent ten messages to bob, to eve and to the garden, all but the newest of which retention took, and
/// two more of each since; and amy. Bob is a newer client, eve and frank are old ones; none of them is online.
async fn mesh_that_forgot() -> (Mesh, NewClient) {
    let mesh = Mesh::builder().set(Role::Manager, "RetentionDays", 0.5 / SECONDS_A_DAY).start().await;
    let mut amy = NewClient::login(mesh.msg_server_addr(0), "amy").await;
    amy.ok("CREATE_TOPIC", &["garden"]).await;
    let mut bob = NewClient::login(mesh.msg_server_addr(1), "bob").await;
    bob.ok("JOIN_TOPIC", &["garden"]).await;
    let eve = OldClient::login(mesh.msg_server_addr(1), "eve").await;
    let mut frank = OldClient::login(mesh.msg_server_addr(1), "frank").await;
    frank.send("JOIN_TOPIC", &["garden", "frank"]).await;
    frank.located(&mesh.msg_server_addr(1).to_string(), "garden").await;
    for name in ["bob", "eve", "frank"] {
        amy.sees_online(name).await;
    }
    drop((bob, eve, frank));
    for name in ["bob", "eve", "frank"] {
        amy.sees_offline(name).await;
    }
    send(&mut amy, 1..=TAKEN + 1).await;
    eventually("retention takes all but the newest", async || {
        let sync = amy.ok("SYNC", &["u/amy", "0", "1"]).await;
        let topics = amy.ok("TOPICS", &[]).await;
        amy.pushed_meanwhile();
        (sync["First"] == 2 * TAKEN + 2 && topics["Topics"][0]["First"] == TAKEN + 1).then_some(())
    })
    .await;
    mesh.stop(Part::Manager(0)).await;
    mesh.reconfigure(Part::Manager(0), "RetentionDays", Value::Null);
    mesh.start(Part::Manager(0)).await;
    mesh.settled().await;
    send(&mut amy, TAKEN + 2..=HEAD).await;
    (mesh, amy)
}

async fn send(amy: &mut NewClient, numbers: impl Iterator<Item = u64>) {
    for n in numbers {
        for (to, id) in [("bob", "b"), ("eve", "e")] {
            amy.send_p2p(to, &n.to_string(), &format!("{id}{n}")).await;
        }
        amy.send_topic("garden", &n.to_string(), &format!("t{n}")).await;
    }
}

/// What a reader who has everything up to `after` is sent: one gap, where retention took something, and then every
/// version.
fn expected(log: &str, after: u64) -> Vec<(Value, Value)> {
    let gap = json!([log, (after + 1).to_string(), TAKEN.to_string()]);
    let gap = (after < TAKEN).then(|| (json!(TAKEN), gap));
    let kept = (TAKEN.max(after) + 1..=HEAD).map(|version| (json!(version), Value::Null));
    gap.into_iter().chain(kept).collect()
}

/// Version and, of a gap, its args.
fn told(push: &Value) -> (Value, Value) {
    let args = if push["CmdName"] == "GAP" { push["Args"].clone() } else { Value::Null };
    (push["Version"].clone(), args)
}

#[tokio::test]
async fn whoever_is_behind_sees_one_gap_and_then_the_rest() {
    let (mesh, mut amy) = mesh_that_forgot().await;
    for after in [0, 3, TAKEN - 1, TAKEN, TAKEN + 1] {
        let mut bob = NewClient::login(mesh.msg_server_addr(1), "bob").await;
        for log in [0, 1] {
            assert_eq!((&bob.logs[log]["First"], &bob.logs[log]["Head"]), (&json!(TAKEN + 1), &json!(HEAD)));
        }
        bob.resume(json!({"u/bob": after, "t/garden": after})).await;
        let mut pushed = Vec::new();
        let wanted = ["u/bob", "t/garden"].map(|log| expected(log, after));
        while pushed.len() < wanted.concat().len() {
            pushed.push(bob.push().await);
        }
        bob.fence().await;
        pushed.extend(bob.pushed_meanwhile());
        for (log, wanted) in ["u/bob", "t/garden"].iter().zip(wanted) {
            let of_log = pushed.iter().filter(|push| push["Log"] == *log);
            assert_eq!(of_log.map(told).collect::<Vec<_>>(), wanted, "RESUME of {log} after {after}");
        }
        for log in ["u/bob", "t/garden"] {
            let seq = bob.send("SYNC", &[log, &after.to_string(), "100"]).await;
            let ok = bob.answer(seq).await;
            let page = bob.pushed_meanwhile();
            assert!(page.iter().all(|push| push["Seq"] == seq), "{page:?}");
            assert_eq!(page.iter().map(told).collect::<Vec<_>>(), expected(log, after), "SYNC of {log}");
            let bounds = ["First", "Next", "Head", "Complete"].map(|key| ok[key].clone());
            assert_eq!(bounds, [json!(TAKEN + 1), json!(HEAD), json!(HEAD), json!(true)], "{ok}");
        }
    }
    let mut bob = NewClient::attach(mesh.msg_server_addr(1), "bob").await;
    amy.send_topic("garden", "live", "live").await;
    let live = bob.push().await;
    assert_eq!(told(&live), (json!(HEAD + 1), Value::Null), "whoever is level hears of no gap: {live}");
}

#[tokio::test]
async fn an_old_client_is_sent_what_is_left_and_nothing_else() {
    let (mesh, mut amy) = mesh_that_forgot().await;
    let mut eve = OldClient::login(mesh.msg_server_addr(1), "eve").await;
    let mut frank = OldClient::login(mesh.msg_server_addr(1), "frank").await;
    frank.send("JOIN_TOPIC", &["garden", "frank"]).await;
    frank.located(&mesh.msg_server_addr(1).to_string(), "garden").await;
    for n in TAKEN + 1..=HEAD {
        eve.p2p(&n.to_string(), "amy").await;
        frank.topic("garden", &n.to_string(), "amy").await;
    }
    amy.send_p2p("eve", "live", "live1").await;
    amy.send_topic("garden", "live", "live2").await;
    eve.p2p("live", "amy").await;
    frank.topic("garden", "live", "amy").await;
}
