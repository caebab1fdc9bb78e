//! A TCP connection that carries frames: a 4-byte big-endian length, then the body.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::wait::{PATIENCE, eventually};

/// Bytes of the length.
const HEAD: usize = 4;

/// A raw connection.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Wire {
    /// Connects.
    ///
    /// # Panics
    /// If nobody listens there.
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = timeout(PATIENCE, TcpStream::connect(address)).await.expect("a connect in time");
        let stream = stream.unwrap_or_else(|error| panic!("no connection to {address}: {error}"));
        stream.set_nodelay(true).expect("a socket");
        Self { stream, input: Vec::new() }
    }

    /// Connects as soon as somebody listens there.
    pub async fn connect_eventually(address: SocketAddr) -> Self {
        eventually(&format!("somebody listens on {address}"), async || {
            TcpStream::connect(address).await.ok()
        })
        .await;
        Self::connect(address).await
    }

    /// The port that it has on this side, which tells it from other connections in a log.
    pub fn local_addr(&self) -> SocketAddr {
        self.stream.local_addr().expect("a socket")
    }

    /// Where the other side listens.
    pub fn peer_addr(&self) -> SocketAddr {
        self.stream.peer_addr().expect("a socket")
    }

    /// Writes bytes as they are. A connection that was closed by the other side is not told.
    pub async fn write(&mut self, bytes: &[u8]) {
        let _ = timeout(PATIENCE, self.stream.write_all(bytes)).await.expect("the bytes are taken in time");
    }

    /// Writes a frame around `body`.
    pub async fn send(&mut self, body: &[u8]) {
        let length = u32::try_from(body.len()).expect("a body of less than 4 GiB");
        let mut frame = length.to_be_bytes().to_vec();
        frame.extend_from_slice(body);
        self.write(&frame).await;
    }

    /// Says that no more will be written.
    pub async fn shut_down(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// The body of the next frame; `None` where the connection was closed instead.
    ///
    /// # Panics
    /// If neither happens in time; if the connection was closed within a frame.
    pub async fn frame(&mut self) -> Option<Vec<u8>> {
        timeout(PATIENCE, self.next()).await.expect("a frame in time")
    }

    /// The body of the next frame, however long that takes; `None` where the connection was closed instead. May be
    /// dropped while it waits.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(body) = self.whole() {
                return Some(body);
            }
            // A reset is an end like any other.
            if self.stream.read_buf(&mut self.input).await.unwrap_or(0) == 0 {
                assert!(self.input.is_empty(), "closed within a frame: {:?}", self.input);
                return None;
            }
        }
    }

    fn whole(&mut self) -> Option<Vec<u8>> {
        let length = u32::from_be_bytes(*self.input.first_chunk::<HEAD>()?) as usize;
        let body = self.input.get(HEAD..HEAD + length)?.to_vec();
        self.input.drain(..HEAD + length);
        Some(body)
    }

    /// Waits until the other side closes the connection; gives the bodies that it still sent.
    pub async fn closed(&mut self) -> Vec<Vec<u8>> {
        let mut last = Vec::new();
        while let Some(body) = self.frame().await {
            last.push(body);
        }
        last
    }
}
