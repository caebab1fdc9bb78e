//! One connection: enters, sends what it may, and checks what it receives.

use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use protocol::command::{Packet, name};
use protocol::packet;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::cast::{Role, Sends};
use crate::engine::Stage;
use crate::frame::{self, Heard, Mark};

/// The longest packet that is taken, in bytes.
const MAX_PACKET: usize = 16 << 20;
/// How long an answer may take while nobody talks yet.
const PATIENCE: Duration = Duration::from_secs(20);
/// `Seq` of a session's first send; requests before have smaller ones.
const FIRST_SEND: u64 = 1000;

/// Why a connection is of no use.
#[derive(Debug, thiserror::Error)]
pub enum ActorError {
    /// The socket.
    #[error("{0}; are there enough open files (ulimit -Hn)?")]
    Socket(#[from] io::Error),
    /// No answer.
    #[error("no answer to {0} within {PATIENCE:?}")]
    Silent(&'static str),
    /// The other side closed it.
    #[error("{0} was closed by the server")]
    Closed(String),
    /// Something else than an `OK`.
    #[error("{0} was answered with {1}")]
    Refused(&'static str, String),
    /// A task of this tool failed.
    #[error("{0}")]
    Failed(#[from] tokio::task::JoinError),
}

/// One connection.
pub struct Actor {
    stage: Rc<Stage>,
    stream: TcpStream,
    role: Role,
    /// The beginning of a frame whose end has not come.
    partial: Vec<u8>,
    out: Vec<u8>,
    last_seq: u64,
    answered: Option<Result<u64, String>>,
    /// The number of the next message of each sender.
    expected: HashMap<u32, u64>,
}

impl Actor {
    /// Asks a gateway for a msg_server.
    ///
    /// # Errors
    /// [`ActorError`] if it has none.
    pub async fn ask_gateway(stage: &Rc<Stage>, gateway: SocketAddr) -> Result<SocketAddr, ActorError> {
        let mut actor = Self::connect(stage, gateway, Role::default()).await?;
        let body = actor.raw_answer(name::REQ_MSG_SERVER, Packet::new(name::REQ_MSG_SERVER, [])).await?;
        let packet = Packet::parse(&body).ok();
        let addr = packet.and_then(|packet| packet.addr.as_deref().and_then(|addr| addr.parse().ok()));
        addr.ok_or_else(|| {
            ActorError::Refused(name::REQ_MSG_SERVER, String::from_utf8_lossy(&body).into_owned())
        })
    }

    /// Connects.
    ///
    /// # Errors
    /// [`ActorError::Socket`].
    pub async fn connect(stage: &Rc<Stage>, server: SocketAddr, role: Role) -> Result<Self, ActorError> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stage: Rc::clone(stage),
            stream,
            role,
            partial: Vec::new(),
            out: Vec::new(),
            last_seq: 0,
            answered: None,
            expected: HashMap::new(),
        })
    }

    /// Logs in, and becomes a member of its topic.
    ///
    /// # Errors
    /// [`ActorError`] if either is refused.
    pub async fn log_in(&mut self) -> Result<(), ActorError> {
        let user = self.role.user.clone();
        self.ask(name::SEND_CLIENT_ID, Packet::new(name::SEND_CLIENT_ID, [&user])).await?;
        if let Some(topic) = self.role.topic.clone() {
            let command = if topic.creates { name::CREATE_TOPIC } else { name::JOIN_TOPIC };
            let volatile = (topic.creates && topic.volatile).then_some(true);
            self.ask(command, Packet { volatile, ..Packet::new(command, [&topic.name]) }).await?;
        }
        Ok(())
    }

    /// Says `RESUME`, if its role does.
    ///
    /// # Errors
    /// [`ActorError`] if it is refused.
    pub async fn resume(&mut self) -> Result<(), ActorError> {
        if !self.role.resumes {
            return Ok(());
        }
        self.ask(name::RESUME, Packet::new(name::RESUME, [])).await
    }

    /// Asks whether the connection lives.
    ///
    /// # Errors
    /// [`ActorError`] if it does not.
    pub async fn ping(&mut self) -> Result<(), ActorError> {
        self.ask(name::SEND_PING, Packet::new(name::SEND_PING, [])).await
    }

    async fn ask(&mut self, what: &'static str, packet: Packet<'_>) -> Result<(), ActorError> {
        self.request(packet).await?;
        let answered = timeout(PATIENCE, async {
            loop {
                self.receive(Self::hear).await?;
                match self.answered.take() {
                    Some(Ok(seq)) if seq == self.last_seq => return Ok(()),
                    Some(Err(odd)) => return Err(ActorError::Refused(what, odd)),
                    _ => {}
                }
            }
        });
        answered.await.map_err(|_| ActorError::Silent(what))?
    }

    /// The body of the first frame after a request.
    async fn raw_answer(&mut self, what: &'static str, packet: Packet<'_>) -> Result<Vec<u8>, ActorError> {
        self.request(packet).await?;
        let mut first = None;
        while first.is_none() {
            let take = |_: &mut Self, body: &[u8]| {
                first.get_or_insert_with(|| body.to_vec());
            };
            timeout(PATIENCE, self.receive(take)).await.map_err(|_| ActorError::Silent(what))??;
        }
        Ok(first.unwrap_or_default())
    }

    async fn request(&mut self, mut packet: Packet<'_>) -> Result<(), ActorError> {
        self.last_seq += 1;
        packet.seq = Some(self.last_seq);
        packet.encode(&mut self.out);
        self.flush().await
    }

    async fn flush(&mut self) -> Result<(), ActorError> {
        if !self.out.is_empty() {
            self.stream.write_all(&self.out).await?;
            self.out.clear();
        }
        Ok(())
    }

    /// Sends and receives until the task is aborted, or the connection ends, which is wrong.
    pub async fn talk(mut self) {
        let error = match self.role.sends.clone() {
            Some(sends) => self.send_and_receive(&sends).await,
            None => self.only_receive().await,
        };
        if let Err(error) = error {
            let stage = Rc::clone(&self.stage);
            stage.figures.borrow_mut().wrong(|| format!("{}: {error}", self.role.user));
        }
    }

    async fn only_receive(&mut self) -> Result<(), ActorError> {
        loop {
            self.receive(Self::hear).await?;
        }
    }

    async fn send_and_receive(&mut self, sends: &Sends) -> Result<(), ActorError> {
        let stage = Rc::clone(&self.stage);
        let may_send = &stage.may_send[sends.sender as usize];
        loop {
            self.start(sends);
            self.flush().await?;
            tokio::select! {
                () = may_send.notified() => {}
                received = self.receive(Self::hear) => received?,
            }
        }
    }

    /// Starts as many messages as may be in flight.
    fn start(&mut self, sends: &Sends) {
        let stage = Rc::clone(&self.stage);
        let mut flights = stage.flights.borrow_mut();
        let flight = &mut flights[sends.sender as usize];
        while stage.talks.get() && flight.open() < stage.in_flight {
            if let Some(permits) = &stage.permits {
                let permit = &mut permits.borrow_mut()[sends.sender as usize];
                if *permit == 0 {
                    return;
                }
                *permit -= 1;
            }
            let mark = Mark { sender: sends.sender, number: flight.next(), nanos: stage.clock.nanos() };
            flight.start(mark.nanos, stage.receivers);
            self.write_send(sends, mark);
        }
    }

    fn write_send(&mut self, sends: &Sends, mark: Mark) {
        let command = if sends.topic { name::SEND_MESSAGE_TOPIC } else { name::SEND_MESSAGE_P2P };
        let size = self.stage.size;
        packet::write(&mut self.out, |out| {
            out.extend_from_slice(br#"{"CmdName":""#);
            out.extend_from_slice(command.as_bytes());
            out.extend_from_slice(br#"","Args":[""#);
            out.extend_from_slice(sends.to.as_bytes());
            out.extend_from_slice(br#"",""#);
            mark.write(out, size);
            let seq = FIRST_SEND + mark.number;
            let keys = match sends.volatile {
                true => format!(r#""],"Seq":{seq},"Volatile":true}}"#),
                false => format!(r#""],"Seq":{seq},"MsgId":"b{}"}}"#, mark.number),
            };
            out.extend_from_slice(keys.as_bytes());
        });
    }

    /// Waits until something came, and hands its frames over.
    async fn receive(&mut self, mut each: impl FnMut(&mut Self, &[u8])) -> Result<(), ActorError> {
        poll_fn(|context| {
            let stage = Rc::clone(&self.stage);
            let mut scratch = stage.scratch.borrow_mut();
            let mut read = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.stream).poll_read(context, &mut read) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
                Poll::Ready(Ok(())) if read.filled().is_empty() => {
                    Poll::Ready(Err(ActorError::Closed(self.role.user.clone())))
                }
                Poll::Ready(Ok(())) => Poll::Ready(self.frames(read.filled(), &mut each)),
            }
        })
        .await
    }

    fn frames(&mut self, input: &[u8], each: &mut impl FnMut(&mut Self, &[u8])) -> Result<(), ActorError> {
        if self.partial.is_empty() {
            let taken = self.whole_frames(input, each)?;
            self.partial.extend_from_slice(&input[taken..]);
            return Ok(());
        }
        let mut partial = std::mem::take(&mut self.partial);
        partial.extend_from_slice(input);
        let taken = self.whole_frames(&partial, each)?;
        partial.drain(..taken);
        self.partial = partial;
        Ok(())
    }

    fn whole_frames(
        &mut self,
        input: &[u8],
        each: &mut impl FnMut(&mut Self, &[u8]),
    ) -> Result<usize, ActorError> {
        let mut taken = 0;
        let split = |from| packet::split(&input[from..], MAX_PACKET);
        while let Some((body, used)) = split(taken).map_err(|error| io::Error::other(error.to_string()))? {
            taken += used;
            each(self, body);
        }
        Ok(taken)
    }

    fn hear(&mut self, body: &[u8]) {
        match frame::read(body) {
            Heard::Ok(seq) if seq < FIRST_SEND => self.answered = Some(Ok(seq)),
            Heard::Ok(seq) => self.acked(seq - FIRST_SEND),
            Heard::Message(mark) => self.received(mark),
            Heard::Odd(what) => {
                self.stage.figures.borrow_mut().wrong(|| format!("{} got {what}", self.role.user));
                self.answered = Some(Err(what));
            }
        }
    }

    fn acked(&mut self, number: u64) {
        let Some(sends) = &self.role.sends else { return };
        let mut figures = self.stage.figures.borrow_mut();
        match self.stage.flights.borrow_mut()[sends.sender as usize].acked(number) {
            Some(nanos) => figures.ack(self.stage.clock.nanos().saturating_sub(nanos)),
            None => figures.wrong(|| format!("{}: an OK to {number}, which waits for none", self.role.user)),
        }
    }

    fn received(&mut self, mark: Mark) {
        let stage = Rc::clone(&self.stage);
        let mut figures = stage.figures.borrow_mut();
        let expected = self.expected.entry(mark.sender).or_default();
        if mark.number != *expected {
            let (user, due) = (&self.role.user, *expected);
            figures.wrong(|| {
                format!("{user} got message {} of sender {}; due was {due}", mark.number, mark.sender)
            });
        }
        *expected = mark.number + 1;
        figures.delivery(stage.clock.nanos().saturating_sub(mark.nanos));
        let mut flights = stage.flights.borrow_mut();
        let Some(flight) = flights.get_mut(mark.sender as usize) else { return };
        let before = flight.open();
        if !flight.delivered(mark.number) {
            figures.wrong(|| {
                format!(
                    "{} got message {} of sender {}, which all had",
                    self.role.user, mark.number, mark.sender
                )
            });
        }
        if flight.open() < before {
            stage.may_send[mark.sender as usize].notify_one();
        }
    }
}
