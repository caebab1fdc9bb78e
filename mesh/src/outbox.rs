//! What waits to be written to one connection: bounded in bytes, written in order, one vectored write a turn.
//!
//! Whoever has something for a connection pushes it here; nothing is written until the turn in which that
//! happened ends ([`Turn`]), so that a batch of input costs each touched connection one write. Only when the
//! socket takes no more does the connection's own task take over, for as long as that lasts.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Notify;

/// How many frames go into one vectored write.
const SLICES: usize = 64;

/// Above this many slots, an empty queue gives its memory back.
const KEPT_SLOTS: usize = 32;

/// The queue of one connection, and the half of its socket that is written to.
pub struct Outbox {
    limit: AtomicUsize,
    wake: Notify,
    state: Mutex<State>,
}

struct State {
    /// `None` once the connection has hung up: whoever holds the outbox longer holds no descriptor.
    socket: Option<OwnedWriteHalf>,
    queue: VecDeque<Bytes>,
    /// Bytes of the first frame that are written already.
    written: usize,
    /// Bytes that wait.
    waiting: usize,
    /// The socket took no more: the connection's task waits for it.
    blocked: bool,
    /// It is on some turn's list.
    touched: bool,
    closing: Option<Closing>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Closing {
    /// What waits is still written.
    AfterFlush,
    /// The queue overflowed or the socket failed: nothing more is written.
    Now,
}

/// A push that was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotQueued {
    /// It would have been more than the bound: the reader is too slow.
    #[error("more than {limit} bytes would wait for this connection")]
    Overflow {
        /// The bound, in bytes.
        limit: usize,
    },
    /// The connection is ending.
    #[error("the connection is ending")]
    Closing,
}

impl Outbox {
    /// An outbox that holds at most `limit` bytes, or one frame if that alone is longer.
    pub fn new(socket: OwnedWriteHalf, limit: usize) -> Arc<Self> {
        let state = Mutex::new(State::new(socket));
        Arc::new(Self { limit: limit.into(), wake: Notify::new(), state })
    }

    /// Queues a frame, to be written when the turn ends.
    ///
    /// # Errors
    /// [`NotQueued`]; the frame is dropped then, so the caller has to end the connection or know that it is ending.
    pub fn push(self: &Arc<Self>, frame: Bytes, turn: &mut Turn) -> Result<(), NotQueued> {
        let mut state = self.state.lock();
        if state.closing.is_some() {
            return Err(NotQueued::Closing);
        }
        let limit = self.limit.load(Ordering::Relaxed);
        if state.overflows(frame.len(), limit) {
            self.make_room(&mut state)?;
            if state.overflows(frame.len(), limit) {
                return Err(NotQueued::Overflow { limit });
            }
        }
        state.waiting += frame.len();
        state.queue.push_back(frame);
        if !state.touched && !state.blocked {
            state.touched = true;
            turn.touched.push(Arc::clone(self));
        }
        Ok(())
    }

    /// A turn may gather more than the bound for a reader that would take it all: only what the socket does not take
    /// counts against the reader.
    fn make_room(&self, state: &mut State) -> Result<(), NotQueued> {
        if state.blocked {
            return Ok(());
        }
        let (written, wake) = Self::write_out(state);
        if wake {
            self.wake.notify_one();
        }
        written.map(|_| ()).map_err(|_| NotQueued::Closing)
    }

    /// Ends the connection after what waits, and then `last`, is written.
    pub fn close(&self, last: Option<Bytes>) {
        self.end(Closing::AfterFlush, last);
    }

    /// Ends the connection because its reader is too slow: what waits is dropped, but for the frame that is partly
    /// written, after which `last` is tried once.
    pub fn cut(&self, last: Option<Bytes>) {
        self.end(Closing::Now, last);
    }

    fn end(&self, how: Closing, last: Option<Bytes>) {
        let mut state = self.state.lock();
        if state.closing.is_some() {
            return;
        }
        state.closing = Some(how);
        if how == Closing::Now {
            state.drop_what_is_not_begun();
        }
        state.waiting += last.as_ref().map_or(0, Bytes::len);
        state.queue.extend(last);
        drop(state);
        self.wake.notify_one();
    }

    /// Wakes the connection's task, so that it asks its peer again whether it may read.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Sets another bound, once it is known what the connection is for.
    pub fn set_limit(&self, bytes: usize) {
        self.limit.store(bytes, Ordering::Relaxed);
    }

    /// Bytes that wait.
    pub fn waiting(&self) -> usize {
        self.state.lock().waiting
    }

    /// Whether the connection is ending.
    pub fn is_closing(&self) -> bool {
        self.state.lock().closing.is_some()
    }

    pub(crate) fn is_blocked(&self) -> bool {
        self.state.lock().blocked
    }

    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Waits until the socket may take more. For the connection's own task alone.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        poll_fn(|cx| self.state.lock().poll_writable(cx)).await
    }

    /// Whether it is ending because its reader is too slow, or because it failed.
    pub(crate) fn is_cut(&self) -> bool {
        self.state.lock().closing == Some(Closing::Now)
    }

    /// Nothing more is written: the other side reads an end after what was.
    pub(crate) fn hang_up(&self) {
        let socket = {
            let mut state = self.state.lock();
            state.give_up();
            state.socket.take()
        };
        // Out of the lock, for it is a system call: this half of the socket is shut down.
        drop(socket);
    }

    /// Writes what the socket takes. True if nothing is left.
    pub(crate) fn flush(&self) -> io::Result<bool> {
        let (written, wake) = {
            let mut state = self.state.lock();
            state.touched = false;
            Self::write_out(&mut state)
        };
        if wake {
            self.wake.notify_one();
        }
        written
    }

    /// As [`Outbox::flush`]; says as well whether the connection's task is to be woken for what came of it.
    fn write_out(state: &mut State) -> (io::Result<bool>, bool) {
        let was_blocked = std::mem::take(&mut state.blocked);
        while !state.queue.is_empty() {
            match state.write_some() {
                Ok(count) => state.advance(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    state.blocked = true;
                    return (Ok(false), !was_blocked);
                }
                Err(error) => {
                    state.give_up();
                    return (Err(error), true);
                }
            }
        }
        if state.queue.capacity() > KEPT_SLOTS {
            state.queue = VecDeque::new();
        }
        (Ok(true), false)
    }
}

impl State {
    fn new(socket: OwnedWriteHalf) -> Self {
        Self {
            socket: Some(socket),
            queue: VecDeque::new(),
            written: 0,
            waiting: 0,
            blocked: false,
            touched: false,
            closing: None,
        }
    }

    /// Nothing more is written.
    fn give_up(&mut self) {
        self.closing = Some(Closing::Now);
        self.queue = VecDeque::new();
        self.waiting = 0;
        self.blocked = false;
    }

    /// What is partly written has to be finished, or nothing after it could be read.
    fn drop_what_is_not_begun(&mut self) {
        self.queue.truncate(usize::from(self.written > 0));
        self.waiting = self.queue.iter().map(Bytes::len).sum::<usize>() - self.written;
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.socket {
            Some(socket) => socket.as_ref().poll_write_ready(cx),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn overflows(&self, bytes: usize, limit: usize) -> bool {
        self.waiting + bytes > limit && !self.queue.is_empty()
    }

    fn advance(&mut self, count: usize) {
        self.waiting = self.waiting.saturating_sub(count);
        self.written += count;
        while let Some(frame) = self.queue.front() {
            if self.written < frame.len() {
                return;
            }
            self.written -= frame.len();
            self.queue.pop_front();
        }
    }

    fn write_some(&self) -> io::Result<usize> {
        let socket = self.socket.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut used = 0;
        for (slot, frame) in slices.iter_mut().zip(&self.queue) {
            let from = if used == 0 { self.written } else { 0 };
            *slot = IoSlice::new(&frame[from..]);
            used += 1;
        }
        match socket.try_write_vectored(&slices[..used])? {
            0 => Err(io::ErrorKind::WriteZero.into()),
            count => Ok(count),
        }
    }
}

/// One turn of a task: what it pushed goes out when it ends.
#[derive(Default)]
pub struct Turn {
    touched: Vec<Arc<Outbox>>,
}

/// A turn gives way to other tasks after it wrote to so many connections.
const WRITES_BEFORE_YIELD: usize = 256;

impl Turn {
    /// Writes to every connection that was pushed to since the last flush, one write each, and gives way to other
    /// tasks after every 256.
    pub async fn flush(&mut self) {
        for (count, outbox) in self.touched.drain(..).enumerate() {
            // An error ends that connection, which its own task is told by the outbox.
            let _ = outbox.flush();
            if count % WRITES_BEFORE_YIELD == WRITES_BEFORE_YIELD - 1 {
                tokio::task::yield_now().await;
            }
        }
    }

    /// As [`Turn::flush`], for code that is not a task and touches few connections.
    pub fn flush_now(&mut self) {
        for outbox in self.touched.drain(..) {
            let _ = outbox.flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::net::tcp::OwnedReadHalf;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    const LIMIT: usize = 1_000;

    /// An outbox, and the other end of its connection.
    async fn connected() -> (Arc<Outbox>, TcpStream, OwnedReadHalf) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let reader = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (read, write) = listener.accept().await.unwrap().0.into_split();
        (Outbox::new(write, LIMIT), reader, read)
    }

    #[tokio::test]
    async fn a_turn_that_gathers_more_than_the_bound_does_not_count_against_a_reader_that_takes_it() {
        let (outbox, mut reader, _read) = connected().await;
        let mut turn = Turn::default();
        for n in 0..40_u8 {
            outbox.push(Bytes::from(vec![n; 600]), &mut turn).unwrap();
            assert!(outbox.waiting() <= LIMIT);
        }
        turn.flush().await;
        let mut got = vec![0; 40 * 600];
        reader.read_exact(&mut got).await.unwrap();
        assert!(
            got.chunks(600).enumerate().all(|(n, frame)| frame.iter().all(|byte| usize::from(*byte) == n))
        );
    }

    #[tokio::test]
    async fn what_the_socket_does_not_take_is_bounded() {
        let (outbox, _reader, _read) = connected().await;
        let mut turn = Turn::default();
        let overflow = loop {
            match outbox.push(Bytes::from(vec![0; 600]), &mut turn) {
                Ok(()) => assert!(outbox.waiting() <= LIMIT),
                Err(error) => break error,
            }
        };
        assert_eq!(overflow, NotQueued::Overflow { limit: LIMIT });
        assert!(outbox.is_blocked());
    }

    #[tokio::test]
    async fn one_frame_above_the_bound_is_taken_where_nothing_waits() {
        let (outbox, mut reader, _read) = connected().await;
        let mut turn = Turn::default();
        outbox.push(Bytes::from(vec![7; 2 * LIMIT]), &mut turn).unwrap();
        turn.flush().await;
        let mut got = vec![0; 2 * LIMIT];
        reader.read_exact(&mut got).await.unwrap();
        assert_eq!(got, vec![7; 2 * LIMIT]);
    }
}
