//! Old clients in topics: what the topic client of the field relies on, byte for byte.

use serde_json::{Value, json};
use testbed::{Mesh, NewClient, OldClient, Role, eventually};

async fn mesh() -> Mesh {
    Mesh::builder().start().await
}

fn addr(mesh: &Mesh, server: usize) -> String {
    mesh.msg_server_addr(server).to_string()
}

/// An old client that has created `topic` and joined it; as the topic client does, it sends all at once.
async fn creator(mesh: &Mesh, server: usize, id: &str, topic: &str) -> OldClient {
    let mut client = OldClient::login(mesh.msg_server_addr(server), id).await;
    client.send("CREATE_TOPIC", &[topic]).await;
    client.send("JOIN_TOPIC", &[topic, id]).await;
    client.located(&addr(mesh, server), topic).await;
    client
}

async fn member(mesh: &Mesh, server: usize, id: &str, topic: &str) -> OldClient {
    let mut client = OldClient::login(mesh.msg_server_addr(server), id).await;
    client.send("JOIN_TOPIC", &[topic, id]).await;
    client.located(&addr(mesh, server), topic).await;
    client
}

#[tokio::test]
async fn a_join_is_answered_by_the_msg_server_that_was_asked_as_the_gateway_names_it() {
    let mesh = mesh().await;
    let address = OldClient::ask_gateway(mesh.gateway_addr()).await;
    let asked = if address == addr(&mesh, 0) { 0 } else { 1 };
    let mut amy = creator(&mesh, asked, "amy", "garden").await;
    let mut bob = member(&mesh, 1 - asked, "bob", "garden").await;
    amy.send("SEND_MESSAGE_TOPIC", &["garden", "it rains"]).await;
    bob.topic("garden", "it rains", "amy").await;
    bob.send("SEND_MESSAGE_TOPIC", &["garden", "so it does", "bob"]).await;
    // Own messages come back, in the order of the topic.
    bob.topic("garden", "so it does", "bob").await;
    amy.topic("garden", "it rains", "amy").await;
    amy.topic("garden", "so it does", "bob").await;
}

#[tokio::test]
async fn the_first_frame_is_the_answer_to_the_join_though_messages_wait() {
    let mesh = mesh().await;
    let mut observer = NewClient::attach(mesh.msg_server_addr(1), "observer").await;
    drop(OldClient::login(mesh.msg_server_addr(0), "amy").await);
    eventually("amy is known", async || {
        let sent = observer.request_with("SEND_MESSAGE_P2P", &["amy", "waits"], json!({"MsgId": "w"})).await;
        (sent["CmdName"] == "OK").then_some(())
    })
    .await;
    let mut amy = creator(&mesh, 0, "amy", "garden").await;
    // From its first topic command on it gets no p2p messages.
    observer.send_p2p("amy", "not for this session", "n").await;
    observer.ok("JOIN_TOPIC", &["garden"]).await;
    observer.send_topic("garden", "hello", "h").await;
    amy.topic("garden", "hello", "observer").await;
    // They wait for a session that serves p2p.
    let mut p2p = OldClient::login(mesh.msg_server_addr(1), "amy").await;
    p2p.p2p("waits", "observer").await;
    p2p.p2p("not for this session", "observer").await;
}

#[tokio::test]
async fn a_member_gets_a_topics_messages_only_after_its_own_join_was_answered() {
    let mesh = mesh().await;
    let mut amy = creator(&mesh, 0, "amy", "garden").await;
    drop(member(&mesh, 1, "bob", "garden").await);
    // Logged in, and creator of the topic once more: neither is a join.
    let mut bob = OldClient::login(mesh.msg_server_addr(1), "bob").await;
    bob.send("CREATE_TOPIC", &["garden"]).await;
    bob.send("CREATE_TOPIC", &["bobs"]).await;
    topic_exists(&mesh, "bobs").await;
    amy.send("SEND_MESSAGE_TOPIC", &["garden", "early"]).await;
    amy.topic("garden", "early", "amy").await;
    bob.send("JOIN_TOPIC", &["garden", "bob"]).await;
    bob.located(&addr(&mesh, 1), "garden").await;
    bob.topic("garden", "early", "amy").await;
}

/// Waits until a topic exists: then somebody may join it.
async fn topic_exists(mesh: &Mesh, topic: &str) {
    let mut client = NewClient::login(mesh.msg_server_addr(0), "asks-for-topics").await;
    eventually(&format!("there is {topic}"), async || {
        (client.request("JOIN_TOPIC", &[topic]).await["CmdName"] == "OK").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_session_for_topics_gets_no_p2p_messages_from_its_login_on() {
    let mesh = mesh().await;
    let mut observer = NewClient::attach(mesh.msg_server_addr(1), "observer").await;
    let mut amy = OldClient::connect(mesh.msg_server_addr(0)).await;
    amy.send("SEND_CLIENT_ID_FOR_TOPIC", &["amy"]).await;
    observer.sees_online("amy").await;
    observer.send_p2p("amy", "for the p2p client", "m").await;
    let mut p2p = OldClient::login(mesh.msg_server_addr(1), "amy").await;
    p2p.p2p("for the p2p client", "observer").await;
    amy.send("CREATE_TOPIC", &["garden"]).await;
    amy.send("JOIN_TOPIC", &["garden", "amy"]).await;
    amy.located(&addr(&mesh, 0), "garden").await;
}

#[tokio::test]
async fn a_join_of_an_unknown_topic_is_answered_as_soon_as_somebody_creates_it() {
    let mesh = mesh().await;
    let mut bob = OldClient::login(mesh.msg_server_addr(1), "bob").await;
    bob.send("JOIN_TOPIC", &["later", "bob"]).await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    amy.sees_online("bob").await;
    amy.ok("CREATE_TOPIC", &["later"]).await;
    bob.located(&addr(&mesh, 1), "later").await;
    amy.send_topic("later", "welcome", "w").await;
    bob.topic("later", "welcome", "amy").await;
}

#[tokio::test]
async fn a_join_of_a_topic_that_nobody_creates_ends_the_session_after_the_hold() {
    let mesh = Mesh::builder().msg_servers(1).set(Role::MsgServer, "OldClientHold", 0.5).start().await;
    let mut bob = OldClient::login(mesh.msg_server_addr(0), "bob").await;
    bob.send("JOIN_TOPIC", &["never", "bob"]).await;
    bob.closed_silently().await;
}

#[tokio::test]
async fn the_newest_hundred_that_were_missed_follow_the_answer_to_the_join() {
    let mesh = mesh().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    amy.ok("CREATE_TOPIC", &["garden"]).await;
    drop(member(&mesh, 1, "bob", "garden").await);
    amy.sees_offline("bob").await;
    for n in 1..=130 {
        amy.send_topic("garden", &n.to_string(), &format!("m{n}")).await;
    }
    let mut bob = member(&mesh, 1, "bob", "garden").await;
    for n in 31..=130 {
        bob.topic("garden", &n.to_string(), "amy").await;
    }
    amy.send_topic("garden", "live", "live").await;
    bob.topic("garden", "live", "amy").await;
}

#[tokio::test]
async fn what_the_socket_took_does_not_come_again() {
    let mesh = mesh().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    amy.ok("CREATE_TOPIC", &["garden"]).await;
    let mut bob = member(&mesh, 1, "bob", "garden").await;
    amy.send_topic("garden", "seen", "m1").await;
    bob.topic("garden", "seen", "amy").await;
    drop(bob);
    amy.sees_offline("bob").await;
    amy.send_topic("garden", "missed", "m2").await;
    let mut bob = member(&mesh, 0, "bob", "garden").await;
    bob.topic("garden", "missed", "amy").await;
}

#[tokio::test]
async fn the_id_in_a_join_is_ignored_and_the_sessions_counts() {
    let mesh = mesh().await;
    let mut amy = creator(&mesh, 0, "amy", "garden").await;
    let mut bob = OldClient::login(mesh.msg_server_addr(1), "bob").await;
    bob.send("JOIN_TOPIC", &["garden", "somebody-else"]).await;
    bob.located(&addr(&mesh, 1), "garden").await;
    bob.send("SEND_MESSAGE_TOPIC", &["garden", "it is me", "somebody-else"]).await;
    amy.topic("garden", "it is me", "bob").await;
    let mut newer = NewClient::login(mesh.msg_server_addr(0), "amy").await;
    assert_eq!(newer.ok("MEMBERS", &["garden", "", "10"]).await["Members"], json!(["amy", "bob"]));
}

#[tokio::test]
async fn who_is_no_member_sends_nothing_and_is_told_nothing() {
    let mesh = mesh().await;
    let mut amy = creator(&mesh, 0, "amy", "garden").await;
    let mut eve = creator(&mesh, 0, "eve", "eves").await;
    eve.send("SEND_MESSAGE_TOPIC", &["garden", "let me in"]).await;
    eve.send("SEND_MESSAGE_TOPIC", &["no such topic", "hello"]).await;
    eve.send("SEND_MESSAGE_TOPIC", &["eves", "all was handled"]).await;
    eve.topic("eves", "all was handled", "eve").await;
    amy.send("SEND_MESSAGE_TOPIC", &["garden", "quiet here"]).await;
    amy.topic("garden", "quiet here", "amy").await;
}

#[tokio::test]
async fn the_p2p_and_the_topic_client_run_with_one_id_at_a_time() {
    let mesh = mesh().await;
    let mut topics = creator(&mesh, 0, "amy", "garden").await;
    let mut p2p = OldClient::login(mesh.msg_server_addr(1), "amy").await;
    let mut bob = NewClient::attach(mesh.msg_server_addr(1), "bob").await;
    bob.ok("JOIN_TOPIC", &["garden"]).await;
    bob.send_p2p("amy", "to you", "m1").await;
    p2p.p2p("to you", "bob").await;
    bob.send_topic("garden", "to all", "m2").await;
    topics.topic("garden", "to all", "bob").await;
    p2p.send_p2p("bob", "back", "amy").await;
    assert_eq!(bob.push_where(|push| push["Log"] == "u/bob").await["Args"][0], "back");
}

#[tokio::test]
async fn a_volatile_topic_reaches_old_clients_too() {
    let mesh = mesh().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    amy.ok_with("CREATE_TOPIC", &["ticker"], json!({"Volatile": true})).await;
    let mut bob = member(&mesh, 1, "bob", "ticker").await;
    bob.send("SEND_MESSAGE_TOPIC", &["ticker", "tick"]).await;
    let push: Value = amy.push().await;
    assert_eq!((&push["Args"], &push["Volatile"]), (&json!(["ticker", "tick", "bob"]), &json!(true)));
    bob.topic("ticker", "tick", "bob").await;
}

#[tokio::test]
async fn what_is_sent_in_one_go_happens_in_that_order() {
    let mesh = mesh().await;
    for round in 0..10 {
        let (id, topic) = (format!("amy-{round}"), format!("garden-{round}"));
        let mut amy = OldClient::login(mesh.msg_server_addr(round % 2), &id).await;
        amy.send("CREATE_TOPIC", &[&topic]).await;
        amy.send("SEND_MESSAGE_TOPIC", &[&topic, "first words"]).await;
        amy.send("JOIN_TOPIC", &[&topic, &id]).await;
        amy.send("SEND_MESSAGE_TOPIC", &[&topic, "and more"]).await;
        amy.located(&addr(&mesh, round % 2), &topic).await;
        amy.topic(&topic, "first words", &id).await;
        amy.topic(&topic, "and more", &id).await;
    }
}

#[tokio::test]
async fn who_joins_before_creating_on_one_connection_is_answered_too() {
    let mesh = mesh().await;
    let mut amy = OldClient::login(mesh.msg_server_addr(0), "amy").await;
    amy.send("JOIN_TOPIC", &["garden", "amy"]).await;
    amy.send("CREATE_TOPIC", &["garden"]).await;
    amy.located(&addr(&mesh, 0), "garden").await;
}

#[tokio::test]
async fn a_second_join_is_answered_again_and_repeats_no_message() {
    let mesh = mesh().await;
    let mut amy = creator(&mesh, 0, "amy", "garden").await;
    amy.send("SEND_MESSAGE_TOPIC", &["garden", "one"]).await;
    amy.topic("garden", "one", "amy").await;
    amy.send("JOIN_TOPIC", &["garden", "amy"]).await;
    amy.located(&addr(&mesh, 0), "garden").await;
    amy.send("SEND_MESSAGE_TOPIC", &["garden", "two"]).await;
    amy.topic("garden", "two", "amy").await;
}

#[tokio::test]
async fn one_session_is_in_several_topics() {
    let mesh = mesh().await;
    let mut amy = creator(&mesh, 0, "amy", "garden").await;
    amy.send("CREATE_TOPIC", &["attic"]).await;
    amy.send("JOIN_TOPIC", &["attic", "amy"]).await;
    amy.located(&addr(&mesh, 0), "attic").await;
    let mut bob = member(&mesh, 1, "bob", "attic").await;
    bob.send("SEND_MESSAGE_TOPIC", &["attic", "dusty"]).await;
    amy.topic("attic", "dusty", "bob").await;
    amy.send("SEND_MESSAGE_TOPIC", &["garden", "green"]).await;
    amy.topic("garden", "green", "amy").await;
}
