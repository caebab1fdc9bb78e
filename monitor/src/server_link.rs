//! The monitor's end of the link to one msg_server.

use std::sync::Arc;

use mesh::config::HostPort;
use mesh::connection::Close;
use mesh::link::{LinkHandler, LinkId};
use mesh::outbox::{Outbox, Turn};
use mesh::report::{Identity, Report};
use protocol::link::Frame;

use crate::mesh_watch::MeshWatch;

/// The longest report that is kept, in bytes.
const MAX_REPORT_BYTES: usize = 16 * 1024;

/// Takes every report that one msg_server publishes.
pub struct ServerLink {
    address: String,
    watch: Arc<MeshWatch>,
    identity: Arc<Identity>,
}

impl ServerLink {
    /// For the msg_server that is dialled at `address`.
    pub fn new(address: &HostPort, watch: &Arc<MeshWatch>, identity: &Arc<Identity>) -> Self {
        let address = address.to_string();
        watch.link(&address, false);
        Self { address, watch: Arc::clone(watch), identity: Arc::clone(identity) }
    }

    /// One process's broken report is no reason to hear nothing of the others.
    fn take(&self, json: &[u8]) {
        if json.len() > MAX_REPORT_BYTES {
            tracing::warn!(msg_server = %self.address, bytes = json.len(), "a report that is too long was left out");
            return;
        }
        match serde_json::from_slice::<Report>(json) {
            Ok(report) => self.watch.reported(&self.address, report),
            Err(error) => tracing::warn!(msg_server = %self.address, %error, "a report cannot be read"),
        }
    }
}

impl LinkHandler for ServerLink {
    fn up(&mut self, _id: LinkId, _outbox: &Arc<Outbox>, _turn: &mut Turn) {
        tracing::info!(msg_server = %self.address, "linked");
        self.watch.link(&self.address, true);
    }

    fn frame(&mut self, frame: Frame<'_>, _whole: &[u8], _turn: &mut Turn) -> Result<(), Close> {
        if let Frame::Report(json) = frame {
            self.take(json);
        }
        Ok(())
    }

    fn report(&self) -> Vec<u8> {
        self.identity.report_json(&*self.watch)
    }

    fn down(&mut self, _turn: &mut Turn) {
        self.watch.link(&self.address, false);
    }
}

impl Drop for ServerLink {
    fn drop(&mut self) {
        self.watch.link_gone(&self.address);
    }
}
