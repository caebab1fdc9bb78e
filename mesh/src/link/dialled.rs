//! One link, at the end of whoever dialled it: the handshake, then frames and a report every beat.

use std::sync::Arc;
use std::time::Duration;

use protocol::code::DisconnectCode;
use protocol::command::{Packet, name};
use protocol::link::Frame;
use tokio::time::Instant;

use super::dial::{Dial, LinkHandler};
use super::dialer::Reached;
use super::handshake::Offer;
use super::{LinkId, MAX_FRAME_BYTES, Pulse, each_frame, refuse};
use crate::config::{AuthMode, HostPort};
use crate::connection::{Close, Ended, Peer};
use crate::outbox::{Outbox, Turn};

/// What speaks on a connection that was dialled.
pub(super) struct Dialled<'h, H> {
    address: &'h HostPort,
    dial: &'h Dial,
    handler: &'h mut H,
    outbox: Arc<Outbox>,
    state: State,
    /// How far it came.
    pub(super) reached: Reached,
    pulse: Pulse,
    /// When the handshake has to be done.
    shaken_by: Instant,
}

/// How long the handshakes of a link may take, that of TLS among them.
const SHAKING: Duration = Duration::from_secs(10);

enum State {
    Shaking(Offer),
    Up,
}

impl<'h, H: LinkHandler> Dialled<'h, H> {
    /// Begins the handshake.
    pub(super) fn begin(
        address: &'h HostPort,
        dial: &'h Dial,
        handler: &'h mut H,
        outbox: &Arc<Outbox>,
        turn: &mut Turn,
    ) -> Result<Self, Close> {
        let (offer, hello) = Offer::begin(dial.greeting.clone())?;
        let (now, state, outbox) = (Instant::now(), State::Shaking(offer), Arc::clone(outbox));
        let (pulse, shaken_by) = (Pulse::new(dial.beat, now), now + SHAKING);
        let reached = Reached::Nobody;
        let link = Self { address, dial, handler, outbox, state, reached, pulse, shaken_by };
        link.push(hello, turn)?;
        Ok(link)
    }

    fn shake(&mut self, packet: &Packet<'_>, turn: &mut Turn) -> Result<(), Close> {
        let State::Shaking(offer) = &self.state else { return Ok(()) };
        match &*packet.cmd_name {
            name::LINK_CHALLENGE => self.push(offer.answer(&self.dial.secrecy, packet)?, turn),
            name::LINK_OK => {
                self.agree(packet)?;
                for channel in &self.dial.channels {
                    let args = [channel.name(), &self.dial.greeting.uuid];
                    self.push(Packet::new(name::SUBSCRIBE_CHANNEL, args).to_bytes(), turn)?;
                }
                self.state = State::Up;
                self.reached = Reached::Link;
                self.handler.up(LinkId::fresh(), &self.outbox, turn);
                self.push(Frame::Report(&self.handler.report()).to_bytes(), turn)
            }
            name::ERROR | name::DISCONNECT => Err(self.refused(packet)),
            _ => Ok(()),
        }
    }

    /// Breaks the link where the msg_server lets in other clients than the rest of this mesh.
    fn agree(&mut self, ok: &Packet<'_>) -> Result<(), Close> {
        let theirs = ok.args.get(1).filter(|mode| !mode.is_empty()).unwrap_or(AuthMode::Open.name());
        let (ours, greeting) = (self.dial.mode.name(), &self.dial.greeting);
        if theirs == ours {
            self.dial.refusals.agree(self.address);
            return Ok(());
        }
        let why = format!(
            "the AuthMode of the msg_server {} is {theirs}, and that of the {} {} is {ours}: set the same in every process \
             of the mesh",
            self.address, greeting.role, greeting.uuid
        );
        if self.dial.refusals.differ(self.address, &why) {
            tracing::error!("{why}. They do not link until then");
        }
        self.reached = Reached::Refusal;
        Err(refuse(DisconnectCode::LinkRefused, why))
    }

    fn refused(&mut self, packet: &Packet<'_>) -> Close {
        let why = packet.args.get(0).unwrap_or("refused");
        let code = packet.args.get(1).and_then(|code| code.parse().ok());
        // Whoever has not proved the secret yet could keep this process from all others.
        if !self.is_shaking() && code == Some(DisconnectCode::LinkRefused.number()) {
            tracing::error!(msg_server = %self.address, "{why}. This process serves no msg_server until that is mended");
            self.dial.refusals.begin(self.address, why);
            self.reached = Reached::Refusal;
        }
        Close::silently(why)
    }

    fn is_shaking(&self) -> bool {
        matches!(self.state, State::Shaking(_))
    }

    fn push(&self, frame: bytes::Bytes, turn: &mut Turn) -> Result<(), Close> {
        self.outbox.push(frame, turn).map_err(|error| Close::silently(error.to_string()))
    }

    fn frame(&mut self, body: &[u8], whole: &[u8], turn: &mut Turn) -> Result<(), Close> {
        let frame = Frame::parse(body)
            .map_err(|error| Close::silently(format!("a frame that cannot be read: {error}")))?;
        if let Frame::Packet(body) = frame {
            let packet = Packet::parse(body).map_err(|error| Close::silently(error.to_string()))?;
            match &self.state {
                State::Shaking(_) => return self.shake(&packet, turn),
                State::Up if matches!(&*packet.cmd_name, name::ERROR | name::DISCONNECT) => {
                    return Err(self.refused(&packet));
                }
                State::Up => {}
            }
            return Ok(());
        }
        match self.state {
            State::Up => self.handler.frame(frame, whole, turn),
            State::Shaking(_) => Err(Close::silently("a frame before the handshake was done")),
        }
    }
}

impl<H: LinkHandler> Peer for Dialled<'_, H> {
    fn received(&mut self, input: &[u8], turn: &mut Turn) -> Result<usize, Close> {
        self.pulse.heard(Instant::now());
        let taken = each_frame(input, MAX_FRAME_BYTES, |body, whole| self.frame(body, whole, turn))?;
        if matches!(self.state, State::Up) {
            self.handler.turn_ends(turn);
        }
        Ok(taken)
    }

    fn deadline(&self) -> Option<Instant> {
        Some(if self.is_shaking() { self.pulse.due().min(self.shaken_by) } else { self.pulse.due() })
    }

    fn timeout(&mut self, turn: &mut Turn) -> Result<(), Close> {
        let now = Instant::now();
        if self.is_shaking() && now >= self.shaken_by {
            return Err(Close::silently(format!("no handshake within {SHAKING:?}")));
        }
        let ping = self.pulse.beat(now)?;
        match self.state {
            State::Up => {
                // Whoever refuses does so at once.
                self.dial.refusals.end(self.address);
                self.push(Frame::Report(&self.handler.report()).to_bytes(), turn)
            }
            State::Shaking(_) => self.push(ping, turn),
        }
    }

    fn ended(&mut self, _how: &Ended, turn: &mut Turn) {
        if matches!(self.state, State::Up) {
            self.handler.down(turn);
        }
    }
}
