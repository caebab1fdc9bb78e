//! What the mesh tells of itself, and what the gateway makes of it.
#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::collections::HashMap;

use serde_json::Value;
use testbed::{Mesh, NewClient, Part, eventually, http_get};

async fn mesh_as_json(mesh: &Mesh) -> Option<Value> {
    let (status, body) = http_get(mesh.web_addr(), "/api/mesh").await?;
    assert_eq!(status, 200, "{body}");
    Some(serde_json::from_str(&body).expect("JSON"))
}

/// The states of all processes that the monitor knows, by role and name.
fn states(told: &Value) -> HashMap<String, String> {
    let processes = told["Processes"].as_array().cloned().unwrap_or_default();
    let name = |process: &Value| format!("{} {}", process["Process"], process["Uuid"]).replace('"', "");
    let state = |process: &Value| process["State"].as_str().unwrap_or_default().to_owned();
    processes.iter().map(|process| (name(process), state(process))).collect()
}

#[tokio::test]
async fn the_monitor_shows_every_process_and_which_one_fell_silent() {
    let mesh = Mesh::builder().monitor(true).start().await;
    let all_well = async || {
        eventually("all six are well", async || {
            let states = states(&mesh_as_json(&mesh).await?);
            (states.len() == 6 && states.values().all(|state| state == "well")).then_some(())
        })
        .await;
    };
    all_well().await;
    mesh.kill(Part::Router(0)).await;
    eventually("the router is silent, and the msg_servers are troubled by it", async || {
        let states = states(&mesh_as_json(&mesh).await?);
        let troubled = states.values().filter(|state| *state == "troubled").count();
        (states["router router-0"] == "silent" && troubled == 2).then_some(())
    })
    .await;
    mesh.start(Part::Router(0)).await;
    all_well().await;
    let (status, page) = http_get(mesh.web_addr(), "/").await.expect("a page");
    assert!(status == 200 && page.contains("<html"), "{page}");
}

#[tokio::test]
async fn every_process_tells_its_figures_and_what_is_missing() {
    let mesh = Mesh::builder().monitor(true).start().await;
    for part in mesh.parts() {
        let (status, metrics) = http_get(mesh.addr(part), "/metrics").await.expect("figures");
        assert!(status == 200 && metrics.contains("shoal_"), "{part}: {metrics}");
        let (status, _) = http_get(mesh.addr(part), "/no-such-page").await.expect("an answer");
        assert_eq!(status, 404, "{part}");
    }
    mesh.kill(Part::Manager(0)).await;
    eventually("a msg_server names what it misses", async || {
        let health = mesh.healthz(Part::MsgServer(0)).await?;
        let troubles = health.report["Troubles"].to_string();
        (health.status == 503 && troubles.contains("manager")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_gateway_spreads_clients_over_the_msg_servers() {
    let mesh = Mesh::builder().msg_servers(3).start().await;
    let mut clients = Vec::new();
    for n in 0..60 {
        let told = NewClient::ask_gateway(mesh.gateway_addr()).await;
        let address = told["Addr"].as_str().and_then(|address| address.parse().ok()).expect("an address");
        clients.push(NewClient::login(address, &format!("client-{n}")).await);
    }
    for server in 0..3 {
        let sessions = mesh.figure(Part::MsgServer(server), "Sessions").await;
        assert!((13..=27).contains(&sessions), "msg_server {server} has {sessions} of sixty clients");
    }
}
