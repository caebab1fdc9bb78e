//! Clients that wait for no answer: a login and all that follows it, written at once.

use serde_json::{Value, json};
use testbed::{Mesh, NewClient};

const SENDS: u64 = 20;

/// The packets, numbered from 1 on, as one piece of bytes.
fn burst(packets: impl IntoIterator<Item = Value>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (mut packet, seq) in packets.into_iter().zip(1..) {
        packet["Seq"] = json!(seq);
        let body = packet.to_string();
        bytes.extend((body.len() as u32).to_be_bytes());
        bytes.extend(body.as_bytes());
    }
    bytes
}

fn login(user: &str, logs: Value) -> [Value; 2] {
    [
        json!({"CmdName": "SEND_CLIENT_ID", "Args": [user], "Device": "phone"}),
        json!({"CmdName": "RESUME", "Args": [], "Logs": logs}),
    ]
}

async fn ok(client: &mut NewClient, seq: u64) -> Value {
    let answer = client.answer(seq).await;
    assert_eq!(answer["CmdName"], "OK", "{answer}");
    answer
}

async fn login_resume_and_sends(msg_servers: usize) {
    let mesh = Mesh::builder().msg_servers(msg_servers).start().await;
    let mut bob = NewClient::attach(mesh.msg_server_addr(msg_servers - 1), "bob").await;
    let mut amy = NewClient::connect(mesh.msg_server_addr(0)).await;
    let send = |n: u64| json!({"CmdName": "SEND_MESSAGE_P2P", "Args": ["bob", n.to_string()], "MsgId": format!("m{n}")});
    let packets = login("amy", json!({"u/amy": 0})).into_iter().chain((1..=SENDS).map(send));
    amy.wire().write(&burst(packets)).await;
    assert_eq!(ok(&mut amy, 1).await["Logs"][0]["Log"], "u/amy");
    ok(&mut amy, 2).await;
    for n in 1..=SENDS {
        assert_eq!(ok(&mut amy, n + 2).await["Version"], n, "in the order in which they were sent");
    }
    let texts: Vec<String> = (1..=SENDS).map(|n| n.to_string()).collect();
    assert_eq!(bob.texts("u/bob", SENDS as usize).await, texts);
}

async fn joins(msg_servers: usize) {
    let mesh = Mesh::builder().msg_servers(msg_servers).start().await;
    let mut bob = NewClient::attach(mesh.msg_server_addr(msg_servers - 1), "bob").await;
    let topics: Vec<String> = (0..5).map(|n| format!("topic{n}")).collect();
    for topic in &topics {
        bob.ok("CREATE_TOPIC", &[topic]).await;
        bob.send_topic(topic, "before", &format!("{topic}-1")).await;
    }
    let mut amy = NewClient::connect(mesh.msg_server_addr(0)).await;
    let join = |topic: &String| json!({"CmdName": "JOIN_TOPIC", "Args": [topic]});
    amy.wire().write(&burst(login("amy", json!({})).into_iter().chain(topics.iter().map(join)))).await;
    ok(&mut amy, 1).await;
    ok(&mut amy, 2).await;
    for (topic, seq) in topics.iter().zip(3..) {
        let joined = ok(&mut amy, seq).await;
        assert_eq!((&joined["Log"], &joined["Head"]), (&json!(format!("t/{topic}")), &json!(1)));
    }
    for topic in &topics {
        bob.send_topic(topic, "after", &format!("{topic}-2")).await;
        amy.send_topic(topic, "own", &format!("{topic}-3")).await;
        let push = amy.push().await;
        assert_eq!((&push["Log"], &push["Version"]), (&json!(format!("t/{topic}")), &json!(2)), "{push}");
        assert_eq!(bob.push().await["Version"], 3);
    }
}

#[tokio::test]
async fn a_login_a_resume_and_sends_in_one_burst_on_one_msg_server() {
    login_resume_and_sends(1).await;
}

#[tokio::test]
async fn a_login_a_resume_and_sends_in_one_burst_over_two_msg_servers() {
    login_resume_and_sends(2).await;
}

#[tokio::test]
async fn joins_in_the_burst_of_a_login_on_one_msg_server() {
    joins(1).await;
}

#[tokio::test]
async fn joins_in_the_burst_of_a_login_over_two_msg_servers() {
    joins(2).await;
}
