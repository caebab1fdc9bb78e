//! The router: knows which msg_server holds which user and follows which topic, and forwards between them.
//!
//! What it knows it was told over its links, and it keeps nothing: any number of routers may run, and each may die at
//! any time. Whoever follows a log asks its owner for what a router that died did not bring.
//!
//! Invariants:
//! - a change is confirmed only once the directory has it: from then on every message of that log is forwarded;
//! - a message is forwarded as the very bytes that came, one copy for all recipients, and never to where it came from;
//! - a queue that overflows ends its link, and all others are told; but for volatile messages, of which those are dropped that
//!   find half of a queue full, nothing is ever left out of a link that stands;
//! - what a msg_server said is forgotten when its link ends.

pub mod directory;
mod exchange;
mod server_link;
mod shards;
pub mod standing;

use std::io;
use std::sync::Arc;

use mesh::config::{Role, RouterConfig};
use mesh::health;
use mesh::link::{Dial, dial_all};
use mesh::process::Shutdown;
use protocol::channel::Channel;
use thiserror::Error;
use tokio::net::TcpListener;

use exchange::Exchange;
use server_link::ServerLink;

/// Why a router cannot run.
#[derive(Debug, Error)]
pub enum RouterError {
    /// The listener is of no use.
    #[error("the address of the listener cannot be told: {0}")]
    Listener(#[from] io::Error),
}

/// Runs a router until `shutdown` drains it and what waited then has left.
///
/// # Errors
/// [`RouterError`] if it cannot begin.
pub async fn run(config: RouterConfig, listener: TcpListener, shutdown: Shutdown) -> Result<(), RouterError> {
    let address = listener.local_addr()?.to_string();
    let dial = Dial::new(Role::Router, &config.process, &config.links, &config.dial, &CHANNELS);
    let identity = Arc::new(dial.identity(address));
    let exchange = Arc::new(Exchange::new(config.links.link_queue_bytes, shutdown.clone()));
    let (for_links, who) = (Arc::clone(&exchange), Arc::clone(&identity));
    shutdown
        .spawn(dial_all(dial, shutdown.clone(), move |address| ServerLink::new(address, &for_links, &who)));
    health::serve(listener, &config.process, identity, Arc::clone(&exchange), &shutdown).await;
    tokio::select! {
        () = exchange.flushed() => {}
        () = shutdown.cancelled() => {}
    }
    // Nobody is left who needs the links.
    shutdown.cancel();
    Ok(())
}

/// What a router subscribes to, in this order. Messages first: when the snapshots have ended, and the others are told that the
/// msg_server is back, it sends over this link and not over an earlier one that is dead; what it sent there is asked for.
pub const CHANNELS: [Channel; 4] =
    [Channel::Send, Channel::ClientStatus, Channel::TopicSync, Channel::TopicStatus];
