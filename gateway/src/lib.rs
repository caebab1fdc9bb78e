//! The gateway: tells a client which msg_server suits it best.
//!
//! It dials every msg_server, hears from each how loaded it is, and hands out addresses. It holds nothing that would
//! have to be kept: any number of gateways may run, and each may die at any time.
//!
//! Invariants:
//! - an address that is handed out is, byte for byte, what the msg_server itself calls its own: old clients compare it;
//! - nobody is sent to a msg_server that drains, whose link is down or that was silent for three beats ([`pick`]);
//! - an old client is never sent a frame that it does not know: where it cannot be answered it is closed without one.

mod desk;
mod peer;
pub mod pick;
mod server_link;

use std::io;
use std::sync::Arc;

use mesh::config::{GatewayConfig, Role};
use mesh::link::{Dial, dial_all};
use mesh::listener::{Census, Terms, accept};
use mesh::process::Shutdown;
use protocol::channel::Channel;
use thiserror::Error;
use tokio::net::TcpListener;

use desk::Desk;
use peer::{Bounds, ClientPeer};
use server_link::ServerLink;

/// Bytes of answers that may wait for one client: some hundred answers.
const CLIENT_QUEUE_BYTES: usize = 64 * 1024;

/// Why a gateway cannot run.
#[derive(Debug, Error)]
pub enum GatewayError {
    /// The listener is of no use.
    #[error("the address of the listener cannot be told: {0}")]
    Listener(#[from] io::Error),
}

/// Runs a gateway until `shutdown` drains it, and all of its connections have ended.
///
/// # Errors
/// [`GatewayError`] if it cannot begin.
pub async fn run(
    config: GatewayConfig,
    listener: TcpListener,
    shutdown: Shutdown,
) -> Result<(), GatewayError> {
    let address = listener.local_addr()?.to_string();
    let dial = Dial::new(Role::Gateway, &config.process, &config.links, &config.dial, &[Channel::Monitor]);
    let identity = Arc::new(dial.identity(address));
    let desk = Arc::new(Desk::new(config.dial.beat_time, Arc::clone(&identity), shutdown.clone()));
    let for_links = Arc::clone(&desk);
    shutdown.spawn(dial_all(dial, shutdown.clone(), move |address| {
        ServerLink::new(address, &for_links, &identity)
    }));
    let bounds = bounds(&config);
    accept(
        listener,
        Terms::new(&config.process, CLIENT_QUEUE_BYTES),
        Arc::new(Census::default()),
        shutdown.clone(),
        |_, outbox| ClientPeer::new(&desk, outbox, bounds),
    )
    .await;
    desk.drain().await;
    // Nobody is left who needs the links.
    shutdown.cancel();
    Ok(())
}

fn bounds(config: &GatewayConfig) -> Bounds {
    Bounds {
        frame_bytes: config.process.max_frame_bytes,
        first_word: config.process.login_timeout,
        hold: config.old_client_hold,
    }
}
