//! The order in which processes start does not matter.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use testbed::{Mesh, NewClient, OldClient, Part, text};

/// Starts every process in an order that the seed gives, each once the one before it answers, and has people talk.
async fn started_in_an_order_of(seed: u64) {
    let mesh = Mesh::builder().msg_servers(3).routers(2).build();
    let mut order: Vec<Part> = mesh.parts().collect();
    order.shuffle(&mut StdRng::seed_from_u64(seed));
    println!("seed {seed}: {}", order.iter().map(Part::to_string).collect::<Vec<_>>().join(", "));
    for part in &order {
        mesh.start(*part).await;
    }
    mesh.settled().await;
    people_talk(&mesh).await;
}

async fn people_talk(mesh: &Mesh) {
    let address = OldClient::ask_gateway(mesh.gateway_addr()).await;
    assert!((0..3).any(|n| mesh.msg_server_addr(n).to_string() == address), "{address}");
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    let mut bob = NewClient::attach(mesh.msg_server_addr(1), "bob").await;
    let mut carl = OldClient::login(mesh.msg_server_addr(2), "carl").await;
    amy.sees_online("carl").await;
    amy.send_p2p("bob", "hi", "m1").await;
    assert_eq!(text(&bob.push().await), "hi");
    bob.send_p2p("carl", "hello", "m2").await;
    carl.p2p("hello", "bob").await;
    carl.send_p2p("amy", "you too", "carl").await;
    assert_eq!(text(&amy.push().await), "you too");
    amy.ok("CREATE_TOPIC", &["garden"]).await;
    bob.ok("JOIN_TOPIC", &["garden"]).await;
    carl.send("JOIN_TOPIC", &["garden", "carl"]).await;
    carl.located(&mesh.msg_server_addr(2).to_string(), "garden").await;
    amy.send_topic("garden", "it rains", "m3").await;
    assert_eq!(bob.texts("t/garden", 1).await, ["it rains"]);
    carl.topic("garden", "it rains", "amy").await;
}

#[tokio::test]
async fn in_random_orders_one_to_three() {
    for seed in 1..=3 {
        started_in_an_order_of(seed).await;
    }
}

#[tokio::test]
async fn in_random_orders_four_to_six() {
    for seed in 4..=6 {
        started_in_an_order_of(seed).await;
    }
}

#[tokio::test]
async fn in_random_orders_seven_to_nine() {
    for seed in 7..=9 {
        started_in_an_order_of(seed).await;
    }
}

#[tokio::test]
async fn all_at_once() {
    let mesh = Mesh::builder().msg_servers(3).routers(2).start().await;
    people_talk(&mesh).await;
}

#[tokio::test]
async fn who_came_before_the_manager_and_the_router_is_served_once_they_come() {
    let mesh = Mesh::builder().build();
    mesh.start(Part::MsgServer(0)).await;
    mesh.start(Part::MsgServer(1)).await;
    let mut amy = OldClient::login(mesh.msg_server_addr(0), "amy").await;
    let mut bob = OldClient::login(mesh.msg_server_addr(1), "bob").await;
    mesh.start(Part::Manager(0)).await;
    let mut observer = NewClient::attach(mesh.msg_server_addr(1), "observer").await;
    observer.sees_online("bob").await;
    mesh.start(Part::Router(0)).await;
    observer.sees_online("amy").await;
    amy.send_p2p("bob", "at last", "amy").await;
    bob.p2p("at last", "amy").await;
    bob.send_p2p("amy", "indeed", "bob").await;
    amy.p2p("indeed", "bob").await;
}
