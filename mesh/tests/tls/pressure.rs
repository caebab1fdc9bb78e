//! Readers of TLS that are slow, and what is pushed to them meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use mesh::connection::{Close, Peer};
use mesh::outbox::{NotQueued, Outbox, Turn};
use mesh::tls::Authority;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use super::PATIENCE;
use crate::papers::Papers;
use crate::port::{process_config, rest, serve, tls_over};

/// More than the sockets of both sides hold.
const FRAMES: u32 = 20_000;

const QUEUE_BYTES: usize = 64 * 1024;

/// Frame `n`: its number, and as many bytes as follow from it.
fn frame(n: u32) -> Bytes {
    let length = (n * 7919) % 2000;
    [&n.to_be_bytes()[..], &length.to_be_bytes(), &vec![n as u8; length as usize]].concat().into()
}

/// Reads whole frames, in their order, until the end or something else; gives how many they were, and what came then.
fn frames(mut bytes: &[u8]) -> (u32, &[u8]) {
    for n in 0.. {
        match bytes.strip_prefix(&*frame(n)) {
            Some(after) => bytes = after,
            None => return (n, bytes),
        }
    }
    unreachable!("there are fewer frames")
}

/// Pushes frames once it is spoken to: as many as there is room for, and the next ones when the socket was emptied.
struct Pusher {
    outbox: Arc<Outbox>,
    next: u32,
    /// Pushes on where there is no room, and is cut then.
    ruthless: bool,
    pushed: Arc<AtomicU32>,
}

const TOO_SLOW: &[u8] = b"you read too slowly";

impl Pusher {
    fn push(&mut self, turn: &mut Turn) {
        while self.next < FRAMES {
            match self.outbox.push(frame(self.next), turn) {
                Ok(()) => self.next += 1,
                Err(NotQueued::Overflow { .. }) if self.ruthless => {
                    self.outbox.cut(Some(Bytes::from_static(TOO_SLOW)));
                }
                // The socket is full: it goes on once that is drained.
                Err(_) => break,
            }
            assert!(self.outbox.waiting() <= QUEUE_BYTES);
        }
        self.pushed.store(self.next, Ordering::SeqCst);
    }
}

impl Peer for Pusher {
    fn received(&mut self, input: &[u8], turn: &mut Turn) -> Result<usize, Close> {
        self.push(turn);
        Ok(input.len())
    }

    fn drained(&mut self, turn: &mut Turn) {
        self.push(turn);
    }
}

/// A client that is pushed to from now on, and how much of that was queued.
async fn pushed_to(papers: &Papers, ruthless: bool) -> (TlsStream<TcpStream>, Arc<AtomicU32>) {
    let process = process_config(&papers.certificate("a", &["localhost"]).config());
    let pushed = Arc::new(AtomicU32::new(0));
    let told = Arc::clone(&pushed);
    let (address, _) = serve("127.0.0.1:0", process, QUEUE_BYTES, move |outbox| Pusher {
        outbox: Arc::clone(outbox),
        next: 0,
        ruthless,
        pushed: Arc::clone(&told),
    })
    .await;
    let client = Authority::read(&papers.ca()).unwrap().client_config().unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let mut stream = tls_over(stream, client, "localhost").await.unwrap();
    stream.write_all(b"go").await.unwrap();
    (stream, pushed)
}

/// Waits until something was queued, and no more is: the sockets are full.
async fn filled(pushed: &AtomicU32) {
    let full = async {
        while pushed.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, full).await.expect("frames to be pushed");
}

#[tokio::test]
async fn frames_keep_their_order_while_the_socket_is_full_again_and_again() {
    let papers = Papers::new();
    let (mut stream, pushed) = pushed_to(&papers, false).await;
    filled(&pushed).await;
    let whole: usize = (0..FRAMES).map(|n| frame(n).len()).sum();
    let mut read = vec![0; whole];
    timeout(PATIENCE, stream.read_exact(&mut read)).await.expect("all frames in time").unwrap();
    assert_eq!(frames(&read), (FRAMES, &b""[..]));
}

#[tokio::test]
async fn a_slow_reader_is_cut_between_two_frames_and_told_why() {
    let papers = Papers::new();
    let (mut stream, pushed) = pushed_to(&papers, true).await;
    filled(&pushed).await;
    let read = rest(&mut stream).await.unwrap();
    let (whole, last) = frames(&read);
    assert!(whole < pushed.load(Ordering::SeqCst), "what was not begun is dropped");
    assert_eq!(last, TOO_SLOW);
}
