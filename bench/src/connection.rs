//! One connection: logs in, sends as many messages as may be unanswered, and checks what arrives.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use anyhow::{Context, bail};
use protocol::command::{Packet, name};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::figures::{Latencies, latencies};
use crate::wire::{self, Heard};

/// What all connections of a run share: one thread, so no locks.
pub struct Shared {
    /// The tool's clock.
    pub start: Instant,
    /// Whether senders go on.
    pub sending: Cell<bool>,
    /// Whether senders may begin.
    pub go: watch::Sender<bool>,
    /// Messages that were answered.
    pub answered: Cell<u64>,
    /// Messages that arrived.
    pub delivered: Cell<u64>,
    /// From send to answer.
    pub answer: RefCell<Latencies>,
    /// From send to arrival.
    pub delivery: RefCell<Latencies>,
    /// The first thing that went wrong.
    pub wrong: RefCell<Option<String>>,
}

impl Shared {
    /// Nothing has happened yet.
    pub fn new() -> Rc<Self> {
        Rc::new(Self {
            start: Instant::now(),
            sending: Cell::new(true),
            go: watch::Sender::new(false),
            answered: Cell::new(0),
            delivered: Cell::new(0),
            answer: RefCell::new(latencies()),
            delivery: RefCell::new(latencies()),
            wrong: RefCell::new(None),
        })
    }

    fn micros(&self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }

    fn went_wrong(&self, what: String) {
        self.wrong.borrow_mut().get_or_insert(what);
    }
}

/// To whom a connection sends.
#[derive(Debug, Clone)]
pub enum Sends {
    /// Nobody.
    Nothing,
    /// These users, in turn.
    Users(Vec<String>),
    /// This topic.
    Topic(String),
}

/// What a connection is for.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Its number; its user is `user<number>`.
    pub index: usize,
    /// To whom it sends.
    pub sends: Sends,
    /// Whether its messages are volatile.
    pub volatile: bool,
    /// Messages unanswered at once.
    pub in_flight: usize,
    /// Bytes of a text.
    pub size: usize,
}

/// A connection that is logged in.
pub struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    seq: u64,
}

impl Connection {
    /// Connects and logs in; nothing is pushed before [`Connection::resume`].
    pub async fn login(address: SocketAddr, user: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        let mut connection = Self { stream, input: Vec::new(), seq: 0 };
        connection.request(Packet::new(name::SEND_CLIENT_ID, [user])).await?;
        Ok(connection)
    }

    /// Asks for what comes from now on.
    pub async fn resume(&mut self) -> anyhow::Result<()> {
        self.request(Packet::new(name::RESUME, [])).await
    }

    /// Creates or joins a topic.
    pub async fn topic(&mut self, command: &str, topic: &str, volatile: bool) -> anyhow::Result<()> {
        let packet = Packet { volatile: volatile.then_some(true), ..Packet::new(command, [topic]) };
        self.request(packet).await
    }

    async fn request(&mut self, mut packet: Packet<'_>) -> anyhow::Result<()> {
        self.seq += 1;
        packet.seq = Some(self.seq);
        self.stream.write_all(&packet.to_bytes()).await?;
        loop {
            if let Some((heard, used)) = wire::hear(&self.input) {
                match heard {
                    Heard::Ok(_) => {
                        self.input.drain(..used);
                        return Ok(());
                    }
                    Heard::Other(text) => bail!("{} was answered {text}", &*packet.cmd_name),
                    Heard::Message(_) => bail!("a message before it was asked for"),
                }
            }
            if self.stream.read_buf(&mut self.input).await? == 0 {
                bail!("closed while waiting for the answer to {}", &*packet.cmd_name);
            }
        }
    }

    /// Runs until the connection ends; what goes wrong is noted in `shared`.
    pub async fn run(self, plan: Plan, shared: Rc<Shared>) {
        let index = plan.index;
        if !matches!(plan.sends, Sends::Nothing) {
            // The sender lives as long as `shared` does.
            let _ = shared.go.subscribe().wait_for(|go| *go).await;
        }
        let mut running = Running {
            connection: self,
            plan,
            shared: Rc::clone(&shared),
            sent: 0,
            unanswered: VecDeque::new(),
            seen: HashMap::new(),
        };
        if let Err(error) = running.run().await {
            shared.went_wrong(format!("connection {index}: {error:#}"));
        }
    }
}

struct Running {
    connection: Connection,
    plan: Plan,
    shared: Rc<Shared>,
    sent: u64,
    /// Requests without an answer, in order: their numbers, and when they were sent.
    unanswered: VecDeque<(u64, u64)>,
    /// The newest message seen of each sender.
    seen: HashMap<usize, u64>,
}

impl Running {
    async fn run(&mut self) -> anyhow::Result<()> {
        let mut out = Vec::new();
        let mut input = std::mem::take(&mut self.connection.input);
        loop {
            self.send(&mut out);
            if !out.is_empty() {
                self.connection.stream.write_all(&out).await?;
                out.clear();
            }
            if self.connection.stream.read_buf(&mut input).await? == 0 {
                bail!("the server closed the connection");
            }
            let mut taken = 0;
            while let Some((heard, used)) = wire::hear(&input[taken..]) {
                self.heard(&heard)?;
                taken += used;
            }
            input.drain(..taken);
        }
    }

    fn heard(&mut self, heard: &Heard<'_>) -> anyhow::Result<()> {
        let now = self.shared.micros();
        match heard {
            Heard::Ok(seq) => {
                let Some(at) = self.unanswered.iter().position(|(asked, _)| asked == seq) else {
                    bail!("an answer to {seq}, which was not asked");
                };
                let (_, sent) = self.unanswered.remove(at).unwrap_or_default();
                self.shared.answered.set(self.shared.answered.get() + 1);
                self.shared.answer.borrow_mut().saturating_record(now - sent);
            }
            Heard::Message(text) => {
                let (sender, number, sent) = wire::parts(text).context("a message that nobody sent")?;
                let before = self.seen.insert(sender, number);
                if before.is_some_and(|before| before >= number) {
                    bail!("message {number} of {sender} came after {before:?}");
                }
                self.shared.delivered.set(self.shared.delivered.get() + 1);
                self.shared.delivery.borrow_mut().saturating_record(now.saturating_sub(sent));
            }
            Heard::Other(text) => bail!("heard {text}"),
        }
        Ok(())
    }

    /// Sends until as many are unanswered as may be.
    fn send(&mut self, out: &mut Vec<u8>) {
        while self.shared.sending.get() && self.unanswered.len() < self.plan.in_flight {
            let to = match &self.plan.sends {
                Sends::Nothing => return,
                Sends::Topic(topic) => topic,
                Sends::Users(users) => &users[self.sent as usize % users.len()],
            };
            let command = if matches!(self.plan.sends, Sends::Topic(_)) {
                name::SEND_MESSAGE_TOPIC
            } else {
                name::SEND_MESSAGE_P2P
            };
            self.sent += 1;
            self.connection.seq += 1;
            let now = self.shared.micros();
            let text = wire::text(self.plan.index, self.sent, now, self.plan.size);
            let id = format!("{}-{}", self.plan.index, self.sent);
            let packet = Packet {
                seq: Some(self.connection.seq),
                msg_id: (!self.plan.volatile).then(|| id.as_str().into()),
                volatile: self.plan.volatile.then_some(true),
                ..Packet::new(command, [to, &text])
            };
            packet.encode(out);
            self.unanswered.push_back((self.connection.seq, now));
        }
    }
}
