//! A port whose peers repeat what they hear, and clients of it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use mesh::config::{ProcessConfig, RoleConfig, RouterConfig};
use mesh::connection::{Close, Peer};
use mesh::listener::{Census, Terms, accept};
use mesh::outbox::{Outbox, Turn};
use mesh::process::Shutdown;
use mesh::tls::Authority;
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::PATIENCE;
use crate::papers::Papers;

/// A port that is being served.
pub struct Port {
    pub address: SocketAddr,
    pub process: ProcessConfig,
    /// What the peer that spoke last knew of its connection.
    pub secure: Arc<AtomicBool>,
    shutdown: Shutdown,
}

/// What a client says to be told goodbye.
pub const BYE: &[u8] = b"bye";

/// What it is told then.
pub const GOODBYE: &[u8] = b"goodbye, and nothing more";

/// Repeats what it hears.
struct Echo {
    outbox: Arc<Outbox>,
    silent_until: Option<Instant>,
    secure: Arc<AtomicBool>,
}

impl Peer for Echo {
    fn received(&mut self, input: &[u8], turn: &mut Turn) -> Result<usize, Close> {
        self.silent_until = None;
        self.secure.store(self.outbox.is_secure(), Ordering::SeqCst);
        if input == BYE {
            return Err(Close::saying("it was asked to", Bytes::from_static(GOODBYE)));
        }
        self.outbox
            .push(Bytes::copy_from_slice(input), turn)
            .map_err(|error| Close::silently(error.to_string()))?;
        Ok(input.len())
    }

    fn deadline(&self) -> Option<Instant> {
        self.silent_until
    }

    fn timeout(&mut self, _turn: &mut Turn) -> Result<(), Close> {
        Err(Close::silently("nothing was said in time"))
    }
}

/// The keys of a process, of which some are given.
pub fn process_config(keys: &Value) -> ProcessConfig {
    RouterConfig::parse(&keys.to_string(), "router.json").unwrap().config.process().clone()
}

/// Accepts on `address` with what `greet` makes.
pub async fn serve<P: Peer + 'static>(
    address: &str,
    process: ProcessConfig,
    queue_bytes: usize,
    greet: impl Fn(&Arc<Outbox>) -> P + Send + Sync + 'static,
) -> (SocketAddr, Shutdown) {
    let listener = TcpListener::bind(address).await.unwrap();
    let (address, shutdown) = (listener.local_addr().unwrap(), Shutdown::new(Duration::ZERO));
    let (terms, until) = (Terms::new(&process, queue_bytes), shutdown.clone());
    tokio::spawn(async move {
        accept(listener, terms, Arc::new(Census::default()), until, |_, outbox| greet(outbox)).await;
    });
    (address, shutdown)
}

impl Port {
    /// On loopback, with these keys of a config.
    pub async fn start(keys: &Value) -> Self {
        Self::start_on("127.0.0.1:0", keys).await
    }

    pub async fn start_on(address: &str, keys: &Value) -> Self {
        let process = process_config(keys);
        let (secure, patience) = (Arc::new(AtomicBool::new(false)), process.login_timeout);
        let told = Arc::clone(&secure);
        let (address, shutdown) = serve(address, process.clone(), 1 << 20, move |outbox| Echo {
            outbox: Arc::clone(outbox),
            silent_until: Some(Instant::now() + patience),
            secure: Arc::clone(&told),
        })
        .await;
        Self { address, process, secure, shutdown }
    }

    pub async fn plain(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A client that believes `papers` and dials by `host`.
    pub async fn tls(&self, papers: &Papers, host: &str) -> io::Result<TlsStream<TcpStream>> {
        let client = Authority::read(&papers.ca()).unwrap().client_config().unwrap();
        tls_over(self.plain().await, client, host).await
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// Shakes hands over `stream`.
pub async fn tls_over(
    stream: TcpStream,
    client: Arc<rustls::ClientConfig>,
    host: &str,
) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(host.to_owned()).unwrap();
    timeout(PATIENCE, TlsConnector::from(client).connect(name, stream)).await.expect("a handshake in time")
}

/// Says something, and hears it repeated.
pub async fn echoes(stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin), said: &[u8]) {
    stream.write_all(said).await.unwrap();
    stream.flush().await.unwrap();
    let mut heard = vec![0; said.len()];
    timeout(PATIENCE, stream.read_exact(&mut heard)).await.expect("an answer in time").unwrap();
    assert!(heard == said);
}

/// Everything up to the end.
pub async fn rest(stream: &mut (impl AsyncReadExt + Unpin)) -> io::Result<Vec<u8>> {
    let mut rest = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("an end in time")?;
    Ok(rest)
}
