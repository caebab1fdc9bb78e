//! Links that must not be: another store, another secret.
#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

use testbed::{Mesh, NewClient, Part, Role, eventually};

/// The id that a manager logged of its store.
async fn store_id(mesh: &Mesh, manager: usize) -> String {
    let line = mesh.logged(Part::Manager(manager), "store=").await;
    let id = line.split("store=").nth(1).and_then(|rest| rest.split_whitespace().next());
    id.unwrap_or_else(|| panic!("no id in {line}")).trim_matches('"').to_owned()
}

#[tokio::test]
async fn a_second_store_behind_one_mesh_is_refused_and_both_are_named() {
    let mesh = Mesh::builder().managers(2).build();
    mesh.parts().filter(|part| *part != Part::Manager(1)).for_each(|part| mesh.spawn(part));
    mesh.settled().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    amy.send_p2p("amy", "note", "m1").await;
    mesh.start(Part::Manager(1)).await;
    let (ours, other) = (store_id(&mesh, 0).await, store_id(&mesh, 1).await);
    assert_ne!(ours, other);
    // Whom one msg_server has refused dials no other.
    for parts in [&[Part::MsgServer(0), Part::MsgServer(1)][..], &[Part::Manager(1)]] {
        eventually("both sides name both stores", async || {
            let mut lines = parts.iter().map(|part| mesh.log(*part));
            lines
                .any(|log| log.lines().any(|line| line.contains(&ours) && line.contains(&other)))
                .then_some(())
        })
        .await;
    }
    assert_eq!(mesh.figure(Part::MsgServer(0), "Managers").await, 1);
    assert_eq!(amy.send_p2p("amy", "goes on", "m2").await, 2);
}

#[tokio::test]
async fn a_store_that_was_exchanged_is_refused_by_msg_servers_that_served_another() {
    let mesh = Mesh::builder().start().await;
    mesh.kill(Part::Manager(0)).await;
    mesh.reconfigure(Part::Manager(0), "Store", serde_json::json!({"Kind": "embedded", "Path": "elsewhere"}));
    mesh.start(Part::Manager(0)).await;
    mesh.logged(Part::MsgServer(0), "store").await;
    let health = mesh.healthz(Part::MsgServer(0)).await.expect("it lives");
    assert_eq!((health.status, health.figure("Managers")), (503, 0), "{}", health.report);
}

#[tokio::test]
async fn a_manager_that_one_msg_server_refuses_serves_no_other_until_that_is_mended() {
    let mesh = Mesh::builder().managers(2).build();
    let [first, second] = [0, 1].map(|index| mesh.msg_server_addr(index).to_string());
    mesh.reconfigure(Part::Manager(0), "MsgServerList", vec![first.clone()]);
    mesh.reconfigure(Part::Manager(1), "MsgServerList", vec![second.clone()]);
    mesh.parts().for_each(|part| mesh.spawn(part));
    for server in [Part::MsgServer(0), Part::MsgServer(1)] {
        managers_of(&mesh, server, 1).await;
    }
    mesh.reconfigure(Part::Manager(0), "MsgServerList", vec![first, second]);
    mesh.reload(Part::Manager(0));
    managers_of(&mesh, Part::MsgServer(0), 0).await;
    let (ours, other) = (store_id(&mesh, 0).await, store_id(&mesh, 1).await);
    let report = mesh.healthz(Part::Manager(0)).await.expect("it lives").report.to_string();
    assert!(report.contains(&ours) && report.contains(&other), "{report}");
    mesh.kill(Part::Manager(1)).await;
    mesh.restart(Part::MsgServer(1)).await;
    for server in [Part::MsgServer(0), Part::MsgServer(1)] {
        managers_of(&mesh, server, 1).await;
    }
}

/// Waits until the msg_server is linked to so many managers.
async fn managers_of(mesh: &Mesh, server: Part, count: u64) {
    eventually(&format!("{server} has {count} managers"), async || {
        let health = mesh.healthz(server).await?;
        (health.figure("Managers") == count).then_some(())
    })
    .await;
}

#[tokio::test]
async fn another_secret_links_nobody_and_both_sides_say_why() {
    let mesh = Mesh::builder()
        .routers(2)
        .set_for(Part::Router(1), "MeshSecret", "quite another secret of a mesh")
        .build();
    mesh.parts().filter(|part| *part != Part::Router(1)).for_each(|part| mesh.spawn(part));
    mesh.settled().await;
    mesh.start(Part::Router(1)).await;
    let line = mesh.logged(Part::Router(1), "MeshSecret").await;
    assert!(!line.contains("quite another"), "a secret is never logged: {line}");
    let health = mesh.healthz(Part::Router(1)).await.expect("it lives");
    assert_eq!(health.status, 503, "{}", health.report);
    assert_eq!(mesh.figure(Part::MsgServer(0), "Routers").await, 1);
}

#[tokio::test]
async fn a_secret_on_one_side_only_links_nobody() {
    for without in [Role::Router, Role::MsgServer] {
        let mesh = Mesh::builder().msg_servers(1).set(without, "MeshSecret", serde_json::Value::Null).build();
        mesh.start(Part::MsgServer(0)).await;
        mesh.start(Part::Router(0)).await;
        mesh.logged(Part::Router(0), "MeshSecret").await;
        assert_eq!(mesh.figure(Part::MsgServer(0), "Routers").await, 0);
    }
}

#[tokio::test]
async fn without_any_secret_a_mesh_on_loopback_works() {
    let mesh = Mesh::builder().secret(None).start().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    let mut bob = NewClient::attach(mesh.msg_server_addr(1), "bob").await;
    amy.send_p2p("bob", "hi", "m1").await;
    assert_eq!(bob.texts("u/bob", 1).await, ["hi"]);
}
