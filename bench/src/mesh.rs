//! The mesh that is loaded: one of our own, or one that runs.

use std::net::SocketAddr;

use testbed::{Mesh, Role};

use crate::Options;
use crate::spent::{Meter, Spent};

/// A mesh under load.
pub struct Target {
    own: Option<Mesh>,
    addresses: Vec<SocketAddr>,
}

impl Target {
    /// Starts a mesh, unless one was named.
    pub async fn start(options: &Options) -> Self {
        if !options.msg_server.is_empty() {
            return Self { own: None, addresses: options.msg_server.clone() };
        }
        let mesh = Mesh::builder()
            .msg_servers(options.msg_servers)
            .set(Role::MsgServer, "MaxConnectionsPerAddress", 100_000)
            .start()
            .await;
        mesh.settled().await;
        let addresses = (0..options.msg_servers).map(|index| mesh.msg_server_addr(index)).collect();
        Self { own: Some(mesh), addresses }
    }

    /// The msg_server of the connection with this index: they are dealt out in turn.
    pub fn address(&self, index: usize) -> SocketAddr {
        self.addresses[index % self.addresses.len()]
    }

    /// Reads the meters, if the mesh is ours.
    pub fn meter(&self) -> Option<Meter> {
        self.own.as_ref().map(Meter::read)
    }

    /// What was spent since.
    pub fn spent_since(&self, meter: &Option<Meter>) -> Vec<Spent> {
        match (&self.own, meter) {
            (Some(mesh), Some(meter)) => meter.since(mesh),
            _ => Vec::new(),
        }
    }
}
