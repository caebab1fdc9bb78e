//! The msg_server's end of links, scripted: for tests of whoever dials msg_servers. As a real one it republishes
//! what linked processes report.
#![allow(dead_code, reason = "other crates' tests take it in by its path, and each uses a part of it")]

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mesh::config::AuthMode;
use mesh::link::{Greeting, Listening, Secrecy};
use mesh::report::Report;
use parking_lot::Mutex;
use protocol::command::{Packet, name};
use protocol::link::Frame;
use protocol::packet;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// How long a test waits for what has to happen.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The longest frame that is read, in bytes.
const MAX_FRAME: usize = 1 << 20;

/// A msg_server that takes links, and publishes what it is told to.
pub struct FakeMsgServer {
    /// Where it listens, and what it calls itself.
    pub addr: String,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

struct Shared {
    addr: String,
    secrecy: Secrecy,
    links: Mutex<Vec<Link>>,
    count: watch::Sender<usize>,
    heard: watch::Sender<Vec<Report>>,
}

impl Shared {
    fn send(&self, frame: &Frame<'_>) {
        let frame = frame.to_bytes();
        self.links.lock().retain(|link| link.frames.send(frame.to_vec()).is_ok());
    }
}

struct Link {
    greeting: Greeting,
    frames: mpsc::UnboundedSender<Vec<u8>>,
}

impl FakeMsgServer {
    /// One on a free port of loopback.
    pub async fn start(secrecy: Secrecy) -> Self {
        Self::start_at("127.0.0.1:0", secrecy).await
    }

    /// One at this address.
    pub async fn start_at(address: &str, secrecy: Secrecy) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let addr = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared {
            addr: addr.clone(),
            secrecy,
            links: Mutex::default(),
            count: watch::Sender::new(0),
            heard: watch::Sender::new(Vec::new()),
        });
        let task = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Self { addr, shared, task }
    }

    /// Waits until so many links are subscribed.
    pub async fn linked(&self, links: usize) {
        let mut count = self.shared.count.subscribe();
        let reached = count.wait_for(|count| *count >= links);
        tokio::time::timeout(PATIENCE, reached).await.expect("a link in time").unwrap();
    }

    /// Waits for a report of a linked process that satisfies `wanted`.
    pub async fn heard(&self, wanted: impl Fn(&Report) -> bool) -> Report {
        let mut heard = self.shared.heard.subscribe();
        let reached = heard.wait_for(|reports| reports.iter().any(&wanted));
        let reports = tokio::time::timeout(PATIENCE, reached).await.expect("a report in time").unwrap();
        reports.iter().rfind(|report| wanted(report)).unwrap().clone()
    }

    /// Who is linked.
    pub fn greetings(&self) -> Vec<Greeting> {
        self.shared.links.lock().iter().map(|link| link.greeting.clone()).collect()
    }

    /// Publishes a report on `/sysctrl/monitor`.
    pub fn publish(&self, report: &Report) {
        self.send(&Frame::Report(&serde_json::to_vec(report).unwrap()));
    }

    /// Sends a frame to whoever is linked.
    pub fn send(&self, frame: &Frame<'_>) {
        self.shared.send(frame);
    }

    /// A report of this msg_server's own.
    pub fn report(&self, connections: u64) -> Report {
        report("msg_server", &self.addr, &self.addr, connections)
    }

    /// Dies: all links break and the port is free again.
    pub async fn die(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

/// A report of some process that is well.
pub fn report(process: &str, uuid: &str, addr: &str, connections: u64) -> Report {
    serde_json::from_value(serde_json::json!({
        "Process": process, "Uuid": uuid, "Addr": addr, "Version": "0.1.0", "Pid": 4711, "Started": 0,
        "Ready": true, "Troubles": [], "Figures": {"Connections": connections},
    }))
    .unwrap()
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut links = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        links.spawn(async move {
            // A link that ends is what many tests are about.
            let _ = link(stream, &shared).await;
        });
    }
}

async fn link(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let (mut read, mut write) = stream.into_split();
    let greeting = shake(&mut read, &mut write, shared).await?;
    let (frames, queue) = mpsc::unbounded_channel();
    tokio::select! {
        ended = hear(read, Link { greeting, frames }, shared) => ended,
        ended = say(queue, write) => ended,
    }
}

async fn hear(mut read: OwnedReadHalf, link: Link, shared: &Shared) -> io::Result<()> {
    let mut subscribes = Some(link);
    loop {
        let body = next(&mut read).await?;
        match Frame::parse(&body).map_err(io::Error::other)? {
            Frame::Report(json) => {
                let report = serde_json::from_slice(json).map_err(io::Error::other)?;
                shared.send(&Frame::Report(json));
                shared.heard.send_modify(|heard| heard.push(report));
            }
            Frame::Packet(body) if is_subscription(body) => {
                if let Some(link) = subscribes.take() {
                    shared.links.lock().push(link);
                    shared.count.send_modify(|count| *count += 1);
                }
            }
            _ => {}
        }
    }
}

async fn say(mut queue: mpsc::UnboundedReceiver<Vec<u8>>, mut write: OwnedWriteHalf) -> io::Result<()> {
    while let Some(frame) = queue.recv().await {
        write.write_all(&frame).await?;
    }
    Ok(())
}

fn is_subscription(body: &[u8]) -> bool {
    Packet::parse(body).is_ok_and(|packet| {
        &*packet.cmd_name == name::SUBSCRIBE_CHANNEL && packet.args.get(0) == Some("/sysctrl/monitor")
    })
}

async fn shake(
    read: &mut OwnedReadHalf,
    write: &mut OwnedWriteHalf,
    shared: &Shared,
) -> io::Result<Greeting> {
    let hello = next(read).await?;
    let hello = Packet::parse(&hello).map_err(io::Error::other)?;
    let (listening, challenge) =
        Listening::begin(&shared.secrecy, &hello, &shared.addr).map_err(io::Error::other)?;
    write.write_all(&challenge).await?;
    let proof = next(read).await?;
    let proof = Packet::parse(&proof).map_err(io::Error::other)?;
    let (greeting, ok) =
        listening.prove(&shared.secrecy, &proof, AuthMode::Open).map_err(io::Error::other)?;
    write.write_all(&ok).await?;
    Ok(greeting)
}

/// The next frame's body.
async fn next(read: &mut OwnedReadHalf) -> io::Result<Vec<u8>> {
    let mut length = [0; packet::LENGTH_BYTES];
    read.read_exact(&mut length).await?;
    let length = u32::from_be_bytes(length) as usize;
    if length > MAX_FRAME {
        return Err(io::Error::other("a frame that is too long"));
    }
    let mut body = vec![0; length];
    read.read_exact(&mut body).await?;
    Ok(body)
}
