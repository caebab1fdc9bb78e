//! What works while no manager can be reached, and what waits for one.

use serde_json::{Value, json};
use testbed::{Mesh, NewClient, OldClient, Part, Role, text};
use tokio::time::{Duration, Instant};

#[tokio::test]
async fn a_login_is_answered_without_logs_and_what_needs_none_works() {
    let mesh = Mesh::builder().set(Role::MsgServer, "AppendTimeout", 0.5).build();
    mesh.parts().filter(|part| part.role() != Role::Manager).for_each(|part| mesh.spawn(part));
    mesh.settled().await;
    let began = Instant::now();
    let (mut amy, mut bob) = tokio::join!(
        NewClient::login(mesh.msg_server_addr(0), "amy"),
        NewClient::login(mesh.msg_server_addr(1), "bob"),
    );
    assert!(began.elapsed() > Duration::from_secs(4), "a manager may still come: {:?}", began.elapsed());
    assert_eq!((&amy.logs, &bob.logs), (&Value::Null, &Value::Null));
    amy.sees_online("bob").await;
    amy.ok_with("SEND_MESSAGE_P2P", &["bob", "psst"], json!({"Volatile": true})).await;
    assert_eq!(text(&bob.push().await), "psst");
    bob.resume(json!({"u/bob": 0})).await;
    let refused = amy.request_with("SEND_MESSAGE_P2P", &["bob", "hi"], json!({"MsgId": "m1"})).await;
    assert_eq!((&refused["Code"], &refused["Stored"]), (&json!(5001), &json!("no")), "{refused}");
    assert!(refused["Retry"].is_u64(), "{refused}");

    mesh.start(Part::Manager(0)).await;
    mesh.settled().await;
    // The account of whom it is for is made by its own late login.
    testbed::eventually("the message is stored", async || {
        let sent = amy.request_with("SEND_MESSAGE_P2P", &["bob", "hi"], json!({"MsgId": "m1"})).await;
        (sent["CmdName"] == "OK").then_some(())
    })
    .await;
    assert_eq!(bob.texts("u/bob", 1).await, ["hi"], "what RESUME named then holds now");
}

#[tokio::test]
async fn one_that_resumed_beyond_the_end_of_its_log_is_told_to_log_in_again_when_that_shows() {
    let mesh = Mesh::builder().msg_servers(1).build();
    mesh.parts().filter(|part| part.role() != Role::Manager).for_each(|part| mesh.spawn(part));
    mesh.settled().await;
    let mut bob = NewClient::login(mesh.msg_server_addr(0), "bob").await;
    assert_eq!(bob.logs, Value::Null);
    bob.resume(json!({"u/bob": 5})).await;
    mesh.start(Part::Manager(0)).await;
    assert_eq!(bob.disconnected().await, Some(1004));
    let mut bob = NewClient::login(mesh.msg_server_addr(0), "bob").await;
    bob.refused_with(4000, "RESUME", &[], json!({"Logs": {"u/bob": 5}})).await;
    bob.resume(json!({})).await;
}

#[tokio::test]
async fn questions_are_refused_as_worth_a_retry() {
    let mesh = Mesh::builder().msg_servers(1).start().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    amy.ok("CREATE_TOPIC", &["garden"]).await;
    mesh.kill(Part::Manager(0)).await;
    let mut numbers = Vec::new();
    for (command, args) in [
        ("SYNC", ["u/amy", "0", "10"]),
        ("ACK", ["u/amy", "1", ""]),
        ("MEMBERS", ["garden", "", "10"]),
        ("TOPICS", ["", "", ""]),
        ("CREATE_TOPIC", ["other", "", ""]),
        ("JOIN_TOPIC", ["garden", "", ""]),
        ("LEAVE_TOPIC", ["garden", "", ""]),
    ] {
        numbers.push((command, amy.send(command, &args).await));
    }
    for (command, seq) in numbers {
        let refused = amy.answer(seq).await;
        assert_eq!(refused["Code"], 5001, "{command}: {refused}");
        assert!(refused["Retry"].is_u64(), "{command}: {refused}");
    }
}

#[tokio::test]
async fn a_manager_comes_back_to_more_than_its_links_hold_and_stores_all_of_it() {
    const SENDERS: usize = 20;
    const EACH: usize = 4;
    // 16 MB for queues of 4 MiB; the wait is longer than a busy machine takes for them.
    let mesh = Mesh::builder()
        .msg_servers(1)
        .set_all("LinkQueueBytes", 4 << 20)
        .set(Role::MsgServer, "AppendTimeout", 60)
        .start()
        .await;
    let mut senders = Vec::new();
    for n in 0..SENDERS {
        senders.push(NewClient::login(mesh.msg_server_addr(0), &format!("sender{n}")).await);
    }
    mesh.kill(Part::Manager(0)).await;
    let large = "x".repeat(200_000);
    let mut waiting = Vec::new();
    for (n, sender) in senders.iter_mut().enumerate() {
        for m in 0..EACH {
            let to = format!("sender{}", (n + 1) % SENDERS);
            let keys = json!({"MsgId": format!("m{m}")});
            waiting.push((n, sender.send_with("SEND_MESSAGE_P2P", &[&to, &large], keys).await));
        }
    }
    // The last of them has been taken, for what came after it on the same connection is answered.
    for sender in &mut senders {
        sender.ok("SEND_PING", &[]).await;
    }
    mesh.start(Part::Manager(0)).await;
    for (n, seq) in waiting {
        let answer = senders[n].answer(seq).await;
        assert_eq!(answer["CmdName"], "OK", "{answer}");
    }
}

#[tokio::test]
async fn an_old_sender_is_held_and_nothing_of_it_is_dropped() {
    let mesh = Mesh::builder()
        .set(Role::MsgServer, "MaxFrameBytes", 4096)
        .set(Role::MsgServer, "UnansweredBytes", 4096)
        .start()
        .await;
    let mut observer = NewClient::attach(mesh.msg_server_addr(0), "observer").await;
    let mut bob = OldClient::login(mesh.msg_server_addr(1), "bob").await;
    let mut amy = OldClient::login(mesh.msg_server_addr(0), "amy").await;
    observer.sees_online("amy").await;
    observer.sees_online("bob").await;
    mesh.kill(Part::Manager(0)).await;
    for n in 0..200 {
        amy.send_p2p("bob", &format!("{n} {}", "x".repeat(100)), "amy").await;
    }
    mesh.start(Part::Manager(0)).await;
    for n in 0..200 {
        bob.p2p(&format!("{n} {}", "x".repeat(100)), "amy").await;
    }
}

#[tokio::test]
async fn an_old_sender_is_closed_without_a_frame_after_a_bounded_wait() {
    let mesh = Mesh::builder().set(Role::MsgServer, "AppendTimeout", 0.5).start().await;
    let mut observer = NewClient::attach(mesh.msg_server_addr(0), "observer").await;
    let mut amy = OldClient::login(mesh.msg_server_addr(0), "amy").await;
    observer.sees_online("amy").await;
    mesh.kill(Part::Manager(0)).await;
    amy.send_p2p("observer", "hi", "amy").await;
    amy.closed_silently().await;
}
