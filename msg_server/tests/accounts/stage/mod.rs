//! A msg_server in this process, with a manager, a router and clients that the tests play.

pub mod book;
pub mod client;
pub mod link;

use std::net::SocketAddr;
use std::time::Duration;

use mesh::config::{MsgServerConfig, RoleConfig};
use mesh::process::Shutdown;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub use book::Book;
pub use client::Client;
pub use link::Link;

/// How long a test waits for what has to happen.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A msg_server that runs until the test ends.
pub struct Server {
    pub address: SocketAddr,
    shutdown: Shutdown,
}

impl Server {
    /// In this mode, with these further keys, as `,"Key":value`.
    pub async fn start(mode: &str, keys: &str) -> Self {
        let text = format!(r#"{{"AuthMode":"{mode}","Listen":"127.0.0.1:0"{keys}}}"#);
        let config =
            MsgServerConfig::parse(&text, "the test's config").unwrap_or_else(|error| panic!("{error}"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, shutdown) = (listener.local_addr().unwrap(), Shutdown::new(Duration::ZERO));
        tokio::spawn(msg_server::run(config.config, listener, shutdown.clone()));
        Self { address, shutdown }
    }

    /// In mode accounts, with a manager that keeps an empty book.
    pub async fn with_manager(keys: &str) -> (Self, Book) {
        let server = Self::start("accounts", keys).await;
        let book = Book::default();
        book.serve(server.address).await;
        (server, book)
    }

    /// A client that has said nothing yet.
    pub async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    /// A figure, as `/readyz` tells it.
    pub async fn figure(&self, name: &str) -> u64 {
        self.health().await["Figures"][name].as_u64().unwrap_or_else(|| panic!("no figure {name}"))
    }

    /// All that `/readyz` tells.
    pub async fn health(&self) -> serde_json::Value {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(b"GET /readyz HTTP/1.1\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown.drain();
        self.shutdown.cancel();
    }
}
