//! One connection, one task: reads, hands what came to its [`Peer`], and writes when the socket was full.
//!
//! The read buffer belongs to the thread, not to the connection: an idle one holds no buffer. What is left of
//! an unfinished frame is kept until the rest comes, and grows only as bytes really arrive. An accepted connection
//! may speak TLS, which its first byte tells; its peer and its outbox are the same then.

mod ending;
mod intake;
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
use crate::tls::Certificate;
use intake::{Intake, Stop};

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
/// connection where it is. `certificate` is that of the port on which it was accepted, which may be none; `None` where it
/// was dialled.
pub async fn drive<P: Peer>(
    read: OwnedReadHalf,
    outbox: Arc<Outbox>,
    peer: &mut P,
    certificate: Option<&Certificate>,
    cut: &CancellationToken,
) -> Ended {
    let intake = Intake::new(certificate, &outbox);
    let mut connection = Connection { read, outbox, intake, timer: None };
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

struct Connection<'a> {
    read: OwnedReadHalf,
    outbox: Arc<Outbox>,
    intake: Intake<'a>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        // The other half of the descriptor, which others may hold for long.
        self.outbox.hang_up();
    }
}

impl Connection<'_> {
    async fn turn<P: Peer>(&mut self, peer: &mut P, turn: &mut Turn) -> Result<(), Ended> {
        if self.outbox.is_closing() {
            return Err(Ended::ByUs("it was told to end".into()));
        }
        if self.intake.is_stalled() && peer.may_read() {
            return self.intake.take_unread(peer, turn).map_err(|close| by_us(&self.outbox, close));
        }
        self.set_timer(peer.deadline());
        let blocked = self.outbox.is_blocked();
        let may_read = peer.may_read();
        let outbox = Arc::clone(&self.outbox);
        let timer = self.timer.as_mut();
        tokio::select! {
            biased;
            () = outbox.woken() => {
                // The peer may have changed its mind before we asked.
                self.intake.look_again();
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
            read = poll_fn(|cx| read_some(cx, &mut self.read, |new| self.intake.received(new, &outbox, peer, turn))), if may_read => {
                match read {
                    Ok(true) => Ok(()),
                    Ok(false) => Err(intake::ended_by_peer(&outbox)),
                    Err(Stop::Close(close)) => Err(by_us(&outbox, close)),
                    Err(Stop::Ended(ended)) => Err(ended),
                }
            }
        }
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

/// One read and all that follows from it. False if there is nothing more to read.
fn read_some(
    cx: &mut Context<'_>,
    read: &mut OwnedReadHalf,
    received: impl FnOnce(&[u8]) -> Result<(), Stop>,
) -> Poll<Result<bool, Stop>> {
    READ_BUFFER.with_borrow_mut(|buffer| {
        let mut buffer = ReadBuf::new(buffer);
        if let Err(error) = ready!(Pin::new(read).poll_read(cx, &mut buffer)) {
            return Poll::Ready(Err(Stop::Ended(Ended::Failed(error))));
        }
        if buffer.filled().is_empty() {
            return Poll::Ready(Ok(false));
        }
        Poll::Ready(received(buffer.filled()).map(|()| true))
    })
}
