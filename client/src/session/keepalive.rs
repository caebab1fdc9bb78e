//! Pings, and finding out that a connection is dead.

use super::{Now, Session, Waiting};
use crate::{Reason, Timings};

/// When something was said and heard last.
#[derive(Debug, Default)]
pub struct Keepalive {
    heard: Now,
    last_ping: Now,
    /// Something was asked at this time, and nothing was heard since.
    asking_since: Option<Now>,
    /// A ping waits for its answer since.
    pinged: Option<Now>,
}

impl Keepalive {
    /// A session begins.
    pub fn begin(&mut self, now: Now) {
        *self = Self { heard: now, last_ping: now, asking_since: None, pinged: None };
    }

    /// Something was written that will be answered.
    pub fn asked(&mut self, now: Now) {
        self.asking_since.get_or_insert(now);
    }

    /// Something was read; `expecting`: an answer is still awaited.
    pub fn heard(&mut self, now: Now, expecting: bool) {
        self.heard = now;
        self.asking_since = expecting.then_some(now);
    }

    /// The ping was answered.
    pub fn answered(&mut self) {
        self.pinged = None;
    }

    /// The connection is read again after a pause, in which nothing could be heard.
    pub fn resumed(&mut self, now: Now) {
        self.heard = now;
        self.asking_since = self.asking_since.map(|_| now);
    }

    /// When to ping, or to give up.
    pub fn due_at(&self, timings: &Timings) -> Now {
        match self.pinged {
            Some(at) => at.max(self.heard) + timings.pong,
            None => {
                let regular = self.last_ping + timings.heartbeat;
                self.asking_since.map_or(regular, |since| regular.min(since + timings.suspicion))
            }
        }
    }
}

impl Session {
    /// Pings if it is time, or gives the connection up.
    pub(super) fn beat(&mut self, now: Now) {
        if now < self.keepalive.due_at(&self.options.timings) {
            return;
        }
        if self.keepalive.pinged.is_some() {
            let silent = Reason::Silent(self.options.timings.pong);
            return self.lost(now, silent);
        }
        let seq = self.number(Waiting::Ping);
        crate::wire::ping(seq, &mut self.output);
        self.keepalive.pinged = Some(now);
        self.keepalive.last_ping = now;
    }
}
