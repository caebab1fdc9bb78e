//! Frames that begin and do not end take bounded memory, however many clients send them.

use testbed::{Mesh, NewClient, Part, Role, eventually};

const LIMIT: usize = 1 << 20;
/// Of each frame there comes so much.
const BEGUN: usize = 500_000;
const CLIENTS: u64 = 8;

/// The beginning of a frame that the limit of frames allows.
fn beginning() -> Vec<u8> {
    let mut bytes = 1_000_000_u32.to_be_bytes().to_vec();
    bytes.resize(BEGUN, b' ');
    bytes
}

#[tokio::test]
async fn whoever_begins_a_frame_that_does_not_fit_any_more_is_disconnected_and_others_go_on() {
    let mesh = Mesh::builder().msg_servers(1).set(Role::MsgServer, "UnfinishedBytes", LIMIT).start().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    let figure = async |name: &str| mesh.figure(Part::MsgServer(0), name).await;
    let mut held = Vec::new();
    for n in 0..CLIENTS {
        let mut client = NewClient::login(mesh.msg_server_addr(0), &format!("eve{n}")).await;
        client.wire().write(&beginning()).await;
        held.push(client);
    }
    // Two of them fit.
    eventually("the others are disconnected", async || {
        (figure("UnfinishedEndedTotal").await == CLIENTS - 2).then_some(())
    })
    .await;
    let bytes = figure("UnfinishedBytes").await;
    assert!((BEGUN as u64..=LIMIT as u64).contains(&bytes), "{bytes} bytes are held");
    amy.send_p2p("amy", &"x".repeat(10_000), "m1").await;
    drop(held);
    eventually("what was held is given back", async || (figure("UnfinishedBytes").await == 0).then_some(()))
        .await;
    amy.send_p2p("amy", &"x".repeat(500_000), "m2").await;
}
