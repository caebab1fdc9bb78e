//! The monitor: collects what all processes of a mesh report, and shows it.
//!
//! It dials every msg_server and hears on `/sysctrl/monitor` what that one and whoever is linked to it report. It
//! holds the newest report of each and nothing else: it may be started, stopped or left out at any time.
//!
//! - [`collect`], [`rates`], [`view`], [`metrics`]: what is known and how it is told, without sockets or clocks;
//! - `server_link`, `web`: where reports come from, and where they are read.
//!
//! Invariants: nothing here is written to the mesh; the page loads nothing from elsewhere; memory is bounded.

pub mod collect;
mod mesh_watch;
pub mod metrics;
pub mod rates;
mod server_link;
pub mod view;
mod web;

use std::io;
use std::sync::Arc;

use mesh::config::{MonitorConfig, Role};
use mesh::health;
use mesh::link::{Dial, dial_all};
use mesh::process::{BindError, Shutdown, bind};
use protocol::channel::Channel;
use thiserror::Error;
use tokio::net::TcpListener;

use mesh_watch::MeshWatch;
use server_link::ServerLink;

/// Why a monitor cannot run.
#[derive(Debug, Error)]
pub enum MonitorError {
    /// The page's address is taken, or not ours.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A listener is of no use.
    #[error("the listener cannot be used: {0}")]
    Listener(#[from] io::Error),
}

/// Runs a monitor until `shutdown` drains it; the page is served on `WebListen`.
///
/// # Errors
/// [`MonitorError`] if it cannot begin.
pub async fn run(
    config: MonitorConfig,
    listener: TcpListener,
    shutdown: Shutdown,
) -> Result<(), MonitorError> {
    let page = bind(config.web_listen, "WebListen")?;
    serve(config, listener, page, shutdown).await
}

/// As [`run`], with a listener for the page.
///
/// # Errors
/// [`MonitorError`] if it cannot begin.
pub async fn serve(
    config: MonitorConfig,
    listener: TcpListener,
    page: TcpListener,
    shutdown: Shutdown,
) -> Result<(), MonitorError> {
    let address = listener.local_addr()?.to_string();
    let dial = Dial::new(Role::Monitor, &config.process, &config.links, &config.dial, &[Channel::Monitor]);
    let identity = Arc::new(dial.identity(address));
    let watch = Arc::new(MeshWatch::new(config.dial.beat_time, shutdown.clone()));
    serve_page(page, &watch, &shutdown)?;
    let (for_links, who) = (Arc::clone(&watch), Arc::clone(&identity));
    shutdown
        .spawn(dial_all(dial, shutdown.clone(), move |address| ServerLink::new(address, &for_links, &who)));
    health::serve(listener, &config.process, identity, watch, &shutdown).await;
    // Nobody depends on a monitor: there is nothing to wait for.
    shutdown.cancel();
    Ok(())
}

fn serve_page(page: TcpListener, watch: &Arc<MeshWatch>, shutdown: &Shutdown) -> Result<(), MonitorError> {
    let address = page.local_addr()?;
    let server = web::serve(page.into_std()?, Arc::clone(watch))?;
    let handle = server.handle();
    shutdown.spawn(server);
    let draining = shutdown.clone();
    shutdown.spawn(async move {
        draining.draining().await;
        handle.stop(false).await;
    });
    tracing::info!("the page is at http://{address}/");
    Ok(())
}
