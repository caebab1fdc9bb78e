//! One client's connection: asks for a msg_server, is answered, and goes there.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mesh::connection::{Close, Peer};
use mesh::health;
use mesh::outbox::{NotQueued, Outbox, Turn};
use protocol::code::{DisconnectCode, ErrorCode};
use protocol::command::{Packet, name};
use protocol::{event, packet};
use tokio::time::Instant;

use crate::desk::{Client, Desk, select};

/// What a connection may cost.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The longest body of a packet, in bytes.
    pub frame_bytes: usize,
    /// How long a connection may take for its first packet.
    pub first_word: Duration,
    /// How long an old client waits for a msg_server where none is live.
    pub hold: Duration,
}

/// How long a connection may be silent once it has asked.
const IDLE: Duration = Duration::from_secs(100);

/// A client's connection.
pub struct ClientPeer {
    desk: Arc<Desk>,
    client: Arc<Client>,
    bounds: Bounds,
    speaks: Speaks,
    /// When it was silent for too long, or, while it is held, when it has waited long enough.
    deadline: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaks {
    Nothing,
    Packets,
    Http,
}

impl ClientPeer {
    /// A connection that has said nothing yet.
    pub fn new(desk: &Arc<Desk>, outbox: &Arc<Outbox>, bounds: Bounds) -> Self {
        Self {
            desk: Arc::clone(desk),
            client: desk.enter(outbox),
            bounds,
            speaks: Speaks::Nothing,
            deadline: Instant::now() + bounds.first_word,
        }
    }

    /// Takes packets until there is no whole one left, or the client is held: then its next request has to wait.
    fn packets(&mut self, input: &[u8], turn: &mut Turn) -> Result<usize, Close> {
        let mut taken = 0;
        while !self.client.is_held() {
            let rest = &input[taken..];
            let split = packet::split(rest, self.bounds.frame_bytes)
                .map_err(|too_large| self.end(too_large.to_string(), DisconnectCode::FrameTooLarge))?;
            let Some((body, used)) = split else { break };
            let packet =
                Packet::parse(body).map_err(|bad| self.end(bad.to_string(), DisconnectCode::BadFrame))?;
            self.deadline = Instant::now() + IDLE;
            self.packet(&packet, turn)?;
            taken += used;
        }
        Ok(taken)
    }

    fn packet(&mut self, packet: &Packet<'_>, turn: &mut Turn) -> Result<(), Close> {
        match packet.seq {
            Some(seq) => {
                self.client.turns_newer();
                self.push(self.answer(&packet.cmd_name, seq), turn)
            }
            None if self.client.is_newer() => Ok(()),
            None if &*packet.cmd_name == name::REQ_MSG_SERVER => self.answer_old(turn),
            None => Ok(()),
        }
    }

    fn answer(&self, command: &str, seq: u64) -> Bytes {
        match command {
            name::REQ_MSG_SERVER => match self.desk.pick() {
                Some(addr) => Packet { addr: Some(addr.into()), ..event::ok(seq) }.to_bytes(),
                None => refusal(seq, ErrorCode::NoMsgServer),
            },
            name::SEND_PING => event::ok(seq).to_bytes(),
            _ => refusal(seq, ErrorCode::UnknownCommand),
        }
    }

    fn answer_old(&mut self, turn: &mut Turn) -> Result<(), Close> {
        match self.desk.pick_or_hold(&self.client) {
            Some(addr) => self.push(select(&addr), turn),
            None => {
                self.deadline = Instant::now() + self.bounds.hold;
                Ok(())
            }
        }
    }

    fn push(&self, frame: Bytes, turn: &mut Turn) -> Result<(), Close> {
        match self.client.outbox().push(frame, turn) {
            Err(overflow @ NotQueued::Overflow { .. }) => {
                Err(self.end(overflow.to_string(), DisconnectCode::SlowReader))
            }
            Ok(()) | Err(NotQueued::Closing) => Ok(()),
        }
    }

    fn end(&self, why: String, code: DisconnectCode) -> Close {
        Close { why, last: self.client.farewell(code) }
    }
}

fn refusal(seq: u64, code: ErrorCode) -> Bytes {
    event::error(seq, code, code.meaning(), None)
}

impl Peer for ClientPeer {
    fn received(&mut self, input: &[u8], turn: &mut Turn) -> Result<usize, Close> {
        if self.speaks == Speaks::Nothing {
            self.speaks = match health::is_get(input) {
                None => return Ok(0),
                Some(true) => Speaks::Http,
                Some(false) => Speaks::Packets,
            };
        }
        match self.speaks {
            Speaks::Http => health::answer(input, self.desk.identity(), &*self.desk).map(|()| 0),
            Speaks::Packets | Speaks::Nothing => self.packets(input, turn),
        }
    }

    fn may_read(&self) -> bool {
        !self.client.is_held()
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.deadline)
    }

    fn timeout(&mut self, _turn: &mut Turn) -> Result<(), Close> {
        if !self.client.is_held() {
            return Err(self.end("it was silent for too long".into(), DisconnectCode::Silent));
        }
        if self.desk.give_up(&self.client) {
            return Err(Close::silently("no msg_server was live for as long as it was held"));
        }
        self.deadline = Instant::now() + IDLE;
        Ok(())
    }
}

impl Drop for ClientPeer {
    fn drop(&mut self) {
        self.desk.leave(&self.client);
    }
}
