//! The gateway's end of the link to one msg_server.

use std::sync::Arc;

use mesh::config::HostPort;
use mesh::connection::Close;
use mesh::link::{LinkHandler, LinkId};
use mesh::outbox::{Outbox, Turn};
use mesh::report::{Identity, Report};
use protocol::link::Frame;

use crate::desk::Desk;

/// The role that a msg_server's reports name.
const MSG_SERVER: &str = "msg_server";

/// Takes one msg_server's reports to the desk. Other processes' reports, which come the same way, are not for a
/// gateway.
pub struct ServerLink {
    address: HostPort,
    desk: Arc<Desk>,
    identity: Arc<Identity>,
}

impl ServerLink {
    /// For the msg_server that is dialled at `address`.
    pub fn new(address: &HostPort, desk: &Arc<Desk>, identity: &Arc<Identity>) -> Self {
        Self { address: address.clone(), desk: Arc::clone(desk), identity: Arc::clone(identity) }
    }
}

impl LinkHandler for ServerLink {
    fn up(&mut self, _id: LinkId, _outbox: &Arc<Outbox>, _turn: &mut Turn) {
        tracing::info!(msg_server = %self.address, "linked");
    }

    fn frame(&mut self, frame: Frame<'_>, _whole: &[u8], turn: &mut Turn) -> Result<(), Close> {
        if let Frame::Report(json) = frame {
            let report: Report = serde_json::from_slice(json)
                .map_err(|error| Close::silently(format!("a report that cannot be read: {error}")))?;
            if report.process == MSG_SERVER {
                self.desk.reported(&self.address, &report, turn);
            }
        }
        Ok(())
    }

    fn report(&self) -> Vec<u8> {
        self.identity.report_json(&*self.desk)
    }

    fn down(&mut self, _turn: &mut Turn) {
        self.desk.link_down(&self.address);
    }
}

impl Drop for ServerLink {
    /// The msg_server was taken from the list, or this process stops: no incarnation's end is heard of then.
    fn drop(&mut self) {
        self.desk.link_down(&self.address);
    }
}
