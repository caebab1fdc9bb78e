//! Connections over real sockets, from their first byte to the end of their descriptor.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::outbox::NotQueued;

/// How long a test waits for what has to happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// Reads nothing, and says when it has ended.
struct Deaf {
    ended: bool,
}

impl Peer for Deaf {
    fn received(&mut self, _input: &[u8], _turn: &mut Turn) -> Result<usize, Close> {
        Err(Close::silently("it was to read nothing"))
    }

    fn may_read(&self) -> bool {
        false
    }

    fn ended(&mut self, _how: &Ended, _turn: &mut Turn) {
        self.ended = true;
    }
}

/// A connection that is driven, its outbox, and its other side.
struct Driven {
    outbox: Arc<Outbox>,
    cut: CancellationToken,
    other: TcpStream,
    driving: JoinHandle<Ended>,
}

async fn driven(queue_bytes: usize) -> Driven {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (read, outbox) = take(listener.accept().await.unwrap().0, queue_bytes).unwrap();
    let (held, cut) = (Arc::clone(&outbox), CancellationToken::new());
    let until = cut.clone();
    let driving = tokio::spawn(async move {
        let mut peer = Deaf { ended: false };
        let ended = drive(read, outbox, &mut peer, None, &until).await;
        assert!(peer.ended);
        ended
    });
    Driven { outbox: held, cut, other, driving }
}

impl Driven {
    /// Everything that is still to be read, up to the end.
    async fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = Vec::new();
        timeout(PATIENCE, self.other.read_to_end(&mut rest)).await.expect("an end in time")?;
        Ok(rest)
    }

    /// Fills both sockets and the queue, which the other side does not read.
    fn overflow(&self) {
        let mut turn = Turn::default();
        while self.outbox.push(Bytes::from(vec![b'x'; 60_000]), &mut turn).is_ok() {
            turn.flush_now();
        }
    }
}

#[tokio::test]
async fn a_peer_whose_input_was_never_read_still_gets_the_last_frame_and_an_end() {
    let mut driven = driven(1 << 20).await;
    driven.other.write_all(&[b'?'; 100_000]).await.unwrap();
    // More than the other side's buffer takes: the rest of it leaves after the end of this connection was decided.
    let last = vec![b'!'; 4 << 20];
    driven.outbox.close(Some(last.clone().into()));
    assert!(driven.rest().await.unwrap() == last);
    drop(driven.other);
    assert!(matches!(driven.driving.await.unwrap(), Ended::ByUs(_)));
}

#[tokio::test]
async fn the_descriptor_is_closed_although_somebody_holds_the_outbox() {
    let mut driven = driven(1 << 20).await;
    let held = Arc::clone(&driven.outbox);
    driven.outbox.close(None);
    assert_eq!(driven.rest().await.unwrap(), b"");
    // Shut down one way it would take this for ever.
    let refused = async { while driven.other.write_all(&[0; 1000]).await.is_ok() {} };
    timeout(PATIENCE, refused).await.expect("the socket to be closed");
    driven.driving.await.unwrap();
    let mut turn = Turn::default();
    assert_eq!(held.push(Bytes::from_static(b"x"), &mut turn), Err(NotQueued::Closing));
    assert_eq!(held.waiting(), 0);
}

#[tokio::test]
async fn a_reader_that_was_cut_is_not_waited_for_as_long_as_others() {
    let (cut, closed) = (driven(1 << 20).await, driven(1 << 20).await);
    for full in [&cut, &closed] {
        full.overflow();
    }
    closed.outbox.close(None);
    cut.outbox.cut(Some(Bytes::from_static(b"too slow")));
    assert!(cut.outbox.waiting() < 70_000, "what was not begun is dropped");
    let at = async |driving: JoinHandle<Ended>| {
        driving.await.unwrap();
        Instant::now()
    };
    let (cut_ended, closed_ended) = tokio::join!(at(cut.driving), at(closed.driving));
    assert!(cut_ended < closed_ended);
    drop((cut.other, closed.other));
}

#[tokio::test]
async fn who_never_ends_its_side_is_waited_for_for_a_bounded_time() {
    let driven = driven(1 << 20).await;
    let begun = Instant::now();
    driven.outbox.close(Some(Bytes::from_static(b"bye")));
    driven.driving.await.unwrap();
    assert!(begun.elapsed() < PATIENCE);
    drop(driven.other);
}

#[tokio::test]
async fn who_never_stops_sending_is_not_read_for_ever() {
    let mut driven = driven(1 << 20).await;
    driven.outbox.close(Some(Bytes::from_static(b"bye")));
    let flood = async {
        let mut sent = 0_usize;
        while let Ok(some) = driven.other.write(&[0; 64 * 1024]).await {
            sent += some;
        }
        sent
    };
    let sent = timeout(PATIENCE, flood).await.expect("an end of the flood");
    assert!(sent < 64 << 20, "{sent} bytes were taken");
    driven.driving.await.unwrap();
}

#[tokio::test]
async fn a_process_that_is_cut_waits_for_nobody() {
    for full in [true, false] {
        let driven = driven(1 << 20).await;
        if full {
            driven.overflow();
        }
        let begun = Instant::now();
        driven.outbox.close(None);
        driven.cut.cancel();
        driven.driving.await.unwrap();
        assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
        drop(driven.other);
    }
}
