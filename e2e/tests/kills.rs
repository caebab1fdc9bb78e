//! Each process is killed (SIGKILL), and nothing that was acknowledged is lost or shown twice.
#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use serde_json::{Value, json};
use testbed::{Mesh, NewClient, OldClient, Part, Role, eventually, text};

/// Sends a message until it is acknowledged, over whichever msg_server the gateway names; gives its version.
async fn send_until_acked(mesh: &Mesh, client: &mut NewClient, to: &str, body: &str, id: &str) -> u64 {
    loop {
        let answer = client.request_with("SEND_MESSAGE_P2P", &[to, body], json!({"MsgId": id})).await;
        if answer["CmdName"] == "OK" {
            return answer["Version"].as_u64().expect("a version");
        }
        assert!(answer["Retry"].is_u64(), "a refusal that is worth a retry: {answer}");
        assert!(mesh.is_running(Part::MsgServer(0)) || mesh.is_running(Part::MsgServer(1)));
        tokio::time::sleep(Duration::from_millis(answer["Retry"].as_u64().unwrap_or(0).min(200))).await;
    }
}

#[tokio::test]
async fn what_was_sent_while_the_router_was_dead_arrives_when_it_is_back() {
    let mesh = Mesh::builder().start().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    let mut bob = NewClient::attach(mesh.msg_server_addr(1), "bob").await;
    let mut old = OldClient::login(mesh.msg_server_addr(1), "old").await;
    amy.sees_online("old").await;
    amy.ok("CREATE_TOPIC", &["garden"]).await;
    bob.ok("JOIN_TOPIC", &["garden"]).await;
    mesh.kill(Part::Router(0)).await;
    for n in 0..20 {
        amy.send_p2p("bob", &n.to_string(), &format!("p{n}")).await;
        amy.send_topic("garden", &n.to_string(), &format!("t{n}")).await;
    }
    amy.send_p2p("old", "as well", "o").await;
    mesh.start(Part::Router(0)).await;
    let (mut inbox, mut garden) = (Vec::new(), Vec::new());
    while inbox.len() + garden.len() < 40 {
        let push = bob.push().await;
        if push["Log"] == "u/bob" { &mut inbox } else { &mut garden }.push(text(&push).to_owned());
    }
    let wanted: Vec<_> = (0..20).map(|n| n.to_string()).collect();
    assert_eq!((&inbox, &garden), (&wanted, &wanted));
    old.p2p("as well", "amy").await;
}

#[tokio::test]
async fn without_any_router_the_slow_question_brings_what_was_missed() {
    let mesh = Mesh::builder().set(Role::MsgServer, "AskInterval", 0.5).start().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    let mut bob = NewClient::attach(mesh.msg_server_addr(1), "bob").await;
    mesh.kill(Part::Router(0)).await;
    for n in 0..5 {
        amy.send_p2p("bob", &n.to_string(), &format!("p{n}")).await;
    }
    assert_eq!(bob.texts("u/bob", 5).await, ["0", "1", "2", "3", "4"]);
}

#[tokio::test]
async fn of_two_routers_one_is_enough() {
    let mesh = Mesh::builder().routers(2).start().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    let mut bob = NewClient::attach(mesh.msg_server_addr(1), "bob").await;
    for round in 0..4 {
        mesh.kill(Part::Router(round % 2)).await;
        for n in 0..10 {
            let body = format!("{round}-{n}");
            amy.send_p2p("bob", &body, &body).await;
        }
        let wanted: Vec<_> = (0..10).map(|n| format!("{round}-{n}")).collect();
        assert_eq!(bob.texts("u/bob", 10).await, wanted);
        mesh.start(Part::Router(round % 2)).await;
        mesh.settled().await;
    }
}

#[tokio::test]
async fn appends_that_met_a_dead_manager_are_stored_once_by_the_next() {
    let mesh = Mesh::builder().start().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    let mut bob = NewClient::attach(mesh.msg_server_addr(1), "bob").await;
    for round in 0..3 {
        let mut numbers = Vec::new();
        for n in 0..300 {
            let body = format!("{round}-{n}");
            numbers.push(amy.send_with("SEND_MESSAGE_P2P", &["bob", &body], json!({"MsgId": body})).await);
            if n == 150 {
                mesh.kill(Part::Manager(0)).await;
            }
        }
        mesh.start(Part::Manager(0)).await;
        // The msg_server keeps them, and sends them again, in order: nobody else has to.
        for (n, seq) in numbers.into_iter().enumerate() {
            assert_eq!(amy.answer(seq).await["Version"], round * 300 + n + 1);
        }
        let wanted: Vec<_> = (0..300).map(|n| format!("{round}-{n}")).collect();
        assert_eq!(bob.texts("u/bob", 300).await, wanted);
    }
}

#[tokio::test]
async fn an_append_that_no_manager_answers_is_refused_in_time_and_may_be_sent_again() {
    let mesh = Mesh::builder().set(Role::MsgServer, "AppendTimeout", 0.5).start().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    let mut bob = NewClient::attach(mesh.msg_server_addr(1), "bob").await;
    mesh.pause(Part::Manager(0));
    let refused = amy.request_with("SEND_MESSAGE_P2P", &["bob", "hi"], json!({"MsgId": "m1"})).await;
    assert_eq!((&refused["CmdName"], &refused["Stored"]), (&json!("ERROR"), &json!("maybe")), "{refused}");
    assert!(refused["Retry"].is_u64(), "{refused}");
    mesh.resume(Part::Manager(0));
    assert_eq!(send_until_acked(&mesh, &mut amy, "bob", "hi", "m1").await, 1);
    assert_eq!(bob.texts("u/bob", 1).await, ["hi"]);
    assert_eq!(send_until_acked(&mesh, &mut amy, "bob", "next", "m2").await, 2);
    assert_eq!(bob.texts("u/bob", 1).await, ["next"]);
}

#[tokio::test]
async fn who_was_on_a_dead_msg_server_resumes_on_another_without_loss_or_repeat() {
    let mesh = Mesh::builder().start().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    let mut bob = NewClient::attach(mesh.msg_server_addr(1), "bob").await;
    for n in 0..10 {
        amy.send_p2p("bob", &n.to_string(), &format!("m{n}")).await;
    }
    let mut seen = bob.texts("u/bob", 6).await;
    mesh.kill(Part::MsgServer(1)).await;
    assert_eq!(bob.disconnected().await, None);
    seen.extend(bob.pushed_meanwhile().iter().map(|push| text(push).to_owned()));
    for n in 10..20 {
        amy.send_p2p("bob", &n.to_string(), &format!("m{n}")).await;
    }
    let address = eventually("the gateway names the other one only", async || {
        let told = NewClient::ask_gateway(mesh.gateway_addr()).await;
        (told["Addr"] == mesh.msg_server_addr(0).to_string()).then_some(mesh.msg_server_addr(0))
    })
    .await;
    let logs = json!({"u/bob": seen.len()});
    let mut bob = NewClient::attach_as(address, "bob", "default", logs).await;
    seen.extend(bob.texts("u/bob", 20 - seen.len()).await);
    assert_eq!(seen, (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
    mesh.start(Part::MsgServer(1)).await;
    eventually("the gateway names it again", async || {
        let told = NewClient::ask_gateway(mesh.gateway_addr()).await;
        (told["Addr"] == mesh.msg_server_addr(1).to_string()).then_some(())
    })
    .await;
    let mut carl = NewClient::attach(mesh.msg_server_addr(1), "carl").await;
    carl.send_p2p("bob", "back again", "c").await;
    assert_eq!(text(&bob.push().await), "back again");
}

#[tokio::test]
async fn a_message_whose_msg_server_died_is_there_once_after_it_was_sent_again() {
    let mesh = Mesh::builder().msg_servers(3).set(Role::MsgServer, "AskInterval", 0.5).start().await;
    let mut bob = NewClient::attach(mesh.msg_server_addr(1), "bob").await;
    let mut seen = Vec::new();
    for round in 0..6 {
        let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
        let sent: Vec<_> = (0..20).map(|n| format!("{round}-{n}")).collect();
        let mut last = 0;
        for body in &sent {
            last = amy.send_with("SEND_MESSAGE_P2P", &["bob", body], json!({"MsgId": body})).await;
        }
        if round % 2 == 1 {
            // Killed between two answers.
            amy.answer(last - 10).await;
        }
        mesh.kill(Part::MsgServer(0)).await;
        let mut again = NewClient::attach(mesh.msg_server_addr(2), "amy").await;
        for body in &sent {
            send_until_acked(&mesh, &mut again, "bob", body, body).await;
        }
        seen.extend(bob.texts("u/bob", 20).await);
        mesh.start(Part::MsgServer(0)).await;
        mesh.settled().await;
    }
    let wanted: Vec<_> = (0..6).flat_map(|round| (0..20).map(move |n| format!("{round}-{n}"))).collect();
    assert_eq!(seen, wanted);
}

#[tokio::test]
async fn what_was_stored_before_its_msg_server_died_reaches_others_though_nobody_sends_again() {
    let mesh = Mesh::builder().set(Role::MsgServer, "AskInterval", 0.5).start().await;
    let mut bob = NewClient::attach(mesh.msg_server_addr(1), "bob").await;
    let mut newest = 0;
    for round in 0..8 {
        let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
        for n in 0..10 {
            let body = format!("{round}-{n}");
            amy.send_with("SEND_MESSAGE_P2P", &["bob", &body], json!({"MsgId": body})).await;
        }
        if round % 2 == 1 {
            amy.next().await;
        }
        mesh.kill(Part::MsgServer(0)).await;
        // However much of it was stored, just that is pushed: the log and what bob saw agree.
        newest = eventually("bob has what his log has", async || {
            let head = bob.ok("SYNC", &["u/bob", "0", "1"]).await["Head"].as_u64()?;
            bob.fence().await;
            let seen: Vec<Value> = bob.pushed_meanwhile();
            for push in seen.iter().filter(|push| push["Seq"].is_null()) {
                assert_eq!(push["Version"], newest + 1);
                newest += 1;
            }
            (newest == head).then_some(newest)
        })
        .await;
        mesh.start(Part::MsgServer(0)).await;
        mesh.settled().await;
    }
    assert!(newest > 0, "of eighty messages not one was stored");
}

#[tokio::test]
async fn the_gateways_death_disturbs_nobody_who_is_connected() {
    let mesh = Mesh::builder().start().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    let mut bob = NewClient::attach(mesh.msg_server_addr(1), "bob").await;
    mesh.kill(Part::Gateway(0)).await;
    amy.send_p2p("bob", "hi", "m1").await;
    assert_eq!(bob.texts("u/bob", 1).await, ["hi"]);
    mesh.start(Part::Gateway(0)).await;
    mesh.settled().await;
    assert_eq!(NewClient::ask_gateway(mesh.gateway_addr()).await["CmdName"], "OK");
}

#[tokio::test]
async fn after_everything_died_at_once_all_that_was_acked_is_there() {
    let mesh = Mesh::builder().start().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    drop(NewClient::attach(mesh.msg_server_addr(1), "bob").await);
    amy.ok("CREATE_TOPIC", &["garden"]).await;
    for n in 0..50 {
        amy.send_p2p("bob", &n.to_string(), &format!("m{n}")).await;
        amy.send_topic("garden", &n.to_string(), &format!("t{n}")).await;
    }
    for part in mesh.parts() {
        mesh.kill(part).await;
    }
    mesh.parts().for_each(|part| mesh.spawn(part));
    mesh.settled().await;
    let logs = json!({"u/bob": 0});
    let mut bob = NewClient::attach_as(mesh.msg_server_addr(0), "bob", "default", logs).await;
    let wanted: Vec<_> = (0..50).map(|n| n.to_string()).collect();
    assert_eq!(bob.texts("u/bob", 50).await, wanted);
    let logs = json!({"t/garden": 0, "u/amy": 50});
    let mut amy = NewClient::attach_as(mesh.msg_server_addr(1), "amy", "other", logs).await;
    assert_eq!(amy.texts("t/garden", 50).await, wanted);
    assert_eq!(amy.send_p2p("bob", "49", "m49").await, 50, "what was sent before is known");
}

#[tokio::test]
async fn of_two_logins_of_a_device_while_the_router_was_dead_the_later_one_stays() {
    let mesh = Mesh::builder().start().await;
    mesh.kill(Part::Router(0)).await;
    let mut earlier = NewClient::login_as(mesh.msg_server_addr(0), "amy", "phone").await;
    let mut later = NewClient::login_as(mesh.msg_server_addr(1), "amy", "phone").await;
    let mut other = NewClient::login_as(mesh.msg_server_addr(0), "amy", "laptop").await;
    earlier.fence().await;
    mesh.start(Part::Router(0)).await;
    assert_eq!(earlier.disconnected().await, Some(3000));
    later.fence().await;
    other.fence().await;
}

#[tokio::test]
async fn a_membership_of_which_no_router_brought_news_is_found_out() {
    let mesh = Mesh::builder().set(Role::MsgServer, "AskInterval", 0.5).start().await;
    let mut bob = NewClient::attach(mesh.msg_server_addr(0), "bob").await;
    bob.ok("CREATE_TOPIC", &["garden"]).await;
    let mut laptop = NewClient::attach_as(mesh.msg_server_addr(1), "amy", "laptop", json!({})).await;
    mesh.kill(Part::Router(0)).await;
    let mut phone = NewClient::attach_as(mesh.msg_server_addr(0), "amy", "phone", json!({})).await;
    phone.ok("JOIN_TOPIC", &["garden"]).await;
    let mut sent = 0;
    eventually("the laptop gets the topic too", async || {
        sent += 1;
        bob.send_topic("garden", "hi", &format!("m{sent}")).await;
        laptop.fence().await;
        (!laptop.pushed_meanwhile().is_empty()).then_some(())
    })
    .await;
    phone.ok("LEAVE_TOPIC", &["garden"]).await;
    eventually("and gets it no more", async || {
        let refused =
            laptop.request_with("SEND_MESSAGE_TOPIC", &["garden", "x"], json!({"MsgId": "x"})).await;
        sent += 1;
        bob.send_topic("garden", "hi", &format!("m{sent}")).await;
        laptop.fence().await;
        (refused["Code"] == 4003 && laptop.pushed_meanwhile().is_empty()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn presence_is_right_again_after_the_router_was_exchanged() {
    let mesh = Mesh::builder().start().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    let bob = NewClient::attach(mesh.msg_server_addr(1), "bob").await;
    let carl = NewClient::attach(mesh.msg_server_addr(1), "carl").await;
    amy.sees_online("bob").await;
    mesh.kill(Part::Router(0)).await;
    amy.refused(5005, "PRESENCE", &["bob"]).await;
    drop(bob);
    mesh.start(Part::Router(0)).await;
    mesh.settled().await;
    amy.sees_online("carl").await;
    amy.sees_offline("bob").await;
    drop(carl);
    mesh.kill(Part::MsgServer(1)).await;
    amy.sees_offline("carl").await;
}
