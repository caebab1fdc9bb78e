//! One connection of a msg_server. Its first bytes tell what it is: an HTTP `GET`, a link of another process, or a client.

use std::net::SocketAddr;
use std::sync::Arc;

use mesh::connection::{Close, Ended, Peer};
use mesh::health;
use mesh::link::{self, Listening};
use mesh::outbox::{Outbox, Turn};
use protocol::code::DisconnectCode;
use protocol::command::{Packet, name};
use protocol::{event, packet};
use tokio::time::Instant;

use crate::client::commands;
use crate::client::patience::Patience;
use crate::client::session::Session;
use crate::links::end::LinkEnd;
use crate::server::{Server, count};
use crate::unfinished::Share;

/// What speaks on one connection.
pub(crate) struct Door {
    server: Arc<Server>,
    address: SocketAddr,
    outbox: Arc<Outbox>,
    opened: Instant,
    patience: Patience,
    unfinished: Share,
    face: Face,
}

enum Face {
    /// Nothing that tells was heard yet.
    Unknown,
    /// It asks over HTTP.
    Http,
    /// Another process that has not proved itself.
    Shaking(Box<Listening>),
    /// Another process.
    Link(Box<LinkEnd>),
    /// A client: never a link any more.
    Client(Arc<Session>),
}

impl Door {
    pub(crate) fn new(server: Arc<Server>, address: SocketAddr, outbox: &Arc<Outbox>) -> Self {
        let unfinished = server.unfinished.share();
        Self {
            server,
            address,
            outbox: Arc::clone(outbox),
            opened: Instant::now(),
            patience: Patience::default(),
            unfinished,
            face: Face::Unknown,
        }
    }

    fn frame(&mut self, body: &[u8], whole: &[u8], turn: &mut Turn) -> Result<(), Close> {
        match &mut self.face {
            Face::Link(link) => link.frame(&self.server, body, whole, turn),
            Face::Client(session) => commands::received(&self.server, session, body, turn),
            Face::Shaking(_) => self.prove(body, turn),
            Face::Unknown | Face::Http => self.first(body, turn),
        }
    }

    fn first(&mut self, body: &[u8], turn: &mut Turn) -> Result<(), Close> {
        let packet = Packet::parse(body).map_err(|error| Close::silently(error.to_string()))?;
        match &*packet.cmd_name {
            name::LINK_HELLO => {
                let certificate = &self.server.config.process.certificate;
                link::admit(&self.server.secrecy, certificate, self.address, &self.outbox)?;
                let begun = Listening::begin(&self.server.secrecy, &packet, self.server.address());
                let (listening, challenge) = begun?;
                self.face = Face::Shaking(Box::new(listening));
                self.push(challenge, turn)
            }
            name::SUBSCRIBE_CHANNEL => Err(Close::silently("SUBSCRIBE_CHANNEL without a link's handshake")),
            _ => {
                let session = Session::new(&self.server, self.address, &self.outbox);
                self.face = Face::Client(Arc::clone(&session));
                commands::received(&self.server, &session, body, turn)
            }
        }
    }

    fn prove(&mut self, body: &[u8], turn: &mut Turn) -> Result<(), Close> {
        let packet = Packet::parse(body).map_err(|error| Close::silently(error.to_string()))?;
        if &*packet.cmd_name == name::SEND_PING {
            return Ok(());
        }
        let Face::Shaking(listening) = std::mem::replace(&mut self.face, Face::Unknown) else {
            return Ok(());
        };
        if &*packet.cmd_name != name::LINK_PROOF {
            return Err(Close::silently("something else than LINK_PROOF after LINK_HELLO"));
        }
        let (greeting, ok) = listening
            .prove(&self.server.secrecy, &packet, self.server.config.process.auth_mode)
            .inspect_err(|close| {
                tracing::warn!(address = %self.address, "a link is refused: {close}");
            })?;
        self.push(ok, turn)?;
        self.outbox.set_limit(self.server.config.links.link_queue_bytes);
        self.face = Face::Link(Box::new(LinkEnd::new(&self.server, greeting, &self.outbox)));
        Ok(())
    }

    fn push(&self, frame: bytes::Bytes, turn: &mut Turn) -> Result<(), Close> {
        self.outbox.push(frame, turn).map_err(|error| Close::silently(error.to_string()))
    }

    fn limit(&self) -> usize {
        match self.face {
            Face::Link(_) => link::MAX_FRAME_BYTES,
            _ => self.server.config.process.max_frame_bytes,
        }
    }

    /// What a client that broke the framing is told, if it understands it.
    fn broken(&self, close: Close) -> Close {
        match &self.face {
            Face::Client(session) if session.is_newer() && close.last.is_none() => {
                Close::saying(close.why, event::disconnect(DisconnectCode::FrameTooLarge))
            }
            _ => close,
        }
    }
}

impl Door {
    fn take(&mut self, input: &[u8], turn: &mut Turn) -> Result<usize, Close> {
        if let Face::Unknown | Face::Http = self.face {
            match health::is_get(input) {
                None => return Ok(0),
                Some(true) => {
                    self.face = Face::Http;
                    return health::answer(input, &self.server.identity, &*self.server).map(|()| 0);
                }
                Some(false) => {}
            }
        }
        let mut taken = 0;
        while self.may_read() {
            match packet::split(&input[taken..], self.limit()) {
                Ok(Some((body, used))) => {
                    self.frame(body, &input[taken..taken + used], turn)?;
                    taken += used;
                }
                Ok(None) => break,
                Err(too_large) => return Err(self.broken(Close::silently(too_large.to_string()))),
            }
        }
        Ok(taken)
    }
}

impl Peer for Door {
    fn received(&mut self, input: &[u8], turn: &mut Turn) -> Result<usize, Close> {
        let taken = self.take(input, turn)?;
        let is_link = matches!(self.face, Face::Link(_));
        let left = if is_link { 0 } else { input.len() - taken };
        if self.unfinished.holds(left) {
            return Ok(taken);
        }
        count(&self.server.figures.unfinished_ended);
        Err(Close::silently("unfinished frames of clients would take more than UnfinishedBytes"))
    }

    fn may_read(&self) -> bool {
        match &self.face {
            Face::Client(session) => session.may_ask(),
            _ => true,
        }
    }

    fn drained(&mut self, _turn: &mut Turn) {
        if let Face::Client(session) = &self.face {
            session.has_room();
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.face {
            Face::Link(link) => Some(link.due()),
            Face::Client(session) if session.is_logged_in() => {
                self.patience.until(&self.outbox, self.server.config.reader_timeout)
            }
            Face::Client(session) if session.is_logging_in() => None,
            _ => Some(self.opened + self.server.config.process.login_timeout),
        }
    }

    fn timeout(&mut self, turn: &mut Turn) -> Result<(), Close> {
        match &mut self.face {
            Face::Link(link) => link.beat(turn),
            Face::Client(session) if session.is_logged_in() => {
                if self.patience.is_over(&self.outbox) {
                    session.reads_too_slowly();
                }
                Ok(())
            }
            Face::Client(session) if session.is_newer() => {
                Err(Close::saying("no login in time", event::disconnect(DisconnectCode::LoginTimeout)))
            }
            _ => Err(Close::silently("nothing useful was said in time")),
        }
    }

    fn ended(&mut self, _how: &Ended, turn: &mut Turn) {
        match &mut self.face {
            Face::Client(session) => self.server.session_ended(session, turn),
            Face::Link(link) => link.ended(&self.server, turn),
            _ => {}
        }
    }
}
