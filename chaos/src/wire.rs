//! A raw connection: packets in, packets out. It shares no code with the client library.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use protocol::code::ErrorCode;
use protocol::command::{Packet, name};
use protocol::packet::{self, LENGTH_BYTES};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The longest packet that is taken, in bytes.
const MAX_PACKET: usize = 16 << 20;
/// What is read at once, in bytes.
const READ: usize = 64 << 10;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection that does not do what it has to.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The socket.
    #[error("{0}")]
    Socket(#[from] io::Error),
    /// The other side closed it.
    #[error("closed by the other side")]
    Closed,
    /// What came is no packet.
    #[error("unreadable: {0}")]
    Unreadable(String),
    /// The server said so.
    #[error("DISCONNECT {0}")]
    Disconnected(u16),
    /// Nothing came in time.
    #[error("no answer within {PATIENCE:?}")]
    Silent,
    /// A request was refused.
    #[error("refused with {code}: {message}")]
    Refused {
        /// The code.
        code: u16,
        /// What it says.
        message: String,
    },
}

impl WireError {
    /// Whether the same request may be answered otherwise a little later.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Refused { code, .. } => *code >= ErrorCode::Internal.number(),
            Self::Unreadable(_) => false,
            _ => true,
        }
    }
}

/// A connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    output: Vec<u8>,
    seq: u64,
}

/// The keys of an `OK` that anybody here needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// `Addr`.
    pub addr: Option<String>,
    /// `Next`.
    pub next: Option<u64>,
    /// `Head`.
    pub head: Option<u64>,
    /// `Complete`.
    pub complete: bool,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// [`WireError`] if nobody listens there.
    pub async fn open(address: SocketAddr) -> Result<Self, WireError> {
        let stream =
            timeout(PATIENCE, TcpStream::connect(address)).await.map_err(|_| WireError::Silent)??;
        stream.set_nodelay(true)?;
        Ok(Self { stream, input: Vec::new(), output: Vec::new(), seq: 0 })
    }

    /// Has a packet written when the socket takes it.
    pub fn queue(&mut self, packet: &Packet<'_>) {
        packet.encode(&mut self.output);
    }

    /// Writes what is queued as far as the socket takes it, and waits for nothing.
    ///
    /// # Errors
    /// [`WireError::Socket`].
    pub fn flush(&mut self) -> Result<(), WireError> {
        while !self.output.is_empty() {
            match self.stream.try_write(&self.output) {
                Ok(written) => drop(self.output.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Waits until something was read, or something queued was written. May be dropped while it waits.
    ///
    /// # Errors
    /// [`WireError`] if the connection ended.
    pub async fn turn(&mut self) -> Result<(), WireError> {
        let writes = !self.output.is_empty();
        let interest = if writes { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        let ready = self.stream.ready(interest).await?;
        if ready.is_writable() {
            self.flush()?;
        }
        if ready.is_readable() {
            self.input.reserve(READ);
            match self.stream.try_read_buf(&mut self.input) {
                Ok(0) => return Err(WireError::Closed),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Hands every whole packet that was read to `act`.
    ///
    /// # Errors
    /// [`WireError::Unreadable`], and whatever `act` fails with.
    pub fn each(
        &mut self,
        mut act: impl FnMut(&Packet<'_>) -> Result<(), WireError>,
    ) -> Result<(), WireError> {
        let mut taken = 0;
        let unreadable = |error: &dyn std::fmt::Display| WireError::Unreadable(error.to_string());
        while let Some((body, used)) =
            packet::split(&self.input[taken..], MAX_PACKET).map_err(|error| unreadable(&error))?
        {
            debug_assert_eq!(used, body.len() + LENGTH_BYTES);
            taken += used;
            let packet = Packet::parse(body).map_err(|error| unreadable(&error))?;
            if &*packet.cmd_name == name::DISCONNECT {
                return Err(WireError::Disconnected(packet.code.unwrap_or(0)));
            }
            act(&packet)?;
        }
        self.input.drain(..taken);
        Ok(())
    }

    /// Sends a request and waits for its answer; hands what comes before it to `pushed`.
    ///
    /// # Errors
    /// [`WireError`]; [`WireError::Refused`] for an `ERROR`.
    pub async fn ask(
        &mut self,
        mut request: Packet<'_>,
        mut pushed: impl FnMut(&Packet<'_>),
    ) -> Result<Answer, WireError> {
        self.seq += 1;
        let seq = self.seq;
        request.seq = Some(seq);
        self.queue(&request);
        self.flush()?;
        let mut answer = None;
        let answered = async {
            loop {
                self.each(|packet| match &*packet.cmd_name {
                    name::OK if packet.seq == Some(seq) => {
                        answer = Some(Answer::of(packet));
                        Ok(())
                    }
                    name::ERROR if packet.seq == Some(seq) => Err(refused(packet)),
                    _ => {
                        pushed(packet);
                        Ok(())
                    }
                })?;
                if let Some(answer) = answer.take() {
                    return Ok(answer);
                }
                self.turn().await?;
            }
        };
        timeout(PATIENCE, answered).await.map_err(|_| WireError::Silent)?
    }
}

impl Answer {
    fn of(packet: &Packet<'_>) -> Self {
        Self {
            addr: packet.addr.as_ref().map(|addr| addr.to_string()),
            next: packet.next.and_then(|next| next.get().parse().ok()),
            head: packet.head,
            complete: packet.complete == Some(true),
        }
    }
}

fn refused(packet: &Packet<'_>) -> WireError {
    let message = packet.args.get(0).unwrap_or_default().to_owned();
    WireError::Refused { code: packet.code.unwrap_or(0), message }
}

/// Asks a gateway for a msg_server.
///
/// # Errors
/// [`WireError`] if it has none, or does not answer.
pub async fn ask_gateway(gateway: SocketAddr) -> Result<SocketAddr, WireError> {
    let mut connection = Connection::open(gateway).await?;
    let answer = connection.ask(Packet::new(name::REQ_MSG_SERVER, []), |_| {}).await?;
    let addr = answer.addr.unwrap_or_default();
    addr.parse().map_err(|_| WireError::Unreadable(format!("the gateway gives {addr:?}")))
}

/// Connects to a msg_server and logs in, without saying from where to read.
///
/// # Errors
/// [`WireError`].
pub async fn log_in(gateway: SocketAddr, user: &str, device: &str) -> Result<Connection, WireError> {
    let mut connection = Connection::open(ask_gateway(gateway).await?).await?;
    let login = Packet { device: Some(device.into()), ..Packet::new(name::SEND_CLIENT_ID, [user]) };
    connection.ask(login, |_| {}).await?;
    Ok(connection)
}
