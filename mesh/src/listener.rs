//! Accepts connections, within limits, and runs each in a task of its own.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::config::ProcessConfig;
use crate::connection::{self, Peer};
use crate::outbox::Outbox;
use crate::process::Shutdown;
use crate::tls::Certificate;

/// On what terms connections are accepted.
#[derive(Debug, Clone)]
pub struct Terms {
    /// How many may be open, in all.
    connections: usize,
    /// From one IPv4 address, or one IPv6 network of 64 bits.
    per_address: usize,
    /// Bytes that may wait to be written to one.
    queue_bytes: usize,
    /// What those are shown that speak TLS.
    certificate: Certificate,
}

impl Terms {
    /// As the config has them; `queue_bytes` may wait to be written to one connection.
    pub fn new(config: &ProcessConfig, queue_bytes: usize) -> Self {
        Self {
            connections: config.connection_limit(),
            per_address: config.max_connections_per_address,
            queue_bytes,
            certificate: config.certificate.clone(),
        }
    }
}

/// How many connections are open, in all and by origin.
#[derive(Default)]
pub struct Census {
    by_origin: Mutex<HashMap<Origin, usize>>,
}

impl Census {
    /// Connections that are open.
    pub fn open(&self) -> usize {
        self.by_origin.lock().values().sum()
    }

    /// Counts one more; false, and none is counted, where that would be more than the terms allow.
    fn enter(&self, origin: Origin, terms: &Terms) -> bool {
        let mut by_origin = self.by_origin.lock();
        let total: usize = if by_origin.len() > 1 { by_origin.values().sum() } else { 0 };
        let here = by_origin.get(&origin).copied().unwrap_or(0);
        if here >= terms.per_address || total.max(here) >= terms.connections {
            return false;
        }
        by_origin.insert(origin, here + 1);
        true
    }

    fn leave(&self, origin: Origin) {
        let mut by_origin = self.by_origin.lock();
        if let Some(count) = by_origin.get_mut(&origin) {
            *count -= 1;
            if *count == 0 {
                by_origin.remove(&origin);
            }
        }
    }
}

/// Whose connections count together: those of one IPv4 address, or of one IPv6 network of 64 bits, for whoever has one
/// such address has all of that network's (RFC 6177).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Origin {
    V4(Ipv4Addr),
    V6([u16; 4]),
}

impl From<IpAddr> for Origin {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self::V6([a, b, c, d])
            }
        }
    }
}

/// What the connections of one listener have in common.
struct Port {
    census: Arc<Census>,
    terms: Terms,
    /// Their last words are to take no longer.
    time_over: CancellationToken,
}

/// One connection's place in the census, given back when it is dropped.
struct Place {
    port: Arc<Port>,
    origin: Origin,
}

impl Place {
    fn take(port: &Arc<Port>, address: IpAddr) -> Option<Self> {
        let origin = Origin::from(address);
        port.census.enter(origin, &port.terms).then(|| Self { port: Arc::clone(port), origin })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.port.census.leave(self.origin);
    }
}

/// Out of file descriptors: nothing can be accepted until some connection ends.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts until the process drains; `greet` makes what speaks on each connection. Connections live on after that: who
/// drains ends them.
pub async fn accept<P: Peer + 'static>(
    listener: TcpListener,
    terms: Terms,
    census: Arc<Census>,
    shutdown: Shutdown,
    greet: impl Fn(SocketAddr, &Arc<Outbox>) -> P,
) {
    let port = Arc::new(Port { census, terms, time_over: shutdown.time_over().clone() });
    loop {
        let accepted = tokio::select! {
            () = shutdown.draining() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => {
                if let Some(place) = Place::take(&port, address.ip()) {
                    start(stream, address, place, &shutdown, &greet);
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
    place: Place,
    shutdown: &Shutdown,
    greet: &impl Fn(SocketAddr, &Arc<Outbox>) -> P,
) {
    let Ok((read, outbox)) = connection::take(stream, place.port.terms.queue_bytes) else { return };
    let mut peer = greet(address, &outbox);
    shutdown.spawn(async move {
        let Port { terms, time_over, .. } = &*place.port;
        let ended = connection::drive(read, outbox, &mut peer, Some(&terms.certificate), time_over).await;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn port() -> Arc<Port> {
        let certificate = Certificate::default();
        let terms = Terms { connections: 100, per_address: 2, queue_bytes: 0, certificate };
        Arc::new(Port { census: Arc::default(), terms, time_over: CancellationToken::new() })
    }

    fn take(port: &Arc<Port>, address: &str) -> Option<Place> {
        Place::take(port, address.parse().unwrap())
    }

    #[test]
    fn one_ipv6_network_counts_as_one_address() {
        let port = port();
        let _places =
            ["2001:db8:0:1::1", "2001:db8:0:1:ffff::2"].map(|address| take(&port, address).unwrap());
        assert!(take(&port, "2001:db8:0:1::3").is_none());
        assert!(take(&port, "2001:db8:0:2::1").is_some());
    }

    #[test]
    fn an_ipv4_address_counts_as_itself_also_where_it_comes_as_ipv6() {
        let port = port();
        let _places = ["192.0.2.1", "::ffff:192.0.2.1"].map(|address| take(&port, address).unwrap());
        assert!(take(&port, "::ffff:192.0.2.1").is_none());
        assert!(take(&port, "::ffff:192.0.2.2").is_some());
    }

    #[test]
    fn who_leaves_makes_room_and_is_forgotten() {
        let port = port();
        let places = [(); 2].map(|()| take(&port, "192.0.2.1").unwrap());
        assert_eq!(port.census.open(), 2);
        drop(places);
        assert!(take(&port, "192.0.2.1").is_some());
        assert_eq!(port.census.open(), 0);
        assert!(port.census.by_origin.lock().is_empty());
    }
}
