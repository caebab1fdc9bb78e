//! What a process says of itself over HTTP.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// The answer of `/healthz` or `/readyz`.
#[derive(Debug, Clone)]
pub struct Health {
    /// The HTTP status: 200 or 503.
    pub status: u16,
    /// The JSON object: `Process`, `Ready`, `Troubles`, `Figures`, …
    pub report: Value,
}

impl Health {
    /// A figure that is a number; 0 where there is no such figure.
    pub fn figure(&self, name: &str) -> u64 {
        self.report["Figures"][name].as_u64().unwrap_or(0)
    }
}

/// Asks for `path`; `None` where there is no answer in time.
pub async fn ask(address: SocketAddr, path: &str) -> Option<Health> {
    let (status, body) = http_get(address, path).await?;
    Some(Health { status, report: serde_json::from_str(&body).ok()? })
}

/// The status and the body of a page that a process serves; `None` where there is no answer in time.
pub async fn http_get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let answer = timeout(ANSWER_WITHIN, exchange(address, path)).await.ok()?.ok()?;
    let status = answer.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some((status, answer.split_once("\r\n\r\n")?.1.to_owned()))
}

async fn exchange(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())
        .await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
