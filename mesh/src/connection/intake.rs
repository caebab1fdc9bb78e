//! What comes in, on its way to the peer: told by its first byte, opened where it is sealed, kept while it is unfinished.

use std::cell::RefCell;
use std::io;

use super::{Close, Ended, Peer};
use crate::logging::Seldom;
use crate::outbox::{Outbox, Turn};
use crate::tls::{self, Certificate, Session};

thread_local! {
    /// What was opened of one read. It belongs to the thread, as the buffer for reading does.
    static OPENED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What came and is not taken yet.
pub(super) struct Intake<'a> {
    speaks: Speaks<'a>,
    unread: Vec<u8>,
    /// `unread` may hold whole frames that the peer did not want yet.
    stalled: bool,
}

#[derive(Clone, Copy)]
enum Speaks<'a> {
    /// Its first byte will tell; it may speak TLS if there is a certificate.
    Unknown(&'a Certificate),
    Plainly,
    Tls,
}

/// Why nothing more is taken.
pub(super) enum Stop {
    Close(Close),
    Ended(Ended),
}

impl From<Close> for Stop {
    fn from(close: Close) -> Self {
        Self::Close(close)
    }
}

impl<'a> Intake<'a> {
    /// Of a connection that was accepted on a port with this certificate, or dialled.
    pub fn new(certificate: Option<&'a Certificate>, outbox: &Outbox) -> Self {
        let speaks = match certificate {
            Some(certificate) => Speaks::Unknown(certificate),
            None if outbox.speaks_tls() => Speaks::Tls,
            None => Speaks::Plainly,
        };
        Self { speaks, unread: Vec::new(), stalled: false }
    }

    /// Whether the peer may take some of what came, now that it may read.
    pub fn is_stalled(&self) -> bool {
        self.stalled
    }

    /// The peer may have changed its mind about what it left.
    pub fn look_again(&mut self) {
        self.stalled = !self.unread.is_empty();
    }

    /// Takes what was read, which is not empty.
    pub fn received(
        &mut self,
        new: &[u8],
        outbox: &Outbox,
        peer: &mut impl Peer,
        turn: &mut Turn,
    ) -> Result<(), Stop> {
        if let Speaks::Unknown(certificate) = self.speaks {
            self.speaks = told_by(new, certificate, outbox)?;
        }
        match self.speaks {
            Speaks::Tls => self.open(new, outbox, peer, turn),
            _ => Ok(self.hand_over(new, peer, turn)?),
        }
    }

    fn open(
        &mut self,
        new: &[u8],
        outbox: &Outbox,
        peer: &mut impl Peer,
        turn: &mut Turn,
    ) -> Result<(), Stop> {
        OPENED.with_borrow_mut(|opened| {
            opened.clear();
            let ended = outbox.open(new, opened).map_err(|error| Close::silently(error.to_string()))?;
            if !opened.is_empty() {
                self.hand_over(opened, peer, turn)?;
            }
            if ended { Err(Stop::Ended(Ended::ByPeer)) } else { Ok(()) }
        })
    }

    fn hand_over(&mut self, new: &[u8], peer: &mut impl Peer, turn: &mut Turn) -> Result<(), Close> {
        if self.unread.is_empty() {
            let taken = peer.received(new, turn)?;
            self.unread.extend_from_slice(&new[taken..]);
            self.stalled = !self.unread.is_empty() && !peer.may_read();
            return Ok(());
        }
        self.unread.extend_from_slice(new);
        self.take_unread(peer, turn)
    }

    /// Hands over again what the peer has left.
    pub fn take_unread(&mut self, peer: &mut impl Peer, turn: &mut Turn) -> Result<(), Close> {
        let taken = peer.received(&self.unread, turn)?;
        self.unread.drain(..taken);
        if self.unread.is_empty() {
            self.unread = Vec::new();
        }
        self.stalled = !self.unread.is_empty() && !peer.may_read();
        Ok(())
    }
}

/// What a connection speaks that begins with `first`.
fn told_by<'a>(first: &[u8], certificate: &Certificate, outbox: &Outbox) -> Result<Speaks<'a>, Stop> {
    if first.first() != Some(&tls::HANDSHAKE) {
        return Ok(Speaks::Plainly);
    }
    let Some(server) = certificate.server_config() else { return Err(no_certificate(outbox).into()) };
    let session = Session::accepted(server).map_err(|error| Stop::Ended(Ended::Failed(error)))?;
    outbox.speak_tls(session);
    Ok(Speaks::Tls)
}

fn no_certificate(outbox: &Outbox) -> Close {
    static SAID: Seldom = Seldom::new();
    if SAID.is_due() {
        let address = outbox.other_side();
        tracing::warn!(
            ?address,
            "somebody speaks TLS to a port that has no certificate, and is closed: set TlsCertFile and TlsKeyFile here, or \
             no TlsCaFile there (said once a minute at most)"
        );
    }
    Close::silently("TLS without a certificate")
}

/// The other side ended the connection, perhaps before it had begun.
pub(super) fn ended_by_peer(outbox: &Outbox) -> Ended {
    if outbox.is_handshaking() {
        let why = "closed in the handshake of TLS: has the other side a certificate (TlsCertFile), and is it one that this \
                   side believes (TlsCaFile)?";
        return Ended::Failed(io::Error::new(io::ErrorKind::UnexpectedEof, why));
    }
    Ended::ByPeer
}
