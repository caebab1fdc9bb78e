//! Topics of newer sessions: membership, messages to all, volatile ones, many members over three msg_servers.
#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::collections::HashSet;

use serde_json::{Value, json};
use testbed::{Mesh, NewClient, Part, Role, text};

#[tokio::test]
async fn a_topic_is_created_joined_listed_and_left() {
    let mesh = Mesh::builder().start().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    let mut bob = NewClient::attach(mesh.msg_server_addr(1), "bob").await;
    bob.refused(4004, "JOIN_TOPIC", &["garden"]).await;
    let created = amy.ok("CREATE_TOPIC", &["garden"]).await;
    assert_eq!((&created["Log"], &created["Head"]), (&json!("t/garden"), &json!(0)));
    amy.ok("CREATE_TOPIC", &["garden"]).await;
    bob.refused(4008, "CREATE_TOPIC", &["garden"]).await;
    bob.refused_with(4003, "SEND_MESSAGE_TOPIC", &["garden", "hi"], json!({"MsgId": "m"})).await;
    amy.send_topic("garden", "before you", "m1").await;
    let joined = bob.ok("JOIN_TOPIC", &["garden"]).await;
    assert_eq!(
        (&joined["Log"], &joined["First"], &joined["Head"]),
        (&json!("t/garden"), &json!(1), &json!(1))
    );
    assert_eq!(joined["Addr"], mesh.msg_server_addr(1).to_string());
    bob.ok("JOIN_TOPIC", &["garden"]).await;
    assert_eq!(amy.ok("MEMBERS", &["garden"]).await["Members"], json!(["amy", "bob"]));
    let topics = bob.ok("TOPICS", &[]).await["Topics"].take();
    assert_eq!(
        (topics.as_array().map(Vec::len), &topics[0]["Log"], &topics[0]["Head"]),
        (Some(1), &json!("t/garden"), &json!(1))
    );
    amy.send_topic("garden", "hello", "m2").await;
    assert_eq!(bob.texts("t/garden", 1).await, ["hello"], "pushed from the head of the join on");
    bob.ok("LEAVE_TOPIC", &["garden"]).await;
    amy.send_topic("garden", "gone?", "m3").await;
    bob.refused_with(4003, "SEND_MESSAGE_TOPIC", &["garden", "hi"], json!({"MsgId": "m"})).await;
    assert_eq!(bob.ok("TOPICS", &[]).await["Topics"], json!([]));
    bob.fence().await;
    assert_eq!(bob.pushed_meanwhile(), Vec::<Value>::new(), "a topic's pushes end with the membership");
    assert_eq!(amy.ok("MEMBERS", &["garden"]).await["Members"], json!(["amy"]));
}

#[tokio::test]
async fn a_membership_holds_for_every_device() {
    let mesh = Mesh::builder().start().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    amy.ok("CREATE_TOPIC", &["garden"]).await;
    let mut phone = NewClient::attach_as(mesh.msg_server_addr(0), "bob", "phone", json!({})).await;
    let mut laptop = NewClient::attach_as(mesh.msg_server_addr(1), "bob", "laptop", json!({})).await;
    phone.ok("JOIN_TOPIC", &["garden"]).await;
    // Told over the router: soon, not at once.
    let mut last = 0;
    testbed::eventually("the laptop gets the topic too", async || {
        last += 1;
        amy.send_topic("garden", "hi", &format!("m{last}")).await;
        laptop.fence().await;
        (!laptop.pushed_meanwhile().is_empty()).then_some(())
    })
    .await;
    assert_eq!(phone.texts("t/garden", last).await, vec!["hi"; last]);
    laptop.ok("LEAVE_TOPIC", &["garden"]).await;
    testbed::eventually("the phone gets it no more", async || {
        last += 1;
        amy.send_topic("garden", "hi", &format!("m{last}")).await;
        phone.fence().await;
        phone.pushed_meanwhile().is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_join_that_no_router_told_of_is_seen_though_a_third_device_came_meanwhile() {
    let mesh = Mesh::builder().set(Role::MsgServer, "AskInterval", 1).start().await;
    let mut bob = NewClient::attach(mesh.msg_server_addr(1), "bob").await;
    bob.ok("CREATE_TOPIC", &["garden"]).await;
    let mut phone = NewClient::attach_as(mesh.msg_server_addr(0), "amy", "phone", json!({})).await;
    let mut laptop = NewClient::attach_as(mesh.msg_server_addr(1), "amy", "laptop", json!({})).await;
    mesh.kill(Part::Router(0)).await;
    laptop.ok("JOIN_TOPIC", &["garden"]).await;
    let tablet = NewClient::attach_as(mesh.msg_server_addr(0), "amy", "tablet", json!({})).await;
    assert_eq!(tablet.logs[1]["Log"], "t/garden");
    mesh.restart(Part::Router(0)).await;
    mesh.settled().await;
    let mut last = 0;
    testbed::eventually("the phone gets the topic too", async || {
        last += 1;
        bob.send_topic("garden", "hi", &format!("m{last}")).await;
        phone.fence().await;
        (!phone.pushed_meanwhile().is_empty()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn members_come_in_pages_in_the_order_of_their_names() {
    let mesh = Mesh::builder().start().await;
    let mut amy = NewClient::login(mesh.msg_server_addr(0), "amy").await;
    amy.ok("CREATE_TOPIC", &["garden"]).await;
    for name in ["dan", "bob", "eve", "carl"] {
        NewClient::login(mesh.msg_server_addr(1), name).await.ok("JOIN_TOPIC", &["garden"]).await;
    }
    let first = amy.ok("MEMBERS", &["garden", "", "2"]).await;
    assert_eq!((&first["Members"], &first["Complete"]), (&json!(["amy", "bob"]), &json!(false)));
    let rest = amy.ok("MEMBERS", &["garden", "bob", "3"]).await;
    assert_eq!((&rest["Members"], &rest["Complete"]), (&json!(["carl", "dan", "eve"]), &json!(true)));
}

#[tokio::test]
async fn a_topics_name_is_checked() {
    let mesh = Mesh::builder().msg_servers(1).start().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    let (fits, long) = ("t".repeat(128), "t".repeat(129));
    amy.ok("CREATE_TOPIC", &[&fits]).await;
    amy.ok("CREATE_TOPIC", &["Grüne Wiese #1"]).await;
    for name in ["", "a\nb", "a\u{202e}b", &long] {
        amy.refused(4000, "CREATE_TOPIC", &[name]).await;
    }
}

#[tokio::test]
async fn a_volatile_topic_has_no_log() {
    let mesh = Mesh::builder().start().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    let mut bob = NewClient::attach(mesh.msg_server_addr(1), "bob").await;
    let volatile = json!({"Volatile": true});
    amy.ok_with("CREATE_TOPIC", &["ticker"], volatile.clone()).await;
    amy.ok("CREATE_TOPIC", &["garden"]).await;
    assert_eq!(bob.ok("JOIN_TOPIC", &["ticker"]).await["Volatile"], true);
    let durable = json!({"MsgId": "m1"});
    assert_eq!(amy.refused_with(4011, "SEND_MESSAGE_TOPIC", &["ticker", "x"], durable).await["Stored"], "no");
    amy.refused_with(4011, "SEND_MESSAGE_TOPIC", &["garden", "x"], volatile.clone()).await;
    let mut sent = 0;
    testbed::eventually("the router knows that bob follows", async || {
        sent += 1;
        amy.ok_with("SEND_MESSAGE_TOPIC", &["ticker", &sent.to_string()], volatile.clone()).await;
        bob.fence().await;
        (!bob.pushed_meanwhile().is_empty()).then_some(())
    })
    .await;
    amy.ok_with("SEND_MESSAGE_TOPIC", &["ticker", "tick"], volatile.clone()).await;
    let push = bob.push_where(|push| push["Args"][1] == "tick").await;
    assert_eq!(
        (&push["Log"], &push["Volatile"], &push["Version"]),
        (&json!("t/ticker"), &json!(true), &json!(null))
    );
    amy.fence().await;
    assert_eq!(amy.pushed_meanwhile(), Vec::<Value>::new(), "a sender's OK is its delivery");
}

#[tokio::test]
async fn many_members_over_three_msg_servers_see_one_order() {
    const MEMBERS: usize = 30;
    const SENDERS: usize = 6;
    const EACH: usize = 25;
    let mesh = Mesh::builder().msg_servers(3).routers(2).start().await;
    let mut founder = NewClient::attach(mesh.msg_server_addr(0), "founder").await;
    founder.ok("CREATE_TOPIC", &["square"]).await;
    let mut members = Vec::new();
    for n in 0..MEMBERS {
        let mut member = NewClient::attach(mesh.msg_server_addr(n % 3), &format!("m{n}")).await;
        member.ok("JOIN_TOPIC", &["square"]).await;
        members.push(member);
    }
    let mut tasks = tokio::task::JoinSet::new();
    for (n, mut member) in members.into_iter().enumerate() {
        tasks.spawn(async move {
            let own = if n < SENDERS { EACH } else { 0 };
            for i in 0..own {
                member.send_topic("square", &format!("{n}/{i}"), &format!("{i}")).await;
            }
            let mut seen = Vec::new();
            while seen.len() < SENDERS * EACH - own {
                let push = member.push().await;
                seen.push((push["Version"].as_u64().unwrap_or(0), text(&push).to_owned()));
            }
            (n, seen)
        });
    }
    let order = founder.texts("t/square", SENDERS * EACH).await;
    assert_eq!(order.iter().collect::<HashSet<_>>().len(), SENDERS * EACH, "nothing twice");
    for sender in 0..SENDERS {
        let of_sender: Vec<_> = order.iter().filter(|text| text.starts_with(&format!("{sender}/"))).collect();
        let sent: Vec<_> = (0..EACH).map(|i| format!("{sender}/{i}")).collect();
        assert_eq!(of_sender, sent.iter().collect::<Vec<_>>());
    }
    while let Some(member) = tasks.join_next().await {
        let (n, seen) = member.expect("no member panics");
        let own = format!("{n}/");
        let wanted: Vec<_> = (1..)
            .zip(&order)
            .filter(|(_, text)| n >= SENDERS || !text.starts_with(&own))
            .map(|(version, text)| (version, text.clone()))
            .collect();
        assert_eq!(seen, wanted, "what m{n} saw");
    }
}

#[tokio::test]
async fn who_leaves_and_joins_again_gets_each_message_once() {
    let mesh = Mesh::builder().start().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    let mut bob = NewClient::attach(mesh.msg_server_addr(1), "bob").await;
    amy.ok("CREATE_TOPIC", &["garden"]).await;
    for round in 1..=5 {
        assert_eq!(bob.ok("JOIN_TOPIC", &["garden"]).await["Head"], 2 * (round - 1));
        amy.send_topic("garden", "here", &format!("h{round}")).await;
        assert_eq!(bob.texts("t/garden", 1).await, ["here"]);
        bob.ok("LEAVE_TOPIC", &["garden"]).await;
        amy.send_topic("garden", "gone", &format!("g{round}")).await;
        bob.fence().await;
        assert_eq!(bob.pushed_meanwhile(), Vec::<Value>::new());
    }
}
