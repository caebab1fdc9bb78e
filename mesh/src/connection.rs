//! One connection, one task: reads, hands what came to its [`Peer`], and writes when the socket was full.
//!
//! The read buffer belongs to the thread, not to the connection: an idle one holds no buffer. What is left of
//! an unfinished frame is kept until the rest comes, and grows only as bytes really arrive.

mod ending;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;

use crate::outbox::{Outbox, Turn};

const READ_BYTES: usize = 64 * 1024;

thread_local! {
    static READ_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into());
}

/// The connection is to end, by our decision; `last` is sent before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Close {
    /// For the log.
    pub why: String,
    /// The last frame, if the other side understands one.
    pub last: Option<Bytes>,
}

impl Close {
    /// Ends it without a frame.
    pub fn silently(why: impl Into<String>) -> Self {
        Self { why: why.into(), last: None }
    }

    /// Ends it after a last frame.
    pub fn saying(why: impl Into<String>, last: Bytes) -> Self {
        Self { why: why.into(), last: Some(last) }
    }
}

/// How a connection ended.
#[derive(Debug)]
pub enum Ended {
    /// The other side closed it.
    ByPeer,
    /// We closed it; the text says why.
    ByUs(String),
    /// It failed.
    Failed(io::Error),
}

/// What speaks on a connection. Nothing here waits: what comes in is answered by pushes, in the same turn.
pub trait Peer: Send {
    /// Takes what it can of `input`, which begins with a frame; returns how many bytes it took. It is called again
    /// with the rest and what came after it.
    ///
    /// # Errors
    /// [`Close`] ends the connection.
    fn received(&mut self, input: &[u8], turn: &mut Turn) -> Result<usize, Close>;

    /// Whether more may be read at the moment. Who changes the answer to true wakes the outbox.
    fn may_read(&self) -> bool {
        true
    }

    /// Everything that was queued is written, after the socket had been full.
    fn drained(&mut self, _turn: &mut Turn) {}

    /// When [`Peer::timeout`] is to be called next.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// The deadline passed.
    ///
    /// # Errors
    /// [`Close`] ends the connection.
    fn timeout(&mut self, _turn: &mut Turn) -> Result<(), Close> {
        Ok(())
    }

    /// The connection ended; called once.
    fn ended(&mut self, _how: &Ended, _turn: &mut Turn) {}
}

/// Takes a socket for the mesh: no delay, and halves to read and to write.
///
/// # Errors
/// When the socket is dead already.
pub fn take(stream: TcpStream, queue_bytes: usize) -> io::Result<(OwnedReadHalf, Arc<Outbox>)> {
    stream.set_nodelay(true)?;
    let (read, write) = stream.into_split();
    Ok((read, Outbox::new(write, queue_bytes)))
}

/// Runs a connection to its end; then its descriptor is closed, whoever still holds the outbox.
///
/// [`Outbox::close`] ends it in order, and `cut` ends the waiting that is part of that. Dropping the future cuts the
/// connection where it is.
pub async fn drive<P: Peer>(
    read: OwnedReadHalf,
    outbox: Arc<Outbox>,
    peer: &mut P,
    cut: &CancellationToken,
) -> Ended {
    let mut connection = Connection { read, outbox, unread: Vec::new(), stalled: false, timer: None };
    let mut turn = Turn::default();
    let ended = loop {
        match connection.turn(peer, &mut turn).await {
            Ok(()) => turn.flush().await,
            Err(ended) => break ended,
        }
    };
    turn.flush().await;
    // Boxed, as what follows: what only the end of a connection needs costs it nothing while it lives.
    let said = matches!(ended, Ended::ByUs(_)) && Box::pin(connection.last_words(cut)).await;
    connection.outbox.hang_up();
    peer.ended(&ended, &mut turn);
    turn.flush().await;
    if said {
        Box::pin(connection.discard_input(cut)).await;
    }
    ended
}

struct Connection {
    read: OwnedReadHalf,
    outbox: Arc<Outbox>,
    /// What came and is not taken yet.
    unread: Vec<u8>,
    /// `unread` may hold whole frames that the peer did not want yet.
    stalled: bool,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        // The other half of the descriptor, which others may hold for long.
        self.outbox.hang_up();
    }
}

impl Connection {
    async fn turn<P: Peer>(&mut self, peer: &mut P, turn: &mut Turn) -> Result<(), Ended> {
        if self.outbox.is_closing() {
            return Err(Ended::ByUs("it was told to end".into()));
        }
        if self.stalled && peer.may_read() {
            return self.take_unread(peer, turn);
        }
        self.set_timer(peer.deadline());
        let blocked = self.outbox.is_blocked();
        let may_read = peer.may_read();
        let outbox = Arc::clone(&self.outbox);
        let timer = self.timer.as_mut();
        tokio::select! {
            biased;
            () = outbox.woken() => {
                // The peer may want again what it left, and may have changed its mind before we asked.
                self.stalled = !self.unread.is_empty();
                Ok(())
            }
            ready = outbox.writable(), if blocked => {
                ready.map_err(Ended::Failed)?;
                if outbox.flush().map_err(Ended::Failed)? {
                    peer.drained(turn);
                }
                Ok(())
            }
            () = sleep(timer), if peer.deadline().is_some() => peer.timeout(turn).map_err(|close| by_us(&outbox, close)),
            read = poll_fn(|cx| read_some(cx, &mut self.read, &mut self.unread, peer, turn)), if may_read => {
                self.stalled = read.map_err(|ended| match ended {
                    Stop::Close(close) => by_us(&outbox, close),
                    Stop::Ended(ended) => ended,
                })?;
                Ok(())
            }
        }
    }

    fn take_unread<P: Peer>(&mut self, peer: &mut P, turn: &mut Turn) -> Result<(), Ended> {
        let taken = peer.received(&self.unread, turn).map_err(|close| by_us(&self.outbox, close))?;
        self.unread.drain(..taken);
        self.stalled = !peer.may_read();
        if self.unread.is_empty() {
            self.unread = Vec::new();
        }
        Ok(())
    }

    fn set_timer(&mut self, deadline: Option<Instant>) {
        match (deadline, &mut self.timer) {
            (None, timer) => *timer = None,
            (Some(at), Some(timer)) if timer.deadline() == at => {}
            (Some(at), Some(timer)) => timer.as_mut().reset(at),
            (Some(at), timer) => *timer = Some(Box::pin(tokio::time::sleep_until(at))),
        }
    }
}

async fn sleep(timer: Option<&mut Pin<Box<Sleep>>>) {
    match timer {
        Some(timer) => timer.as_mut().await,
        None => std::future::pending().await,
    }
}

fn by_us(outbox: &Outbox, close: Close) -> Ended {
    outbox.close(close.last);
    Ended::ByUs(close.why)
}

enum Stop {
    Close(Close),
    Ended(Ended),
}

/// One read and all that follows from it. True if whole frames may be left because the peer wants no more.
fn read_some<P: Peer>(
    cx: &mut Context<'_>,
    read: &mut OwnedReadHalf,
    unread: &mut Vec<u8>,
    peer: &mut P,
    turn: &mut Turn,
) -> Poll<Result<bool, Stop>> {
    READ_BUFFER.with_borrow_mut(|buffer| {
        let mut buffer = ReadBuf::new(buffer);
        if let Err(error) = ready!(Pin::new(read).poll_read(cx, &mut buffer)) {
            return Poll::Ready(Err(Stop::Ended(Ended::Failed(error))));
        }
        if buffer.filled().is_empty() {
            return Poll::Ready(Err(Stop::Ended(Ended::ByPeer)));
        }
        Poll::Ready(hand_over(buffer.filled(), unread, peer, turn).map_err(Stop::Close))
    })
}

fn hand_over<P: Peer>(
    new: &[u8],
    unread: &mut Vec<u8>,
    peer: &mut P,
    turn: &mut Turn,
) -> Result<bool, Close> {
    if unread.is_empty() {
        let taken = peer.received(new, turn)?;
        unread.extend_from_slice(&new[taken..]);
    } else {
        unread.extend_from_slice(new);
        let taken = peer.received(unread, turn)?;
        unread.drain(..taken);
        if unread.is_empty() {
            *unread = Vec::new();
        }
    }
    Ok(!unread.is_empty() && !peer.may_read())
}
