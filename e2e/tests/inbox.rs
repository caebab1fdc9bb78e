//! Newer sessions and their inboxes: sending, resuming, other devices, marks.

use serde_json::{Value, json};
use testbed::{Mesh, NewClient, Role, text};

#[tokio::test]
async fn a_message_reaches_every_device_of_both_people() {
    let mesh = Mesh::builder().start().await;
    let none = || json!({});
    let mut phone = NewClient::attach_as(mesh.msg_server_addr(0), "amy", "phone", none()).await;
    let mut laptop = NewClient::attach_as(mesh.msg_server_addr(1), "amy", "laptop", none()).await;
    let mut here = NewClient::attach_as(mesh.msg_server_addr(0), "bob", "here", none()).await;
    let mut there = NewClient::attach_as(mesh.msg_server_addr(1), "bob", "there", none()).await;
    let sent = phone.ok_with("SEND_MESSAGE_P2P", &["bob", "hi"], json!({"MsgId": "m1"})).await;
    assert_eq!((&sent["Log"], &sent["Version"]), (&json!("u/amy"), &json!(1)));
    assert!(sent["Time"].as_u64().is_some_and(|time| time > 1_600_000_000_000), "{sent}");
    for bob in [&mut here, &mut there] {
        let push = bob.push().await;
        assert_eq!(push["CmdName"], "RESP_MESSAGE_P2P");
        assert_eq!((&push["Args"][0], &push["Args"][1]), (&json!("hi"), &json!("amy")));
        assert_eq!((&push["Log"], &push["Version"]), (&json!("u/bob"), &json!(1)));
        assert_eq!((&push["MsgId"], &push["To"], &push["Seq"]), (&json!("m1"), &json!(null), &json!(null)));
    }
    let copy = laptop.push().await;
    assert_eq!(
        (&copy["To"], &copy["Device"], &copy["Log"]),
        (&json!("bob"), &json!("phone"), &json!("u/amy"))
    );
    here.send_p2p("amy", "back", "m2").await;
    assert_eq!(text(&there.push().await), "back");
    assert_eq!(laptop.push().await["Version"], 2);
    // Nothing came between: of its own send the phone heard in the answer.
    assert_eq!(phone.push().await["Version"], 2);
}

#[tokio::test]
async fn nothing_durable_is_pushed_before_resume_and_everything_after_it() {
    let mesh = Mesh::builder().start().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    drop(NewClient::login(mesh.msg_server_addr(1), "bob").await);
    amy.ok("CREATE_TOPIC", &["garden"]).await;
    let mut bob = NewClient::login(mesh.msg_server_addr(1), "bob").await;
    bob.ok("JOIN_TOPIC", &["garden"]).await;
    for n in 1..=5 {
        amy.send_p2p("bob", &n.to_string(), &format!("p{n}")).await;
        amy.send_topic("garden", &n.to_string(), &format!("t{n}")).await;
    }
    amy.ok_with("SEND_MESSAGE_P2P", &["bob", "psst"], json!({"Volatile": true})).await;
    assert_eq!(text(&bob.push().await), "psst", "volatile messages come before RESUME, and only they");
    drop(bob);
    let logs = json!({"u/bob": 2});
    let mut bob = NewClient::attach_as(mesh.msg_server_addr(0), "bob", "default", logs).await;
    assert_eq!(bob.texts("u/bob", 3).await, ["3", "4", "5"]);
    amy.send_topic("garden", "live", "t6").await;
    // Not named: from the head that login told.
    assert_eq!(bob.texts("t/garden", 1).await, ["live"]);
    drop(bob);
    let logs = json!({"t/garden": 4, "u/bob": 5});
    let mut bob = NewClient::attach_as(mesh.msg_server_addr(0), "bob", "default", logs).await;
    assert_eq!(bob.texts("t/garden", 2).await, ["5", "live"]);
}

#[tokio::test]
async fn sending_again_is_harmless_and_an_id_is_used_for_one_message_only() {
    let mesh = Mesh::builder().start().await;
    let mut bob = NewClient::attach(mesh.msg_server_addr(1), "bob").await;
    drop(NewClient::login(mesh.msg_server_addr(1), "carl").await);
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    let first = amy.send_p2p("bob", "hi", "m1").await;
    assert_eq!(amy.send_p2p("bob", "hi", "m1").await, first);
    // Elsewhere as well, and after another message.
    let second = amy.send_p2p("bob", "next", "m2").await;
    drop(amy);
    let mut amy = NewClient::attach(mesh.msg_server_addr(1), "amy").await;
    assert_eq!(amy.send_p2p("bob", "hi", "m1").await, first);
    for (to, text) in [("bob", "other content"), ("carl", "hi"), ("amy", "hi")] {
        let refused = amy.refused_with(4007, "SEND_MESSAGE_P2P", &[to, text], json!({"MsgId": "m1"})).await;
        assert_eq!(refused["Stored"], "no");
    }
    assert_eq!(amy.send_p2p("bob", "last", "m3").await, second + 1);
    assert_eq!(bob.texts("u/bob", 3).await, ["hi", "next", "last"]);
}

#[tokio::test]
async fn a_send_without_a_good_message_id_recipient_or_body_is_refused() {
    let mesh = Mesh::builder().msg_servers(1).start().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    let long = "x".repeat(65);
    for id in [json!(null), json!(""), json!("a b"), json!("ü"), json!(long)] {
        amy.refused_with(4000, "SEND_MESSAGE_P2P", &["amy", "hi"], json!({"MsgId": id})).await;
    }
    for to in ["never-seen", "", "a b", &long] {
        let keys = json!({"MsgId": "m"});
        assert_eq!(amy.refused_with(4005, "SEND_MESSAGE_P2P", &[to, "hi"], keys).await["Stored"], "no");
    }
    let long_type = "t".repeat(129);
    for keys in [json!({"Body64": "no base64!"}), json!({"Type": "a\nb"}), json!({"Type": long_type})] {
        let mut keys = keys;
        keys["MsgId"] = json!("m");
        amy.refused_with(4000, "SEND_MESSAGE_P2P", &["amy", ""], keys).await;
    }
    assert_eq!(amy.send_p2p("amy", "nothing of that was stored", "m").await, 1);
}

#[tokio::test]
async fn a_body_that_is_no_text_arrives_as_it_was() {
    let mesh = Mesh::builder().start().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    let mut bob = NewClient::attach(mesh.msg_server_addr(1), "bob").await;
    let keys = json!({"MsgId": "m1", "Type": "image/png", "Body64": "/wCJUE5H"});
    amy.ok_with("SEND_MESSAGE_P2P", &["bob", ""], keys).await;
    let push = bob.push().await;
    assert_eq!((&push["Type"], &push["Body64"]), (&json!("image/png"), &json!("/wCJUE5H")));
    assert_eq!(text(&push), "");
    // A body that is text is told as text, however it was sent.
    let keys = json!({"MsgId": "m2", "Type": "text/markdown", "Body64": "KmhpKg=="});
    amy.ok_with("SEND_MESSAGE_P2P", &["bob", ""], keys).await;
    let push = bob.push().await;
    assert_eq!(
        (text(&push), &push["Body64"], &push["Type"]),
        ("*hi*", &json!(null), &json!("text/markdown"))
    );
    let odd = "\u{0}\u{1f}\"\\\u{2028}🦀 <b>";
    amy.send_p2p("bob", odd, "m3").await;
    assert_eq!(text(&bob.push().await), odd);
    amy.send_p2p("bob", "", "m4").await;
    assert_eq!(text(&bob.push().await), "");
}

#[tokio::test]
async fn a_note_to_oneself_is_one_entry() {
    let mesh = Mesh::builder().start().await;
    let mut phone = NewClient::attach_as(mesh.msg_server_addr(0), "amy", "phone", json!({})).await;
    let mut laptop = NewClient::attach_as(mesh.msg_server_addr(1), "amy", "laptop", json!({})).await;
    assert_eq!(phone.send_p2p("amy", "note", "m1").await, 1);
    assert_eq!(phone.send_p2p("amy", "another", "m2").await, 2);
    assert_eq!(laptop.texts("u/amy", 2).await, ["note", "another"]);
    phone.fence().await;
    assert_eq!(phone.pushed_meanwhile(), Vec::<Value>::new());
}

#[tokio::test]
async fn what_one_connection_sends_without_waiting_is_stored_in_that_order() {
    let mesh = Mesh::builder().start().await;
    let mut bob = NewClient::attach(mesh.msg_server_addr(1), "bob").await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    let mut numbers = Vec::new();
    for n in 0..500 {
        let id = json!({"MsgId": format!("m{n}")});
        numbers.push(amy.send_with("SEND_MESSAGE_P2P", &["bob", &n.to_string()], id).await);
    }
    for (n, seq) in numbers.into_iter().enumerate() {
        assert_eq!(amy.answer(seq).await["Version"], n + 1);
    }
    let wanted: Vec<_> = (0..500).map(|n| n.to_string()).collect();
    assert_eq!(bob.texts("u/bob", 500).await, wanted);
}

#[tokio::test]
async fn who_was_away_gets_many_pages_in_order_though_the_queue_is_small() {
    const COUNT: usize = 3_000;
    let mesh = Mesh::builder()
        .set(Role::MsgServer, "MaxFrameBytes", 4096)
        .set(Role::MsgServer, "SessionQueueBytes", 32 * 1024)
        .start()
        .await;
    drop(NewClient::login(mesh.msg_server_addr(1), "bob").await);
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    let mut numbers = Vec::new();
    for n in 0..COUNT {
        let id = json!({"MsgId": format!("m{n}")});
        let body = format!("{n} {}", "x".repeat(200));
        numbers.push(amy.send_with("SEND_MESSAGE_P2P", &["bob", &body], id).await);
        if numbers.len() == 100 {
            for seq in numbers.drain(..) {
                assert_eq!(amy.answer(seq).await["CmdName"], "OK");
            }
        }
    }
    let logs = json!({"u/bob": 0});
    let mut bob = NewClient::attach_as(mesh.msg_server_addr(1), "bob", "default", logs).await;
    for (n, text) in bob.texts("u/bob", COUNT).await.iter().enumerate() {
        assert!(text.starts_with(&format!("{n} ")), "message {n} is {text:.10}");
    }
    amy.send_p2p("bob", "live", "live").await;
    assert_eq!(bob.push().await["Version"], COUNT + 1);
}

#[tokio::test]
async fn marks_move_forward_only_and_senders_hear_of_them() {
    let mesh = Mesh::builder().start().await;
    let mut bob = NewClient::attach_as(mesh.msg_server_addr(1), "bob", "phone", json!({})).await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    for n in 1..=4 {
        amy.send_p2p("bob", &n.to_string(), &format!("m{n}")).await;
    }
    bob.texts("u/bob", 4).await;
    bob.ok("ACK", &["u/bob", "3"]).await;
    assert_eq!(amy.push().await["Args"], json!(["bob", "m3", "delivered"]));
    bob.ok("ACK", &["u/bob", "1"]).await;
    bob.ok("READ", &["u/bob", "2"]).await;
    assert_eq!(amy.push().await["Args"], json!(["bob", "m2", "read"]));
    bob.ok("READ", &["u/bob", "4"]).await;
    assert_eq!(amy.push().await["Args"], json!(["bob", "m4", "read"]));
    drop(bob);
    let bob = NewClient::login_as(mesh.msg_server_addr(0), "bob", "phone").await;
    assert_eq!((&bob.logs[0]["Cursor"], &bob.logs[0]["Read"]), (&json!(3), &json!(4)));
    let other = NewClient::login_as(mesh.msg_server_addr(0), "bob", "laptop").await;
    assert_eq!((&other.logs[0]["Cursor"], &other.logs[0]["Read"]), (&json!(0), &json!(4)));
}

#[tokio::test]
async fn a_volatile_message_arrives_and_leaves_nothing_behind() {
    let mesh = Mesh::builder().start().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    let mut bob = NewClient::attach(mesh.msg_server_addr(1), "bob").await;
    amy.sees_online("bob").await;
    for n in 0..50 {
        let ok = amy.ok_with("SEND_MESSAGE_P2P", &["bob", &n.to_string()], json!({"Volatile": true})).await;
        assert_eq!((&ok["Version"], &ok["Volatile"]), (&json!(null), &json!(true)));
    }
    for n in 0..50 {
        let push = bob.push().await;
        assert_eq!(text(&push), n.to_string());
        assert_eq!(
            (&push["Volatile"], &push["Version"], &push["Time"]),
            (&json!(true), &json!(null), &json!(null))
        );
    }
    amy.ok_with("SEND_MESSAGE_P2P", &["nobody", "hi"], json!({"Volatile": true})).await;
    assert_eq!(bob.ok("SYNC", &["u/bob", "0", "10"]).await["Head"], 0);
}
