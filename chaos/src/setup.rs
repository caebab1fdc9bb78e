//! Before the traffic: accounts and topics.

use std::net::SocketAddr;

use futures::stream::{self, StreamExt, TryStreamExt};
use protocol::command::{Packet, name};

use crate::message;
use crate::wire::{self, Connection, WireError};
use crate::workload::Workload;

/// Accounts that are made at one time.
const AT_ONCE: usize = 16;
/// The device that makes them, which is not the one that talks.
const DEVICE: &str = "setup";

/// Has every user logged in once, and be a member of its topics.
///
/// # Errors
/// [`WireError`]: nothing disturbs the mesh yet, so that is one at once.
pub async fn prepare(gateway: SocketAddr, workload: &Workload) -> Result<(), WireError> {
    for (topic, members) in workload.topics.iter().enumerate() {
        if let Some(first) = members.first() {
            let mut connection = wire::log_in(gateway, &message::user(*first), DEVICE).await?;
            enter(&mut connection, name::CREATE_TOPIC, topic).await?;
        }
    }
    let clients = stream::iter((0..workload.clients).map(Ok));
    clients.try_for_each_concurrent(AT_ONCE, |client| join(gateway, workload, client)).await
}

async fn join(gateway: SocketAddr, workload: &Workload, client: usize) -> Result<(), WireError> {
    let mut connection = wire::log_in(gateway, &message::user(client), DEVICE).await?;
    let topics = stream::iter(workload.topics_of(client)).collect::<Vec<_>>().await;
    for topic in topics {
        enter(&mut connection, name::JOIN_TOPIC, topic).await?;
    }
    Ok(())
}

async fn enter(connection: &mut Connection, how: &str, topic: usize) -> Result<(), WireError> {
    connection.ask(Packet::new(how, [&message::topic(topic)]), |_| {}).await.map(drop)
}
