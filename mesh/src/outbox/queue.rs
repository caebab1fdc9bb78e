//! What waits for one connection, and how it is written: as it is, or sealed where the connection speaks TLS.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::net::tcp::OwnedWriteHalf;

use crate::tls::Session;

/// How many frames go into one vectored write.
const SLICES: usize = 64;

/// Above this many slots, an empty queue gives its memory back.
const KEPT_SLOTS: usize = 32;

/// Frames in their order, and where they go.
pub(super) struct Queue {
    /// `None` once the connection has hung up: whoever holds the outbox longer holds no descriptor.
    socket: Option<OwnedWriteHalf>,
    /// Boxed, for most connections have none.
    tls: Option<Box<Session>>,
    frames: VecDeque<Bytes>,
    /// Bytes of the first frame that are written already.
    written: usize,
    /// Bytes that wait.
    waiting: usize,
    /// Bytes that were written since the beginning.
    taken: u64,
    /// The socket took no more: the connection's task waits for it.
    blocked: bool,
    /// It is on some turn's list.
    touched: bool,
    /// By TLS, or because the other side is on this machine.
    secure: bool,
    closing: Option<Closing>,
}

/// How a connection ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Closing {
    /// What waits is still written.
    AfterFlush,
    /// The queue overflowed or the socket failed: nothing more is written.
    Now,
}

impl Queue {
    pub fn new(socket: OwnedWriteHalf) -> Self {
        let secure = socket.peer_addr().is_ok_and(|address| address.ip().to_canonical().is_loopback());
        Self {
            socket: Some(socket),
            tls: None,
            frames: VecDeque::new(),
            written: 0,
            waiting: 0,
            taken: 0,
            blocked: false,
            touched: false,
            secure,
            closing: None,
        }
    }

    pub fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    pub fn is_cut(&self) -> bool {
        self.closing == Some(Closing::Now)
    }

    pub fn is_blocked(&self) -> bool {
        self.blocked
    }

    pub fn is_secure(&self) -> bool {
        self.secure
    }

    pub fn waiting(&self) -> usize {
        self.waiting
    }

    pub fn taken(&self) -> u64 {
        self.taken
    }

    pub fn other_side(&self) -> Option<SocketAddr> {
        self.socket.as_ref()?.peer_addr().ok()
    }

    pub fn speak_tls(&mut self, session: Session) {
        self.tls = Some(Box::new(session));
        self.secure = true;
    }

    pub fn speaks_tls(&self) -> bool {
        self.tls.is_some()
    }

    pub fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    pub fn overflows(&self, bytes: usize, limit: usize) -> bool {
        self.waiting + bytes > limit && !self.frames.is_empty()
    }

    /// Adds a frame. True if it is on no turn's list yet, and has to be.
    pub fn add(&mut self, frame: Bytes) -> bool {
        self.waiting += frame.len();
        self.frames.push_back(frame);
        !self.blocked && !std::mem::replace(&mut self.touched, true)
    }

    /// The turn that it was on the list of ends.
    pub fn turn_ends(&mut self) {
        self.touched = false;
    }

    /// False if it was ending.
    pub fn end(&mut self, how: Closing, last: Option<Bytes>) -> bool {
        if self.closing.is_some() {
            return false;
        }
        self.closing = Some(how);
        if self.is_handshaking() {
            // Nobody could read it.
            self.drop_all();
            return true;
        }
        if how == Closing::Now {
            self.drop_what_is_not_begun();
        }
        self.waiting += last.as_ref().map_or(0, Bytes::len);
        self.frames.extend(last);
        true
    }

    /// What is partly written has to be finished, or nothing after it could be read; what is sealed has to be sent.
    fn drop_what_is_not_begun(&mut self) {
        let begun = self.written + self.tls.as_ref().map_or(0, |tls| tls.sealed());
        let mut bytes = 0;
        self.frames.retain(|frame| {
            let is_begun = bytes < begun;
            bytes += if is_begun { frame.len() } else { 0 };
            is_begun
        });
        self.waiting = bytes - self.written;
    }

    fn drop_all(&mut self) {
        self.frames = VecDeque::new();
        self.waiting = 0;
    }

    /// Nothing more is written.
    fn give_up(&mut self) {
        self.closing = Some(Closing::Now);
        self.drop_all();
        self.blocked = false;
    }

    /// Gives up, and gives away what there is no more use for. Whoever ended a connection of TLS is told the same, where
    /// the socket takes it.
    pub fn hang_up(&mut self) -> (Option<OwnedWriteHalf>, Option<Box<Session>>) {
        if !self.is_handshaking() {
            let _ = self.end_tls();
        }
        self.give_up();
        (self.socket.take(), self.tls.take())
    }

    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.socket {
            Some(socket) => socket.as_ref().poll_write_ready(cx),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    /// Opens what came by TLS, and adds it to `plain`. True if the other side says no more.
    pub fn open(&mut self, came: &[u8], plain: &mut Vec<u8>) -> io::Result<bool> {
        match &mut self.tls {
            Some(tls) => tls.open(came, plain),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Writes what the socket takes. True if nothing is left; and whether the connection's task is to be woken for what
    /// came of it.
    pub fn write_out(&mut self) -> (io::Result<bool>, bool) {
        let was_blocked = std::mem::take(&mut self.blocked);
        match self.write_all() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.blocked = true;
                (Ok(false), !was_blocked)
            }
            Err(error) => {
                self.give_up();
                (Err(error), true)
            }
            all => (all, false),
        }
    }

    fn write_all(&mut self) -> io::Result<bool> {
        self.send_sealed()?;
        if self.is_handshaking() {
            return Ok(self.frames.is_empty());
        }
        while !self.frames.is_empty() {
            let count = self.write_some()?;
            self.advance(count);
        }
        if self.frames.capacity() > KEPT_SLOTS {
            self.frames = VecDeque::new();
        }
        if self.closing.is_some() {
            self.end_tls()?;
        }
        Ok(true)
    }

    fn send_sealed(&mut self) -> io::Result<()> {
        match (&mut self.tls, &self.socket) {
            (Some(tls), Some(socket)) => tls.send(socket),
            _ => Ok(()),
        }
    }

    fn end_tls(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            tls.end();
        }
        self.send_sealed()
    }

    fn write_some(&mut self) -> io::Result<usize> {
        let socket = self.socket.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut used = 0;
        for (slot, frame) in slices.iter_mut().zip(&self.frames) {
            let from = if used == 0 { self.written } else { 0 };
            *slot = IoSlice::new(&frame[from..]);
            used += 1;
        }
        let written = match &mut self.tls {
            Some(tls) => tls.write(&slices[..used], socket)?,
            None => socket.try_write_vectored(&slices[..used])?,
        };
        if written == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(written) }
    }

    fn advance(&mut self, count: usize) {
        self.waiting = self.waiting.saturating_sub(count);
        self.written += count;
        self.taken += count as u64;
        while let Some(frame) = self.frames.front() {
            if self.written < frame.len() {
                return;
            }
            self.written -= frame.len();
            self.frames.pop_front();
        }
    }
}
