//! The port of a process that answers nothing but its health.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::{Health, answer, is_get};
use crate::config::ProcessConfig;
use crate::connection::{Close, Peer};
use crate::listener::{Census, Terms, accept};
use crate::outbox::{Outbox, Turn};
use crate::process::Shutdown;
use crate::report::Identity;

/// A page is one frame; nothing else is ever queued.
const QUEUE_BYTES: usize = 64 * 1024;

/// Answers `/healthz`, `/readyz` and `/metrics` on `listener` until the process drains, then closes what is open.
/// Whoever says anything else, or nothing whole within the time for a login, is closed.
pub async fn serve<H: Health>(
    listener: TcpListener,
    config: &ProcessConfig,
    identity: Arc<Identity>,
    health: Arc<H>,
    shutdown: &Shutdown,
) {
    let terms = Terms::new(config, QUEUE_BYTES);
    let open = Arc::new(Open::default());
    let census = Arc::new(Census::default());
    accept(listener, terms, census, shutdown.clone(), |_, outbox| {
        HealthPeer::new(&identity, Arc::clone(&health), config.login_timeout, &open, outbox)
    })
    .await;
    open.close_all();
}

/// The connections that are open, so that a process which ends need not wait for silent ones.
#[derive(Default)]
struct Open {
    next: AtomicU64,
    outboxes: Mutex<HashMap<u64, Arc<Outbox>>>,
}

impl Open {
    fn enter(&self, outbox: &Arc<Outbox>) -> u64 {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.outboxes.lock().insert(id, Arc::clone(outbox));
        id
    }

    fn close_all(&self) {
        self.outboxes.lock().values().for_each(|outbox| outbox.close(None));
    }
}

/// A connection that may ask for health, and for nothing else.
struct HealthPeer<H> {
    identity: Arc<Identity>,
    health: Arc<H>,
    deadline: Instant,
    open: Arc<Open>,
    id: u64,
}

impl<H: Health> HealthPeer<H> {
    fn new(
        identity: &Arc<Identity>,
        health: Arc<H>,
        patience: Duration,
        open: &Arc<Open>,
        outbox: &Arc<Outbox>,
    ) -> Self {
        let identity = Arc::clone(identity);
        let (open, id) = (Arc::clone(open), open.enter(outbox));
        Self { identity, health, deadline: Instant::now() + patience, open, id }
    }
}

impl<H: Health> Peer for HealthPeer<H> {
    fn received(&mut self, input: &[u8], _turn: &mut Turn) -> Result<usize, Close> {
        match is_get(input) {
            None => Ok(0),
            Some(true) => answer(input, &self.identity, &*self.health).map(|()| 0),
            Some(false) => Err(Close::silently("this port answers nothing but its health")),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.deadline)
    }

    fn timeout(&mut self, _turn: &mut Turn) -> Result<(), Close> {
        Err(Close::silently("no whole request in time"))
    }
}

impl<H> Drop for HealthPeer<H> {
    fn drop(&mut self) {
        self.open.outboxes.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::config::{RoleConfig, RouterConfig};

    struct Well;

    impl Health for Well {
        fn troubles(&self) -> Vec<String> {
            Vec::new()
        }

        fn figures(&self) -> serde_json::Map<String, serde_json::Value> {
            serde_json::Map::new()
        }
    }

    struct Served {
        address: std::net::SocketAddr,
        shutdown: Shutdown,
        serving: tokio::task::JoinHandle<()>,
    }

    async fn served(login_timeout: &str) -> Served {
        let text = format!(r#"{{"LoginTimeout":{login_timeout}}}"#);
        let config = RouterConfig::parse(&text, "f").unwrap().config;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, shutdown) = (listener.local_addr().unwrap(), Shutdown::new(Duration::ZERO));
        let (until, identity) = (shutdown.clone(), Arc::new(Identity::new("router", "u", "a")));
        let serving = tokio::spawn(async move {
            serve(listener, &config.process, identity, Arc::new(Well), &until).await;
        });
        Served { address, shutdown, serving }
    }

    async fn said(address: std::net::SocketAddr, what: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(what).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn health_is_answered_and_whoever_says_anything_else_is_closed() {
        let served = served("60").await;
        assert!(said(served.address, b"GET /healthz HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 200 "));
        assert_eq!(said(served.address, &[0, 0, 0, 2, b'{', b'}']).await, "");
    }

    #[tokio::test]
    async fn a_connection_that_says_nothing_is_closed_in_time() {
        let served = served("0.1").await;
        for half in [&b""[..], b"GE", b"GET /healthz HTTP/1.1\r\n"] {
            assert_eq!(said(served.address, half).await, "");
        }
    }

    #[tokio::test]
    async fn a_silent_connection_does_not_hold_up_the_end() {
        let served = served("600").await;
        let mut silent = TcpStream::connect(served.address).await.unwrap();
        // Answered after the silent one was accepted.
        said(served.address, b"GET /readyz HTTP/1.1\r\n\r\n").await;
        served.shutdown.drain();
        served.serving.await.unwrap();
        assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
        served.shutdown.tasks_ended().await;
    }
}
