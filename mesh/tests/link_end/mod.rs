//! The msg_server's end of one link, frame by frame: for tests of whoever serves msg_servers.
#![allow(dead_code, reason = "other crates' tests take it in by its path, and each uses a part of it")]

use std::io;
use std::time::Duration;

use mesh::config::AuthMode;
use mesh::link::{Greeting, Listening, Secrecy};
use protocol::command::{Packet, name};
use protocol::link::Frame;
use protocol::packet;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How long a test waits for what has to happen.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A place where links arrive.
pub struct Links {
    /// What it calls itself, and where it is dialled.
    pub addr: String,
    listener: TcpListener,
    secrecy: Secrecy,
    /// What it says of its clients.
    pub mode: AuthMode,
}

impl Links {
    /// On a free port of loopback.
    pub async fn start(secrecy: Secrecy) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap().to_string();
        Self { addr, listener, secrecy, mode: AuthMode::Open }
    }

    /// The next link that stands.
    pub async fn link(&self) -> LinkEnd {
        self.try_link().await.unwrap()
    }

    /// Takes the next connection and shakes hands.
    pub async fn try_link(&self) -> io::Result<LinkEnd> {
        let accepted = tokio::time::timeout(PATIENCE, self.listener.accept());
        let (stream, _) = accepted.await.expect("a link in time")?;
        LinkEnd::shake(stream, self).await
    }
}

/// One link, from the handshake on.
pub struct LinkEnd {
    stream: TcpStream,
    /// Who dialled.
    pub greeting: Greeting,
    /// What it subscribed, in order.
    pub channels: Vec<String>,
}

impl LinkEnd {
    async fn shake(mut stream: TcpStream, links: &Links) -> io::Result<Self> {
        let hello = read_body(&mut stream).await?;
        let hello = Packet::parse(&hello).map_err(io::Error::other)?;
        let (listening, challenge) =
            Listening::begin(&links.secrecy, &hello, &links.addr).map_err(io::Error::other)?;
        stream.write_all(&challenge).await?;
        let proof = read_body(&mut stream).await?;
        let proof = Packet::parse(&proof).map_err(io::Error::other)?;
        let (greeting, ok) = listening.prove(&links.secrecy, &proof, links.mode).map_err(io::Error::other)?;
        stream.write_all(&ok).await?;
        let mut end = Self { stream, greeting, channels: Vec::new() };
        end.read_subscriptions().await?;
        Ok(end)
    }

    /// They are followed by the first report.
    async fn read_subscriptions(&mut self) -> io::Result<()> {
        loop {
            let body = read_body(&mut self.stream).await?;
            match Frame::parse(&body).map_err(io::Error::other)? {
                Frame::Packet(body) => {
                    let packet = Packet::parse(body).map_err(io::Error::other)?;
                    if &*packet.cmd_name == name::DISCONNECT {
                        return Err(io::Error::other(packet.args.get(0).unwrap_or_default().to_owned()));
                    }
                    assert_eq!(&*packet.cmd_name, name::SUBSCRIBE_CHANNEL);
                    self.channels.extend(packet.args.get(0).map(str::to_owned));
                }
                Frame::Report(_) => return Ok(()),
                other => return Err(io::Error::other(format!("{other:?} before the first report"))),
            }
        }
    }

    /// Sends frames in one write.
    pub async fn send_all(&mut self, frames: &[Frame<'_>]) {
        let mut bytes = Vec::new();
        frames.iter().for_each(|frame| frame.encode(&mut bytes));
        self.stream.write_all(&bytes).await.unwrap();
    }

    /// Sends one frame.
    pub async fn send(&mut self, frame: Frame<'_>) {
        self.send_all(&[frame]).await;
    }

    /// The next frame's body; reports and pings are passed over.
    pub async fn next(&mut self) -> io::Result<Vec<u8>> {
        loop {
            let body = tokio::time::timeout(PATIENCE, read_body(&mut self.stream)).await;
            let body = body.expect("a frame in time")?;
            match Frame::parse(&body).map_err(io::Error::other)? {
                Frame::Packet(_) | Frame::Report(_) => {}
                _ => return Ok(body),
            }
        }
    }

    /// Waits until the other side has closed the link; what came before is passed over.
    pub async fn closed(&mut self) {
        while self.next().await.is_ok() {}
    }
}

async fn read_body(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; packet::LENGTH_BYTES];
    stream.read_exact(&mut length).await?;
    let mut body = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut body).await?;
    Ok(body)
}
