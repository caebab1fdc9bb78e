//! Who takes nothing for a while is disconnected, told why, and loses nothing; nobody else notices.

use serde_json::{Value, json};
use testbed::{Builder, Mesh, NewClient, Part, Role, eventually};

/// More than the socket buffers of both ends take.
const COUNT: usize = 2_500;
const BODY: usize = 8_000;

fn mesh(reader_timeout: u64) -> Builder {
    Mesh::builder()
        .set(Role::MsgServer, "MaxFrameBytes", 16 * 1024)
        .set(Role::MsgServer, "SessionQueueBytes", 64 * 1024)
        .set(Role::MsgServer, "ReaderTimeout", reader_timeout)
}

/// Sends `COUNT` large messages to the topic, as fast as they are stored.
async fn flood(sender: &mut NewClient) {
    let mut waiting = std::collections::VecDeque::new();
    for n in 1..=COUNT {
        let body = format!("{n} {}", "x".repeat(BODY));
        let id = json!({"MsgId": format!("m{n}")});
        waiting.push_back(sender.send_with("SEND_MESSAGE_TOPIC", &["flood", &body], id).await);
        if waiting.len() > 50 {
            let seq = waiting.pop_front().unwrap_or_default();
            assert_eq!(sender.answer(seq).await["CmdName"], "OK");
        }
    }
    for seq in waiting {
        assert_eq!(sender.answer(seq).await["CmdName"], "OK");
    }
}

/// Takes pushes of the topic after `last`, in order, until the head or until the session is ended; gives the newest
/// version and how it was ended.
async fn read(client: &mut NewClient, mut last: u64) -> (u64, Option<Value>) {
    while last < COUNT as u64 {
        match client.next().await {
            Some(packet) if packet["CmdName"] == "RESP_MESSAGE_TOPIC" => {
                last += 1;
                assert_eq!(packet["Version"], last);
            }
            ended => return (last, ended),
        }
    }
    (last, None)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_is_disconnected_and_resumes_without_loss_and_others_are_not_disturbed() {
    let mesh = mesh(3).start().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    amy.ok("CREATE_TOPIC", &["flood"]).await;
    let mut slow = NewClient::attach(mesh.msg_server_addr(1), "slow").await;
    slow.ok("JOIN_TOPIC", &["flood"]).await;
    let mut quick = NewClient::attach(mesh.msg_server_addr(1), "quick").await;
    quick.ok("JOIN_TOPIC", &["flood"]).await;
    let disconnected = async {
        eventually("the slow reader is ended", async || {
            (mesh.figure(Part::MsgServer(1), "SlowReadersTotal").await == 1).then_some(())
        })
        .await;
        // What the sockets held is read; then comes the reason.
        let (seen, ended) = read(&mut slow, 0).await;
        assert!(seen < COUNT as u64);
        assert_eq!(ended.map(|packet| packet["Code"].clone()), Some(json!(1001)));
        assert_eq!(slow.next().await, None);
        seen
    };
    let ((), quick_saw, seen) = tokio::join!(flood(&mut amy), read(&mut quick, 0), disconnected);
    assert_eq!(quick_saw, (COUNT as u64, None), "who reads is not disturbed");
    let logs = json!({"t/flood": seen});
    let mut slow = NewClient::attach_as(mesh.msg_server_addr(0), "slow", "default", logs).await;
    assert_eq!(read(&mut slow, seen).await, (COUNT as u64, None));
}

#[tokio::test]
async fn a_reader_that_never_reads_again_is_let_go() {
    let mesh = mesh(3).start().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    amy.ok("CREATE_TOPIC", &["flood"]).await;
    let mut stuck = NewClient::attach(mesh.msg_server_addr(1), "stuck").await;
    stuck.ok("JOIN_TOPIC", &["flood"]).await;
    flood(&mut amy).await;
    eventually("its session is gone, though it never closes its socket", async || {
        (mesh.figure(Part::MsgServer(1), "Sessions").await == 0).then_some(())
    })
    .await;
    amy.sees_offline("stuck").await;
    drop(stuck);
}

#[tokio::test]
async fn one_that_reads_late_is_read_to_from_the_log_and_not_ended() {
    let mesh = mesh(600).start().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    amy.ok("CREATE_TOPIC", &["flood"]).await;
    let mut late = NewClient::attach(mesh.msg_server_addr(1), "late").await;
    late.ok("JOIN_TOPIC", &["flood"]).await;
    flood(&mut amy).await;
    assert_eq!(read(&mut late, 0).await, (COUNT as u64, None));
    late.fence().await;
}

#[tokio::test]
async fn one_that_does_not_take_what_is_volatile_is_ended_at_the_bound() {
    let mesh = mesh(600).start().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    amy.ok_with("CREATE_TOPIC", &["ticker"], json!({"Volatile": true})).await;
    let mut deaf = NewClient::attach(mesh.msg_server_addr(1), "deaf").await;
    deaf.ok("JOIN_TOPIC", &["ticker"]).await;
    let body = "x".repeat(BODY);
    for _ in 0..COUNT {
        amy.ok_with("SEND_MESSAGE_TOPIC", &["ticker", &body], json!({"Volatile": true})).await;
    }
    eventually("it is ended", async || {
        (mesh.figure(Part::MsgServer(1), "SlowReadersTotal").await == 1).then_some(())
    })
    .await;
    assert_eq!(deaf.disconnected().await, Some(1001));
}
