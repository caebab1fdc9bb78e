//! Our end of a link: what the other process sends, and what follows from it.

use std::sync::Arc;

use mesh::connection::Close;
use mesh::link::{self, Greeting, LinkId, OPERATOR, Pulse};
use mesh::outbox::{Outbox, Turn};
use protocol::channel::Channel;
use protocol::code::{DisconnectCode, ErrorCode};
use protocol::command::{Packet, name};
use protocol::ids::{DeviceId, UserId};
use protocol::link::request::Notice;
use protocol::link::{Appended, Confirm, Frame, Outcome};
use tokio::time::Instant;

use super::channels::Confirmed;
use super::managers::Manager;
use crate::client::access::EndedAccess;
use crate::client::seniority::Rank;
use crate::server::Server;

/// A link whose other side has proved itself.
pub(crate) struct LinkEnd {
    id: LinkId,
    greeting: Greeting,
    outbox: Arc<Outbox>,
    pulse: Pulse,
    manager: Option<Arc<Manager>>,
    /// Appends that it refused for the moment.
    refusals: u64,
}

impl LinkEnd {
    pub(crate) fn new(server: &Server, greeting: Greeting, outbox: &Arc<Outbox>) -> Self {
        tracing::info!("the {} {} has linked", greeting.role, greeting.uuid);
        let pulse = Pulse::new(server.config.monitor_beat_time, Instant::now());
        Self { id: LinkId::fresh(), greeting, outbox: Arc::clone(outbox), pulse, manager: None, refusals: 0 }
    }

    /// When [`LinkEnd::beat`] is due.
    pub(crate) fn due(&self) -> Instant {
        self.pulse.due()
    }

    /// Says something, so that the other side knows us alive.
    ///
    /// # Errors
    /// [`Close`] if it was silent for too long, or its queue is full.
    pub(crate) fn beat(&mut self, turn: &mut Turn) -> Result<(), Close> {
        let ping = self.pulse.beat(Instant::now())?;
        self.outbox.push(ping, turn).map_err(|error| Close::silently(error.to_string()))
    }

    /// Takes a frame.
    ///
    /// # Errors
    /// [`Close`] if it cannot be read, or is not the other side's to send.
    pub(crate) fn frame(
        &mut self,
        server: &Arc<Server>,
        body: &[u8],
        whole: &[u8],
        turn: &mut Turn,
    ) -> Result<(), Close> {
        self.pulse.heard(Instant::now());
        let frame =
            Frame::parse(body).map_err(|error| Close::silently(format!("an unreadable frame: {error}")))?;
        match frame {
            Frame::Packet(body) => return self.packet(server, body, turn),
            Frame::Send(send) => server.forwarded(&send, turn),
            Frame::Appended(appended) => return self.appended(server, &appended, turn),
            Frame::Page(page) => self.with_manager(|manager| manager.paged(&page)),
            Frame::Answer(ask, json) => self.with_manager(|manager| manager.replied(ask, json)),
            Frame::Confirm(confirm) => {
                let confirmed = server.channels.confirm(self.id, confirm);
                server.confirmed(confirmed, turn);
            }
            Frame::Report(_) => {
                server.channels.publish(Channel::Monitor, &bytes::Bytes::copy_from_slice(whole), turn)
            }
            Frame::Notice(json) => server.noticed(json, turn),
            Frame::Ask(ask, json) if self.greeting.role == OPERATOR => {
                server.operator_asks(&self.outbox, ask, json);
            }
            _ => {}
        }
        Ok(())
    }

    fn appended(
        &mut self,
        server: &Arc<Server>,
        appended: &Appended<'_>,
        turn: &mut Turn,
    ) -> Result<(), Close> {
        let Some(manager) = &self.manager else { return Ok(()) };
        match refused(appended) {
            // What it refuses stays unanswered, and goes to whoever owns the log next, in order.
            Some(ErrorCode::Draining) => {
                if server.managers.leave(manager) {
                    server.managers_changed(turn);
                }
                Ok(())
            }
            Some(ErrorCode::Busy) => {
                // First, so that what had to wait for its turn behind it is not refused as well.
                self.confirm_refusal(turn)?;
                server.appended(self.id, appended, turn);
                Ok(())
            }
            _ => {
                server.appended(self.id, appended, turn);
                Ok(())
            }
        }
    }

    /// The manager takes nothing more for that log over this link until it hears that we know of the refusal.
    fn confirm_refusal(&mut self, turn: &mut Turn) -> Result<(), Close> {
        self.refusals += 1;
        let confirm = Frame::Confirm(Confirm { number: self.refusals }).to_bytes();
        self.outbox.push(confirm, turn).map_err(|error| Close::silently(error.to_string()))
    }

    fn with_manager(&self, act: impl FnOnce(&Manager)) {
        if let Some(manager) = &self.manager {
            act(manager);
        }
    }

    fn packet(&mut self, server: &Arc<Server>, body: &[u8], turn: &mut Turn) -> Result<(), Close> {
        let packet = Packet::parse(body).map_err(|error| Close::silently(error.to_string()))?;
        if &*packet.cmd_name == name::DISCONNECT {
            server.refused_by.begin(&self.greeting, packet.args.get(0).unwrap_or_default());
        }
        if &*packet.cmd_name != name::SUBSCRIBE_CHANNEL {
            return Ok(());
        }
        server.refused_by.end(&self.greeting);
        let wanted = packet.args.get(0).unwrap_or_default();
        let Some(channel) = Channel::named(wanted) else {
            tracing::warn!(
                "the {} {} wants the channel {wanted:?}, which there is not",
                self.greeting.role,
                self.greeting.uuid
            );
            return Ok(());
        };
        if channel == Channel::StoreMessage {
            self.become_manager(server, turn)?;
        }
        let confirmed = server.channels.subscribe(self.id, &self.greeting, &self.outbox, channel, turn);
        server.confirmed(confirmed, turn);
        if channel == Channel::Monitor {
            server.report(turn);
        }
        Ok(())
    }

    fn become_manager(&mut self, server: &Arc<Server>, turn: &mut Turn) -> Result<(), Close> {
        if let Err(why) = server.managers.admit_store(&self.greeting.store) {
            tracing::error!("{why}");
            return Err(link::refuse(DisconnectCode::LinkRefused, why));
        }
        self.manager = Some(server.managers.enter(self.id, &self.greeting.uuid, &self.outbox, turn));
        server.managers_changed(turn);
        Ok(())
    }

    /// The link ended.
    pub(crate) fn ended(&mut self, server: &Arc<Server>, turn: &mut Turn) {
        tracing::info!("the link of the {} {} ended", self.greeting.role, self.greeting.uuid);
        if let Some(manager) = &self.manager
            && server.managers.leave(manager)
        {
            server.managers_changed(turn);
        }
        let confirmed = server.channels.unsubscribe(self.id);
        server.confirmed(confirmed, turn);
    }
}

/// The code under which an append was refused, if it was.
fn refused(appended: &Appended<'_>) -> Option<ErrorCode> {
    match appended.outcome {
        Outcome::Refused { code, .. } => ErrorCode::from_number(code),
        Outcome::Stored(_) => None,
    }
}

impl Server {
    fn managers_changed(self: &Arc<Self>, turn: &mut Turn) {
        let send = |outgoing| self.managers.send(outgoing, turn);
        self.appends.managers_changed(|| self.managers.links(), send);
        if !self.managers.is_empty() {
            self.recheck_all();
        }
        self.report(turn);
    }

    fn confirmed(self: &Arc<Self>, confirmed: Confirmed, turn: &mut Turn) {
        for followed in confirmed.followed {
            followed.with(self, turn, |feed, steps| feed.confirmed(steps));
        }
        if confirmed.recheck {
            self.recheck_all();
        }
    }

    fn noticed(self: &Arc<Self>, json: &[u8], turn: &mut Turn) {
        match serde_json::from_slice(json) {
            Ok(Notice::PeerChanged { .. }) => self.recheck_all(),
            Ok(Notice::SessionBegan { user, device: Some(device), stamp, at }) => {
                let login = Rank { stamp, at: &at, session: 0 };
                self.logged_in_elsewhere(user, device, login, turn);
            }
            Ok(Notice::MembershipChanged { user }) => self.membership_news(user),
            Ok(Notice::MembershipEnded { topic, user, revision }) => {
                self.membership_ended(&topic, user, revision);
            }
            Ok(Notice::TopicDissolved { topic }) => self.topic_dissolved(&topic, turn),
            Ok(Notice::Receipt { user, peer, id, mark }) => {
                self.deliver_receipt(&user, &peer, &id, mark, turn)
            }
            Ok(Notice::AccessEnded { user, device, kept, before, code }) => {
                let code = DisconnectCode::from_number(code).unwrap_or(DisconnectCode::LoggedOut);
                self.access_ended(&EndedAccess { user, device, kept, before, code });
            }
            Ok(Notice::Invited { user, topic, by }) => self.tell_invited(&user, &topic, &by, turn),
            Ok(Notice::Online { ask, users }) => self.questions.answered(ask, users),
            Ok(
                Notice::SessionBegan { device: None, .. } | Notice::Clock { .. } | Notice::WhoIsOnline { .. },
            ) => {}
            Err(error) => tracing::debug!(%error, "news of a later version"),
        }
    }

    /// Of one device's sessions in the mesh the latest login stays. Where that is ours, the other msg_server may not know: two
    /// logins at once may have passed each other on the way to the router.
    fn logged_in_elsewhere(&self, user: UserId, device: DeviceId, login: Rank<'_>, turn: &mut Turn) {
        for session in self.sessions.replaced_by(&user, &device, login) {
            session.end(DisconnectCode::Replaced);
        }
        if let Some(stamp) = self.sessions.later_login(&user, &device, login) {
            let at = self.address().to_owned();
            self.notify(&Notice::SessionBegan { user, device: Some(device), stamp, at }, turn);
        }
    }
}
