//! What waits to be written to one connection: bounded in bytes, written in order, one vectored write a turn.
//!
//! Whoever has something for a connection pushes it here; nothing is written until the turn in which that
//! happened ends ([`Turn`]), so that a batch of input costs each touched connection one write. Only when the
//! socket takes no more does the connection's own task take over, for as long as that lasts.

mod queue;

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Notify;

use crate::tls::Session;
use queue::{Closing, Queue};

/// The queue of one connection, and the half of its socket that is written to.
pub struct Outbox {
    limit: AtomicUsize,
    wake: Notify,
    queue: Mutex<Queue>,
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
        let queue = Mutex::new(Queue::new(socket));
        Arc::new(Self { limit: limit.into(), wake: Notify::new(), queue })
    }

    /// Queues a frame, to be written when the turn ends.
    ///
    /// # Errors
    /// [`NotQueued`]; the frame is dropped then, so the caller has to end the connection or know that it is ending.
    pub fn push(self: &Arc<Self>, frame: Bytes, turn: &mut Turn) -> Result<(), NotQueued> {
        self.enqueue(frame, self.limit.load(Ordering::Relaxed), turn)
    }

    /// As [`Outbox::push`], for what can be offered again later: it leaves an eighth of the bound to what cannot.
    ///
    /// # Errors
    /// [`NotQueued`]; the frame is dropped then, and the connection goes on.
    pub fn offer(self: &Arc<Self>, frame: Bytes, turn: &mut Turn) -> Result<(), NotQueued> {
        let limit = self.limit.load(Ordering::Relaxed);
        self.enqueue(frame, limit - limit / 8, turn)
    }

    fn enqueue(self: &Arc<Self>, frame: Bytes, limit: usize, turn: &mut Turn) -> Result<(), NotQueued> {
        let mut queue = self.queue.lock();
        if queue.is_closing() {
            return Err(NotQueued::Closing);
        }
        if queue.overflows(frame.len(), limit) {
            self.make_room(&mut queue)?;
            if queue.overflows(frame.len(), limit) {
                return Err(NotQueued::Overflow { limit });
            }
        }
        if queue.add(frame) {
            turn.touched.push(Arc::clone(self));
        }
        Ok(())
    }

    /// A turn may gather more than the bound for a reader that would take it all: only what the socket does not take
    /// counts against the reader.
    fn make_room(&self, queue: &mut Queue) -> Result<(), NotQueued> {
        if queue.is_blocked() {
            return Ok(());
        }
        let (written, wake) = queue.write_out();
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
        if self.queue.lock().end(how, last) {
            self.wake.notify_one();
        }
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
        self.queue.lock().waiting()
    }

    /// Bytes that were written since the beginning, where more waits: while that stays the same, the other side takes nothing.
    pub fn taken(&self) -> Option<u64> {
        let queue = self.queue.lock();
        (queue.waiting() > 0).then_some(queue.taken())
    }

    /// Whether the connection is ending.
    pub fn is_closing(&self) -> bool {
        self.queue.lock().is_closing()
    }

    /// Whether nobody between can read or change what is said: by TLS, or because the other side is on this machine. Known
    /// before the first frame is handed over.
    pub fn is_secure(&self) -> bool {
        self.queue.lock().is_secure()
    }

    /// From now on the connection speaks TLS, and nothing is said before its handshake is done.
    pub(crate) fn speak_tls(&self, session: Session) {
        self.queue.lock().speak_tls(session);
    }

    pub(crate) fn speaks_tls(&self) -> bool {
        self.queue.lock().speaks_tls()
    }

    /// Whether a handshake of TLS is under way.
    pub(crate) fn is_handshaking(&self) -> bool {
        self.queue.lock().is_handshaking()
    }

    /// Opens what came by TLS, adds it to `plain`, and writes what follows from it: the handshake's answers, and what had to
    /// wait for its end. True if the other side says no more.
    pub(crate) fn open(&self, came: &[u8], plain: &mut Vec<u8>) -> io::Result<bool> {
        let mut queue = self.queue.lock();
        let opened = queue.open(came, plain);
        let (written, _) = queue.write_out();
        opened.and_then(|ended| written.map(|_| ended))
    }

    /// Who is on the other side; `None` once the connection is gone.
    pub(crate) fn other_side(&self) -> Option<SocketAddr> {
        self.queue.lock().other_side()
    }

    pub(crate) fn is_blocked(&self) -> bool {
        self.queue.lock().is_blocked()
    }

    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Waits until the socket may take more. For the connection's own task alone.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        poll_fn(|cx| self.queue.lock().poll_writable(cx)).await
    }

    /// Whether it is ending because its reader is too slow, or because it failed.
    pub(crate) fn is_cut(&self) -> bool {
        self.queue.lock().is_cut()
    }

    /// Nothing more is written: the other side reads an end after what was.
    pub(crate) fn hang_up(&self) {
        let taken = self.queue.lock().hang_up();
        // Out of the lock, for it is a system call: this half of the socket is shut down.
        drop(taken);
    }

    /// Writes what the socket takes. True if nothing is left.
    pub(crate) fn flush(&self) -> io::Result<bool> {
        let (written, wake) = {
            let mut queue = self.queue.lock();
            queue.turn_ends();
            queue.write_out()
        };
        if wake {
            self.wake.notify_one();
        }
        written
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
    async fn what_can_be_offered_again_leaves_room_for_what_cannot() {
        let (outbox, _reader, _read) = connected().await;
        let mut turn = Turn::default();
        while outbox.offer(Bytes::from(vec![0; 50]), &mut turn).is_ok() {}
        let (taken, waiting) = (outbox.taken(), outbox.waiting());
        assert!(outbox.is_blocked() && (LIMIT * 7 / 8 - 50..=LIMIT * 7 / 8).contains(&waiting));
        outbox.push(Bytes::from(vec![0; LIMIT / 8]), &mut turn).unwrap();
        turn.flush().await;
        assert_eq!(outbox.taken(), taken, "nothing is taken");
        assert!(!outbox.is_closing());
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
