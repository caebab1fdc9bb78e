//! Processes that stand still for longer than their links allow, and then go on as if nothing had been.

use serde_json::json;
use testbed::{Mesh, NewClient, Part, Role, eventually};

/// People who talk, on both msg_servers.
struct People {
    amy: NewClient,
    bob: NewClient,
    sent: usize,
}

impl People {
    async fn come(mesh: &Mesh) -> Self {
        let amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
        let bob = NewClient::attach(mesh.msg_server_addr(1), "bob").await;
        Self { amy, bob, sent: 0 }
    }

    /// amy sends so many; gives the numbers of the requests.
    async fn send(&mut self, count: usize) -> Vec<u64> {
        let mut requests = Vec::new();
        for _ in 0..count {
            let body = self.sent.to_string();
            requests
                .push(self.amy.send_with("SEND_MESSAGE_P2P", &["bob", &body], json!({"MsgId": body})).await);
            self.sent += 1;
        }
        requests
    }

    async fn acked(&mut self, requests: Vec<u64>) {
        for seq in requests {
            let answer = self.amy.answer(seq).await;
            assert_eq!(answer["CmdName"], "OK", "{answer}");
        }
    }

    /// bob gets the newest `count`, in order.
    async fn arrive(&mut self, count: usize) {
        let wanted: Vec<_> = (self.sent - count..self.sent).map(|n| n.to_string()).collect();
        assert_eq!(self.bob.texts("u/bob", count).await, wanted);
    }
}

async fn links_are_given_up(mesh: &Mesh, figure: &str) {
    eventually(&format!("{figure} is 0"), async || {
        (mesh.figure(Part::MsgServer(0), figure).await == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_router_that_stood_still_brings_what_it_held_up_once() {
    let mesh = Mesh::builder().start().await;
    let mut people = People::come(&mesh).await;
    for _ in 0..3 {
        mesh.pause(Part::Router(0));
        let requests = people.send(20).await;
        people.acked(requests).await;
        links_are_given_up(&mesh, "Routers").await;
        let requests = people.send(20).await;
        people.acked(requests).await;
        mesh.resume(Part::Router(0));
        people.arrive(40).await;
    }
}

#[tokio::test]
async fn a_manager_that_stood_still_stores_each_append_once() {
    let mesh = Mesh::builder().set(Role::MsgServer, "AppendTimeout", 60).start().await;
    let mut people = People::come(&mesh).await;
    for _ in 0..3 {
        mesh.pause(Part::Manager(0));
        let mut requests = people.send(30).await;
        links_are_given_up(&mesh, "Managers").await;
        requests.extend(people.send(30).await);
        mesh.resume(Part::Manager(0));
        people.acked(requests).await;
        people.arrive(60).await;
    }
}

#[tokio::test]
async fn a_msg_server_that_stood_still_has_lost_nothing_for_its_clients() {
    let mesh = Mesh::builder().start().await;
    let mut people = People::come(&mesh).await;
    for _ in 0..3 {
        mesh.pause(Part::MsgServer(1));
        let requests = people.send(20).await;
        people.acked(requests).await;
        eventually("the gateway passes it over", async || {
            (mesh.figure(Part::Gateway(0), "LiveMsgServers").await == 1).then_some(())
        })
        .await;
        let requests = people.send(20).await;
        people.acked(requests).await;
        mesh.resume(Part::MsgServer(1));
        people.arrive(40).await;
        mesh.settled().await;
    }
}
