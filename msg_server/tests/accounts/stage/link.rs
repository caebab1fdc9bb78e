//! A process that links to a msg_server, frame by frame.

use std::net::SocketAddr;

use mesh::link::{Greeting, Offer, Secrecy};
use protocol::command::{Packet, name};
use protocol::link::Frame;
use protocol::link::request::Notice;
use protocol::packet;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::PATIENCE;

pub struct Link {
    stream: TcpStream,
    /// The msg_server's mode, as `LINK_OK` says it.
    pub mode: String,
}

impl Link {
    /// Shakes hands as this role, and subscribes.
    pub async fn dial(address: SocketAddr, role: &str, channels: &[&str]) -> Self {
        let mut link = Self { stream: TcpStream::connect(address).await.unwrap(), mode: String::new() };
        let store = if role == "manager" { "0123456789abcdef0123456789abcdef" } else { "" };
        let greeting = Greeting { role: role.into(), uuid: format!("{role}.1"), store: store.into() };
        let (offer, hello) = Offer::begin(greeting).unwrap();
        link.stream.write_all(&hello).await.unwrap();
        let challenge = link.read().await.expect("a challenge");
        let proof = offer.answer(&Secrecy::default(), &Packet::parse(&challenge).unwrap()).unwrap();
        link.stream.write_all(&proof).await.unwrap();
        let ok = link.read().await.expect("LINK_OK");
        let ok = Packet::parse(&ok).unwrap();
        assert_eq!(&*ok.cmd_name, name::LINK_OK);
        link.mode = ok.args.get(1).unwrap_or_default().to_owned();
        for channel in channels {
            let subscribe = Packet::new(name::SUBSCRIBE_CHANNEL, [channel, "1"]).to_bytes();
            link.stream.write_all(&subscribe).await.unwrap();
        }
        link
    }

    /// Sends a frame.
    pub async fn send(&mut self, frame: Frame<'_>) {
        self.stream.write_all(&frame.to_bytes()).await.unwrap();
    }

    /// Tells news.
    pub async fn tell(&mut self, notice: &Notice) {
        self.send(Frame::Notice(&serde_json::to_vec(notice).unwrap())).await;
    }

    /// The next body; `None` where the link is closed.
    pub async fn read(&mut self) -> Option<Vec<u8>> {
        let mut length = [0; packet::LENGTH_BYTES];
        self.stream.read_exact(&mut length).await.ok()?;
        let mut body = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut body).await.ok()?;
        Some(body)
    }

    /// The next news.
    pub async fn news(&mut self) -> Notice {
        let next = async {
            loop {
                let body = self.read().await.expect("news before the link ends");
                if let Frame::Notice(json) = Frame::parse(&body).unwrap() {
                    return serde_json::from_slice(json).unwrap();
                }
            }
        };
        tokio::time::timeout(PATIENCE, next).await.expect("news in time")
    }
}
