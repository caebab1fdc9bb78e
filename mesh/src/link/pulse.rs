//! Whether a link is alive: something is said every beat, and three silent beats are its death.

use std::time::Duration;

use protocol::command::{Packet, name};
use tokio::time::Instant;

use crate::connection::Close;

/// Silent beats after which a link is dead.
const SILENT_BEATS: u32 = 3;

/// The pulse of one link.
#[derive(Debug)]
pub struct Pulse {
    beat: Duration,
    next: Instant,
    heard: Instant,
}

impl Pulse {
    /// A pulse that begins now.
    pub fn new(beat: Duration, now: Instant) -> Self {
        Self { beat, next: now + beat, heard: now }
    }

    /// Something was heard.
    pub fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// When [`Pulse::beat`] is due.
    pub fn due(&self) -> Instant {
        self.next
    }

    /// The frame to send now, so that the other side hears something.
    ///
    /// # Errors
    /// [`Close`] if the other side was silent for three beats.
    pub fn beat(&mut self, now: Instant) -> Result<bytes::Bytes, Close> {
        if now.duration_since(self.heard) > self.beat * SILENT_BEATS {
            return Err(Close::silently(format!("nothing heard for {:?}", self.beat * SILENT_BEATS)));
        }
        self.next = now + self.beat;
        Ok(Packet::new(name::SEND_PING, []).to_bytes())
    }
}
