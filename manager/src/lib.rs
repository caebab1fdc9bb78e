//! The manager: owns logs. It gives versions, persists, answers reads, and keeps accounts, topics and cursors.
//!
//! It dials every msg_server and takes from each what is to be stored; all of that ends in one
//! [`Store`](storage::Store).
//!
//! Invariants:
//! - an append is answered once the store has answered it, never before; whatever refuses it says whether it may be
//!   stored all the same;
//! - appends of one link to one log reach the store in the order in which they came;
//! - what is under way is bounded in bytes: beyond that everything is refused as busy, and nothing is queued;
//! - every question is answered, also by a refusal, for as long as the link stands that it came over;
//! - of passwords and tokens nothing but hashes comes here, and none of them is ever logged;
//! - when the store fails for good, nothing more is acknowledged and the process ends.

pub mod accounts;
pub mod answers;
mod appends;
mod budget;
mod desk;
pub mod edge;
pub mod holds;
mod latency;
mod news;
pub mod open;
mod pairs;
mod reads;
mod receipts;
mod requests;
mod retention;
mod server_link;
pub mod stamps;
mod topic_limit;
mod topic_quota;
mod topics;
mod vitals;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mesh::config::{ManagerConfig, Role};
use mesh::health;
use mesh::link::{Dial, dial_all};
use mesh::process::Shutdown;
use mesh::report::Identity;
use protocol::channel::Channel;
use storage::StoreError;
use storage::embedded::OpenError;
use thiserror::Error;
use tokio::net::TcpListener;

use desk::Desk;
use server_link::ServerLink;
use vitals::Vitals;

pub use open::OpenStore;

/// What a manager subscribes to, in this order.
const CHANNELS: [Channel; 3] = [Channel::StoreMessage, Channel::StoreClientInfo, Channel::StoreTopicInfo];

/// How long refusals may take to leave once the store has failed.
const LAST_REFUSALS: Duration = Duration::from_secs(1);

/// Why a manager cannot run, or cannot go on.
#[derive(Debug, Error)]
pub enum ManagerError {
    /// The listener is of no use.
    #[error("the address of the listener cannot be told: {0}")]
    Listener(#[from] io::Error),
    /// The store cannot be opened; the text says what to do.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Opening or closing the store panicked.
    #[error("the store could not be opened or closed, by a fault of the program: {0}")]
    Fault(#[from] tokio::task::JoinError),
    /// The store failed while it was in use.
    #[error(
        "{0}. Nothing more is acknowledged, and this manager ends: what was acknowledged is on disk. Mend the cause, \
         then start the manager again: it finds out how far the last writes came"
    )]
    Failed(StoreError),
}

/// Runs a manager until `shutdown` drains it, and what was under way is answered.
///
/// # Errors
/// [`ManagerError`] if its store cannot be opened, or fails for good.
pub async fn run(
    config: ManagerConfig,
    listener: TcpListener,
    shutdown: Shutdown,
) -> Result<(), ManagerError> {
    run_with(open::open, config, listener, shutdown).await
}

/// As [`run`], over the store that `open` opens: called on a thread that may block, while the process answers already
/// that it is not ready.
///
/// # Errors
/// As [`run`].
pub async fn run_with(
    open: impl FnOnce(&ManagerConfig) -> Result<OpenStore, OpenError> + Send + 'static,
    config: ManagerConfig,
    listener: TcpListener,
    shutdown: Shutdown,
) -> Result<(), ManagerError> {
    let dial = Dial::new(Role::Manager, &config.process, &config.links, &config.dial, &CHANNELS);
    let identity = Arc::new(dial.identity(listener.local_addr()?.to_string()));
    let vitals = Arc::new(Vitals::new(config.links.link_queue_bytes, shutdown.clone()));
    let health =
        serve_health(config.clone(), listener, Arc::clone(&identity), Arc::clone(&vitals), shutdown.clone());
    shutdown.spawn(health);
    let opening = tokio::task::spawn_blocking({
        let config = config.clone();
        move || open(&config)
    });
    let opened = tokio::select! {
        opened = opening => opened??,
        () = shutdown.draining() => return Ok(()),
    };
    let outcome = work(opened, &config, &vitals, (dial, identity), &shutdown).await;
    let bound = if outcome.is_ok() { shutdown.drain_time() } else { LAST_REFUSALS };
    let _ = tokio::time::timeout(bound, vitals.quiet()).await;
    // Nobody is left who needs the links.
    shutdown.cancel();
    outcome?;
    shutdown.tasks_ended().await;
    // The last one to hold the store: closing it waits for its threads.
    Ok(tokio::task::spawn_blocking(move || drop(vitals)).await?)
}

/// Serves the msg_servers until the process drains or the store has failed.
async fn work(
    OpenStore { store, failed }: OpenStore,
    config: &ManagerConfig,
    vitals: &Arc<Vitals>,
    (dial, identity): (Dial, Arc<Identity>),
    shutdown: &Shutdown,
) -> Result<(), ManagerError> {
    tracing::info!(store = %store.id(), "the store is open");
    shutdown.spawn(pairs::keep_completing(Arc::clone(&store), shutdown.clone()));
    if let Some(age) = config.retention {
        shutdown.spawn(retention::keep_trimming(Arc::clone(&store), age, shutdown.clone()));
    }
    let dial = dial.with_store(store.id().to_string());
    vitals.opened(Arc::clone(&store), Arc::clone(dial.refusals()));
    let desk = Desk::new(store, Arc::clone(vitals), identity, config, shutdown.clone());
    shutdown.spawn(dial_all(dial, shutdown.clone(), move |address| ServerLink::new(address, &desk)));
    tokio::select! {
        () = shutdown.draining() => Ok(()),
        error = failed => Err(ManagerError::Failed(error)),
    }
}

async fn serve_health(
    config: ManagerConfig,
    listener: TcpListener,
    identity: Arc<Identity>,
    vitals: Arc<Vitals>,
    shutdown: Shutdown,
) {
    health::serve(listener, &config.process, identity, vitals, &shutdown).await;
}
