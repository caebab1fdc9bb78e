//! The router's end of the link to one msg_server.

use std::sync::Arc;

use bytes::Bytes;
use mesh::config::HostPort;
use mesh::connection::Close;
use mesh::link::{LinkHandler, LinkId};
use mesh::outbox::{Outbox, Turn};
use mesh::report::Identity;
use protocol::channel::Channel;
use protocol::ids::{DeviceId, LogName, UserId};
use protocol::link::request::{Audience, Notice};
use protocol::link::{Change, Confirm, Direction, Frame, Send};

use crate::directory::Server;
use crate::exchange::{Exchange, Tally, notice};
use crate::standing::Standing;

/// Takes what one msg_server says to the directory, and its messages to the others.
pub struct ServerLink {
    address: HostPort,
    exchange: Arc<Exchange>,
    identity: Arc<Identity>,
    linked: Option<Linked>,
    /// Kept from frame to frame, so that no frame allocates them.
    recipients: Vec<Server>,
    name: String,
}

/// One incarnation of the link.
struct Linked {
    server: Server,
    standing: Standing,
    tally: Tally,
}

impl ServerLink {
    /// For the msg_server that is dialled at `address`.
    pub fn new(address: &HostPort, exchange: &Arc<Exchange>, identity: &Arc<Identity>) -> Self {
        Self {
            address: address.clone(),
            exchange: Arc::clone(exchange),
            identity: Arc::clone(identity),
            linked: None,
            recipients: Vec::new(),
            name: String::new(),
        }
    }

    fn forward(&mut self, send: &Send<'_>, whole: &[u8], turn: &mut Turn) {
        let Some(linked) = &mut self.linked else { return };
        linked.tally.messages_in += 1;
        self.exchange.directory().followers(send.log, linked.server, &mut self.recipients);
        if self.recipients.is_empty() {
            return;
        }
        let frame = Bytes::copy_from_slice(whole);
        let forwarded = if send.version == 0 {
            self.exchange.send_volatile(&frame, &self.recipients, turn)
        } else {
            self.exchange.send(&frame, &self.recipients, turn)
        };
        linked.tally.forwarded += forwarded;
        linked.tally.bytes += forwarded * whole.len() as u64;
    }

    fn change(&mut self, change: &Change<'_>, turn: &mut Turn) -> Result<(), Close> {
        if change.log.len() > LogName::MAX_BYTES {
            return Err(Close::silently("a change of a log whose name is too long"));
        }
        let Some(linked) = &mut self.linked else { return Ok(()) };
        linked.standing.applied(change.number);
        let is_session = change.channel == Channel::ClientStatus as u8;
        if !is_session && change.channel != Channel::TopicSync as u8 {
            return Ok(());
        }
        let directory = self.exchange.directory();
        match change.direction {
            Direction::Begin => directory.begin(change.log, linked.server),
            Direction::End => directory.end(change.log, linked.server),
        }
        if is_session && change.direction == Direction::Begin && change.stamp > 0 {
            self.tell_login(change, turn);
        }
        Ok(())
    }

    /// Elsewhere an earlier session of the same device may live, which ends now.
    fn tell_login(&mut self, change: &Change<'_>, turn: &mut Turn) {
        let Some(linked) = &self.linked else { return };
        self.exchange.directory().followers(change.log, linked.server, &mut self.recipients);
        if self.recipients.is_empty() {
            return;
        }
        let Some(user) = LogName::new(change.log).ok().and_then(|log| log.user()) else { return };
        let device = change.device.and_then(|device| DeviceId::new(device).ok());
        let at = self.address.to_string();
        let frame = notice(&Notice::SessionBegan { user, device, stamp: change.stamp, at });
        self.exchange.send(&frame, &self.recipients, turn);
    }

    fn confirm(&mut self, confirm: Confirm, turn: &mut Turn) {
        let Some(linked) = &mut self.linked else { return };
        if linked.standing.snapshot_ends(confirm) {
            self.exchange.tell_change(linked.server, &self.address, true, turn);
        }
    }

    fn notice(&mut self, json: &[u8], whole: &[u8], turn: &mut Turn) {
        let news: Notice = match serde_json::from_slice(json) {
            Ok(news) => news,
            Err(error) => {
                // A later version may have news that this one does not know.
                tracing::debug!(msg_server = %self.address, %error, "a notice that cannot be read");
                return;
            }
        };
        match news.audience() {
            Audience::FollowersOf(user) => self.pass_on(user, whole, turn),
            Audience::Everybody => self.tell_others(whole, turn),
            Audience::Nobody => {
                if let Notice::WhoIsOnline { ask, users } = news {
                    self.tell_online(ask, users, turn);
                }
            }
        }
    }

    fn tell_others(&self, whole: &[u8], turn: &mut Turn) {
        if let Some(linked) = &self.linked {
            self.exchange.tell_others(linked.server, &Bytes::copy_from_slice(whole), turn);
        }
    }

    fn pass_on(&mut self, user: &UserId, whole: &[u8], turn: &mut Turn) {
        let Some(linked) = &self.linked else { return };
        let inbox = inbox(&mut self.name, user);
        self.exchange.directory().followers(inbox, linked.server, &mut self.recipients);
        if !self.recipients.is_empty() {
            self.exchange.send(&Bytes::copy_from_slice(whole), &self.recipients, turn);
        }
    }

    fn tell_online(&mut self, ask: u64, mut users: Vec<UserId>, turn: &mut Turn) {
        let Some(linked) = &self.linked else { return };
        users.retain(|user| self.exchange.directory().is_followed(inbox(&mut self.name, user)));
        let answer = notice(&Notice::Online { ask, users });
        self.exchange.send(&answer, &[linked.server], turn);
    }
}

/// The name of a user's inbox, written over what `name` held.
fn inbox<'n>(name: &'n mut String, user: &UserId) -> &'n str {
    name.clear();
    name.push_str("u/");
    name.push_str(user.as_str());
    name
}

impl LinkHandler for ServerLink {
    fn up(&mut self, _id: LinkId, outbox: &Arc<Outbox>, _turn: &mut Turn) {
        match self.exchange.enter(&self.address, outbox) {
            Some(server) => {
                tracing::info!(msg_server = %self.address, "linked");
                let (standing, tally) = (Standing::default(), Tally::default());
                self.linked = Some(Linked { server, standing, tally });
            }
            None => {
                tracing::error!(msg_server = %self.address, "not linked: 65536 other links stand already");
                outbox.cut(None);
            }
        }
    }

    fn frame(&mut self, frame: Frame<'_>, whole: &[u8], turn: &mut Turn) -> Result<(), Close> {
        match frame {
            Frame::Send(send) => self.forward(&send, whole, turn),
            Frame::Change(change) => return self.change(&change, turn),
            Frame::Confirm(confirm) => self.confirm(confirm, turn),
            Frame::Notice(json) => self.notice(json, whole, turn),
            _ => {}
        }
        Ok(())
    }

    fn turn_ends(&mut self, turn: &mut Turn) {
        let Some(linked) = &mut self.linked else { return };
        if let Some(confirm) = linked.standing.confirmation() {
            let frame = Frame::Confirm(confirm).to_bytes();
            self.exchange.send(&frame, &[linked.server], turn);
        }
        if linked.tally.messages_in > 0 {
            self.exchange.count(std::mem::take(&mut linked.tally));
        }
    }

    fn report(&self) -> Vec<u8> {
        self.identity.report_json(&*self.exchange)
    }

    fn down(&mut self, turn: &mut Turn) {
        if let Some(linked) = self.linked.take() {
            self.exchange.count(linked.tally);
            self.exchange.leave(linked.server, turn);
        }
    }
}

impl Drop for ServerLink {
    /// The msg_server was taken from the list, or this process stops: no incarnation's end is heard of then.
    fn drop(&mut self) {
        let mut turn = Turn::default();
        self.down(&mut turn);
        turn.flush_now();
    }
}
