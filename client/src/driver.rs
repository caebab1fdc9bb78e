//! Has the socket and the clock, and decides nothing: one task for each client.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::BytesMut;
use protocol::ids::{LogName, Version};
use protocol::packet;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::outbox::{Outgoing, Ticket};
use crate::queue::EventSender;
use crate::request::{Answer, Request};
use crate::session::{Action, Session};
use crate::{Event, Positions, Reason, RequestError, SendError, Sent};

/// With more than this to write, in bytes, the handle's commands wait.
const OUTPUT_LIMIT: usize = 1 << 20;
/// Bytes that are read in one turn, at least.
const READ_BYTES: usize = 16 << 10;
/// Commands that are taken in one turn, before their packets are written together.
const COMMANDS_A_TURN: usize = 256;
/// The longest packet that is taken from a server, in bytes: above what an operator would allow for.
const MAX_PACKET_BYTES: usize = 64 << 20;

/// What the handle asks for. The permits give room back when they are dropped.
pub enum Command {
    Send(Outgoing, oneshot::Sender<Result<Sent, SendError>>, OwnedSemaphorePermit),
    Request(Request, oneshot::Sender<Result<Answer, RequestError>>, OwnedSemaphorePermit),
    Handled(LogName, Version),
    Positions(oneshot::Sender<Positions>),
    Close(Duration),
}

/// Whether there is a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Not now; and why the last attempt failed.
    Down(Option<Reason>),
    /// Yes.
    Up,
    /// Never again.
    Ended(Reason),
}

enum Reply {
    Sent(oneshot::Sender<Result<Sent, SendError>>, OwnedSemaphorePermit),
    Answered(oneshot::Sender<Result<Answer, RequestError>>, OwnedSemaphorePermit),
}

enum Link {
    Down,
    Dialing(Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>),
    Up { stream: TcpStream, write_failed: bool },
}

enum Happening {
    Dialed(io::Result<TcpStream>),
    Ready,
}

impl Link {
    /// Waits for the connection, or until it can be read or written as asked.
    async fn happens(&mut self, read: bool, write: bool) -> Happening {
        match self {
            Self::Down => std::future::pending().await,
            Self::Dialing(dial) => Happening::Dialed(dial.await),
            Self::Up { stream, write_failed } => {
                let interest = match (read, write && !*write_failed) {
                    (true, true) => Interest::READABLE | Interest::WRITABLE,
                    (true, false) => Interest::READABLE,
                    (false, true) => Interest::WRITABLE,
                    (false, false) => return std::future::pending().await,
                };
                // An error shows itself in the read or write that follows.
                let _ = stream.ready(interest).await;
                Happening::Ready
            }
        }
    }
}

async fn dial(addr: String) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The task's state.
pub struct Driver {
    session: Session,
    link: Link,
    input: BytesMut,
    commands: mpsc::Receiver<Command>,
    /// All handles are gone.
    orphaned: bool,
    events: EventSender,
    status: watch::Sender<Status>,
    replies: HashMap<Ticket, Reply>,
    next_ticket: Ticket,
    began: Instant,
}

impl Driver {
    /// A client that has not started yet.
    pub fn new(
        session: Session,
        commands: mpsc::Receiver<Command>,
        events: EventSender,
        status: watch::Sender<Status>,
    ) -> Self {
        Self {
            session,
            link: Link::Down,
            input: BytesMut::new(),
            commands,
            orphaned: false,
            events,
            status,
            replies: HashMap::new(),
            next_ticket: 1,
            began: Instant::now(),
        }
    }

    /// Runs until the session has ended.
    pub async fn run(mut self) {
        loop {
            let full = self.settle();
            if self.session.ended().is_some() {
                return;
            }
            let wake = self.session.wake_at();
            let room = self.session.output().len() < OUTPUT_LIMIT;
            let pending_output = !self.session.output().is_empty();
            tokio::select! {
                () = until(self.began, wake) => self.session.tick(self.began.elapsed()),
                command = self.commands.recv(), if room && !self.orphaned => self.take_commands(command),
                () = self.events.taken() => {}
                happening = self.link.happens(!full, pending_output) => self.link_happening(happening),
            }
        }
    }

    /// Brings everything that can be done without waiting to an end: actions, packets that are here, what the
    /// program handled. Gives whether the program's queue is full.
    fn settle(&mut self) -> bool {
        let now = self.began.elapsed();
        self.take_handled();
        if self.orphaned && self.events.is_abandoned() {
            self.session.close(now, Duration::ZERO);
        }
        self.perform();
        self.take_packets();
        let full = self.events.is_full();
        self.session.pause(now, full);
        self.write();
        self.perform();
        full
    }

    fn take_handled(&mut self) {
        for (log, version) in self.events.take_handled() {
            self.session.handled(self.began.elapsed(), &log, version);
        }
    }

    fn take_commands(&mut self, first: Option<Command>) {
        let Some(first) = first else {
            self.orphaned = true;
            return;
        };
        self.take(first);
        for _ in 1..COMMANDS_A_TURN {
            match self.commands.try_recv() {
                Ok(command) if self.session.output().len() < OUTPUT_LIMIT => self.take(command),
                Ok(command) => return self.take(command),
                Err(_) => return,
            }
        }
    }

    fn take(&mut self, command: Command) {
        let now = self.began.elapsed();
        match command {
            Command::Send(outgoing, reply, permit) => {
                let ticket = self.ticket(Reply::Sent(reply, permit));
                self.session.send(now, ticket, outgoing);
            }
            Command::Request(request, reply, permit) => {
                let ticket = self.ticket(Reply::Answered(reply, permit));
                self.session.request(now, ticket, request);
            }
            Command::Handled(log, version) => self.session.handled(now, &log, version),
            Command::Positions(reply) => {
                let _ = reply.send(self.session.positions());
            }
            Command::Close(within) => {
                // What the program handled before it said goodbye is acknowledged.
                self.take_handled();
                self.session.close(now, within);
            }
        }
    }

    fn ticket(&mut self, reply: Reply) -> Ticket {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.replies.insert(ticket, reply);
        ticket
    }

    fn perform(&mut self) {
        while let Some(action) = self.session.next_action() {
            match action {
                Action::Dial(addr) => {
                    self.input.clear();
                    self.link = Link::Dialing(Box::pin(dial(addr)));
                }
                Action::Hangup => self.link = Link::Down,
                Action::Tell(event) => self.tell(event),
                Action::Sent(ticket, result) => {
                    if let Some(Reply::Sent(reply, permit)) = self.replies.remove(&ticket) {
                        drop(permit);
                        let _ = reply.send(result);
                    }
                }
                Action::Answered(ticket, result) => {
                    if let Some(Reply::Answered(reply, permit)) = self.replies.remove(&ticket) {
                        drop(permit);
                        let _ = reply.send(result);
                    }
                }
            }
        }
    }

    fn tell(&mut self, event: Event) {
        let status = match &event {
            Event::Connected { .. } => Some(Status::Up),
            Event::Disconnected { reason, .. } | Event::Retrying { reason, .. } => {
                Some(Status::Down(Some(reason.clone())))
            }
            Event::Ended(reason) => Some(Status::Ended(reason.clone())),
            _ => None,
        };
        if let Some(status) = status {
            self.status.send_replace(status);
        }
        self.events.push(event);
    }

    fn link_happening(&mut self, happening: Happening) {
        match happening {
            Happening::Dialed(Ok(stream)) => {
                self.link = Link::Up { stream, write_failed: false };
                self.session.dialed(self.began.elapsed());
            }
            Happening::Dialed(Err(error)) => {
                let at = self.session.dialing();
                self.link = Link::Down;
                let reason = Reason::Unreachable { at, cause: error.to_string() };
                self.session.lost(self.began.elapsed(), reason);
            }
            Happening::Ready => self.read(),
        }
    }

    /// Reads once. What came before an end is taken first: it may say why.
    fn read(&mut self) {
        let Link::Up { stream, .. } = &mut self.link else { return };
        if self.events.is_full() {
            return;
        }
        self.input.reserve(READ_BYTES);
        let end = match stream.try_read_buf(&mut self.input) {
            Ok(0) => "the other side closed it".to_owned(),
            Ok(_) => return,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error) => error.to_string(),
        };
        self.take_packets();
        self.perform();
        if matches!(self.link, Link::Up { .. }) {
            self.session.lost(self.began.elapsed(), Reason::Broken(end));
        }
    }

    /// Takes the packets that are here, for as long as the program's queue has room.
    fn take_packets(&mut self) {
        while matches!(self.link, Link::Up { .. }) && !self.events.is_full() {
            let now = self.began.elapsed();
            match packet::split(&self.input, MAX_PACKET_BYTES) {
                Ok(None) => return,
                Ok(Some((body, used))) => {
                    self.session.received(now, body);
                    let _ = self.input.split_to(used);
                    self.perform();
                }
                Err(error) => {
                    self.session.lost(now, Reason::BadPacket(error.to_string()));
                    self.perform();
                }
            }
        }
    }

    fn write(&mut self) {
        let Link::Up { stream, write_failed } = &mut self.link else { return };
        let output = self.session.output();
        while !output.is_empty() && !*write_failed {
            match stream.try_write(output) {
                Ok(written) => drop(output.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // The end is found by reading, as the server's last packet may say why.
                Err(_) => *write_failed = true,
            }
        }
    }
}

async fn until(began: Instant, wake: Option<Duration>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(began + wake).await,
        None => std::future::pending().await,
    }
}
