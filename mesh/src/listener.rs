//! Accepts connections, within limits, and runs each in a task of its own.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};

use crate::connection::{self, Peer};
use crate::outbox::Outbox;
use crate::process::Shutdown;

/// How many connections may be open.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// In all.
    pub connections: usize,
    /// From one address.
    pub per_address: usize,
    /// Bytes that may wait to be written to one connection.
    pub queue_bytes: usize,
}

/// How many connections are open, in all and by address.
#[derive(Default)]
pub struct Census {
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

impl Census {
    /// Connections that are open.
    pub fn open(&self) -> usize {
        self.by_address.lock().values().sum()
    }

    fn enter(self: &Arc<Self>, address: IpAddr, limits: Limits) -> Option<Place> {
        let mut by_address = self.by_address.lock();
        let total: usize = if by_address.len() > 1 { by_address.values().sum() } else { 0 };
        let here = by_address.get(&address).copied().unwrap_or(0);
        if here >= limits.per_address || total.max(here) >= limits.connections {
            return None;
        }
        by_address.insert(address, here + 1);
        Some(Place { census: Arc::clone(self), address })
    }
}

/// One connection's place in the census, given back when it is dropped.
struct Place {
    census: Arc<Census>,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut by_address = self.census.by_address.lock();
        if let Some(count) = by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&self.address);
            }
        }
    }
}

/// Out of file descriptors: nothing can be accepted until some connection ends.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts until the process drains; `greet` makes what speaks on each connection. Connections live on after that: who
/// drains ends them.
pub async fn accept<P: Peer + 'static>(
    listener: TcpListener,
    limits: Limits,
    census: Arc<Census>,
    shutdown: Shutdown,
    greet: impl Fn(SocketAddr, &Arc<Outbox>) -> P,
) {
    loop {
        let accepted = tokio::select! {
            () = shutdown.draining() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => {
                if let Some(place) = census.enter(address.ip(), limits) {
                    start(stream, address, limits, place, &shutdown, &greet);
                } else {
                    tracing::debug!(%address, "refused a connection: the limit is reached");
                }
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections: raise the limit of open files (ulimit -n)");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn start<P: Peer + 'static>(
    stream: TcpStream,
    address: SocketAddr,
    limits: Limits,
    place: Place,
    shutdown: &Shutdown,
    greet: &impl Fn(SocketAddr, &Arc<Outbox>) -> P,
) {
    let Ok((read, outbox)) = connection::take(stream, limits.queue_bytes) else { return };
    let mut peer = greet(address, &outbox);
    shutdown.spawn(async move {
        let ended = connection::drive(read, outbox, &mut peer).await;
        tracing::trace!(%address, ?ended, "connection ended");
        drop(place);
    });
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}
