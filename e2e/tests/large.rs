//! Messages as large as a frame may be.

use serde_json::{Value, json};
use testbed::{Builder, Mesh, NewClient, Role, text};

/// `MaxFrameBytes`, as it is unless set.
const FRAME: usize = 1024 * 1024;

fn builder() -> Builder {
    // As large as it is unless set: a segment bounds the entries in it.
    let store = json!({"Kind": "embedded", "Path": "store"});
    Mesh::builder().set(Role::Manager, "Store", store)
}

async fn mesh() -> Mesh {
    builder().start().await
}

/// The longest text that fits into a frame as a client sends it.
fn longest(id: &str) -> String {
    let packet = json!({"CmdName": "SEND_MESSAGE_P2P", "Args": ["bob", ""], "Seq": 3, "MsgId": id});
    "x".repeat(FRAME - packet.to_string().len())
}

#[tokio::test]
async fn what_fills_a_frame_arrives_live_after_an_absence_and_in_a_page() {
    let mesh = mesh().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    let mut bob = NewClient::attach(mesh.msg_server_addr(1), "bob").await;
    let body = longest("m1");
    amy.send_p2p("bob", &body, "m1").await;
    assert!(text(&bob.push().await) == body, "live");
    let logs = json!({"u/bob": 0});
    let mut again = NewClient::attach_as(mesh.msg_server_addr(0), "bob", "other", logs).await;
    assert!(text(&again.push().await) == body, "after an absence");
    let seq = again.send("SYNC", &["u/bob", "0", "10"]).await;
    assert_eq!(again.answer(seq).await["Complete"], true);
    let page: Vec<Value> = again.pushed_meanwhile();
    assert!(page.len() == 1 && text(&page[0]) == body, "in a page");
}

#[tokio::test]
async fn a_burst_of_many_ends_nobody_who_reads_them_later() {
    const COUNT: usize = 40;
    // As long as it takes until bob reads.
    let patient = builder().set(Role::MsgServer, "ReaderTimeout", 600);
    let mesh = patient.start().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    let mut bob = NewClient::attach(mesh.msg_server_addr(1), "bob").await;
    let body = "x".repeat(900_000);
    let mut sent = Vec::new();
    for n in 0..COUNT {
        let text = format!("{n} {body}");
        sent.push(amy.send_with("SEND_MESSAGE_P2P", &["bob", &text], json!({"MsgId": n.to_string()})).await);
    }
    for seq in sent {
        assert_eq!(amy.answer(seq).await["CmdName"], "OK");
    }
    for (n, text) in bob.texts("u/bob", COUNT).await.iter().enumerate() {
        assert!(*text == format!("{n} {body}"), "number {n}");
    }
}

#[tokio::test]
async fn a_body_that_grows_when_it_is_written_as_json_arrives() {
    let mesh = mesh().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    let mut bob = NewClient::attach(mesh.msg_server_addr(1), "bob").await;
    // 780,000 control characters, each of which is six bytes of JSON.
    let keys = json!({"MsgId": "m1", "Body64": "AQEB".repeat(260_000)});
    amy.ok_with("SEND_MESSAGE_P2P", &["bob", ""], keys).await;
    assert!(text(&bob.push().await) == "\u{1}".repeat(780_000));
    amy.send_p2p("bob", "and a short one", "m2").await;
    assert_eq!(text(&bob.push().await), "and a short one");
}
