//! The config files of the field: a mesh runs from them.
#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;

use testbed::{Builder, Mesh, NewClient, OldClient, Part};

const FILES: [(Part, &str); 6] = [
    (Part::MsgServer(0), "msg_server.19000.json"),
    (Part::MsgServer(1), "msg_server.19001.json"),
    (Part::Router(0), "router.json"),
    (Part::Manager(0), "manager.json"),
    (Part::Gateway(0), "gateway.json"),
    (Part::Monitor, "monitor.json"),
];

fn file(name: &str) -> String {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/field")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn from_the_files() -> Builder {
    let builder = Mesh::builder().msg_servers(2).monitor(true);
    FILES.into_iter().fold(builder, |builder, (part, name)| builder.file(part, &file(name)))
}

/// What two people of the field do: one asks the gateway, each talks, both are in a topic.
async fn field_clients_work(mesh: &Mesh) {
    let address = OldClient::ask_gateway(mesh.gateway_addr()).await;
    let here = usize::from(address == mesh.msg_server_addr(1).to_string());
    assert_eq!(address, mesh.msg_server_addr(here).to_string());
    let mut observer = NewClient::attach(mesh.msg_server_addr(here), "observer").await;
    let mut amy = OldClient::login(mesh.msg_server_addr(here), "amy").await;
    let mut bob = OldClient::login(mesh.msg_server_addr(1 - here), "bob").await;
    observer.sees_online("amy").await;
    observer.sees_online("bob").await;
    amy.send_p2p("bob", "hi", "amy").await;
    bob.p2p("hi", "amy").await;
    bob.send_p2p("amy", "hello", "bob").await;
    amy.p2p("hello", "bob").await;
    amy.send("CREATE_TOPIC", &["garden"]).await;
    amy.send("JOIN_TOPIC", &["garden", "amy"]).await;
    amy.located(&address, "garden").await;
    bob.send("JOIN_TOPIC", &["garden", "bob"]).await;
    bob.located(&mesh.msg_server_addr(1 - here).to_string(), "garden").await;
    bob.send("SEND_MESSAGE_TOPIC", &["garden", "it rains"]).await;
    amy.topic("garden", "it rains", "bob").await;
    bob.topic("garden", "it rains", "bob").await;
}

#[tokio::test]
async fn a_mesh_runs_from_the_fields_files_on_other_ports() {
    let mesh = from_the_files().start().await;
    field_clients_work(&mesh).await;
    // Both msg_servers name the same log file, and both write to it.
    let log = fs::read_to_string(mesh.folder().join("msg_server.log")).expect("the log file of both");
    for server in 0..2 {
        let line = format!("listening on {}", mesh.msg_server_addr(server));
        assert!(log.contains(&line), "{line:?} is not in {log}");
    }
}

#[tokio::test]
async fn a_mesh_runs_from_the_very_files_of_the_field() {
    let mesh = from_the_files().keep_addresses().build();
    let ports = [17000, 18000, 19000, 19001, 20000, 21000, 30000];
    let taken: Vec<u16> =
        ports.into_iter().filter(|port| TcpListener::bind(("0.0.0.0", *port)).is_err()).collect();
    if !taken.is_empty() {
        // Something else runs on this machine: then only what the files say can be looked at.
        return assert_eq!(mesh.gateway_addr().port(), 17000);
    }
    mesh.parts().for_each(|part| mesh.spawn(part));
    mesh.settled().await;
    assert_eq!(mesh.msg_server_addr(1).port(), 19001);
    field_clients_work(&mesh).await;
}
