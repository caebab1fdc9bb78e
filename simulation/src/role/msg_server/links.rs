//! The other processes: what they subscribe to, confirm, and report.

use mesh::link::LinkId;
use msg_server::append::pending::ManagerLink;
use msg_server::client::seniority::Rank;
use msg_server::links::roster::Confirmed;
use protocol::channel::{Channel, Channels};
use protocol::ids::LogName;
use protocol::link::request::Notice;
use protocol::link::{self, Frame, Send};
use protocol::ownership;

use super::{Follower, MsgServer};
use crate::net::Net;
use crate::planted::Planted;

/// Another process's link.
pub struct Link {
    uuid: String,
    channels: Channels,
    /// Appends that it refused for the moment.
    pub(super) refusals: u64,
}

impl Link {
    pub(super) fn new(uuid: String) -> Self {
        Self { uuid, channels: Channels::default(), refusals: 0 }
    }

    pub(super) fn is_manager(&self) -> bool {
        self.channels.contains(Channel::StoreMessage)
    }

    fn is_router(&self) -> bool {
        self.channels.contains(Channel::Send)
    }
}

impl MsgServer {
    pub(super) fn subscribe(&mut self, id: LinkId, channel: Channel, net: &mut Net) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.channels.insert(channel);
        let uuid = link.uuid.clone();
        if channel == Channel::StoreMessage {
            self.managers.retain(|other| other.uuid != uuid);
            self.managers.push(ManagerLink { link: id, uuid: uuid.clone() });
            self.managers_changed(net);
        }
        let node = self.node;
        let confirmed =
            self.roster.subscribe(id, &uuid, channel, &mut |link, frame| net.frame(node, link, frame));
        self.confirmed(confirmed, net);
    }

    pub(super) fn link_ended(&mut self, id: LinkId, net: &mut Net) {
        self.manager_leaves(id, net);
        let confirmed = self.roster.unsubscribe(id);
        self.confirmed(confirmed, net);
    }

    /// A manager's link ended, or it drains: what it has not answered goes to whoever owns the log next.
    pub(super) fn manager_leaves(&mut self, id: LinkId, net: &mut Net) {
        if self.managers.iter().any(|manager| manager.link == id) {
            self.managers.retain(|manager| manager.link != id);
            self.fail_questions_of(id, net);
            self.managers_changed(net);
        }
    }

    fn managers_changed(&mut self, net: &mut Net) {
        let awaited = self.pending.late();
        let mut outgoing = self.pending.managers_changed(self.managers.clone());
        self.orphans += (awaited - self.pending.late()) as u64;
        match net.planted {
            Planted::ResentBackwards => outgoing.reverse(),
            Planted::NeverResent => outgoing.clear(),
            _ => {}
        }
        for outgoing in outgoing {
            self.send_to_manager(outgoing, net);
        }
        if !self.managers.is_empty() {
            self.recheck_all(net);
            self.ask_owners(net);
        }
    }

    pub(super) fn confirmed(&mut self, confirmed: Confirmed<Follower>, net: &mut Net) {
        for follower in confirmed.followed {
            self.with(&follower, net, |feed, steps| feed.confirmed(steps));
        }
        if confirmed.recheck && !net.has(Planted::RoutersBackUnnoticed) {
            self.recheck_all(net);
        }
    }

    pub(super) fn noticed(&mut self, json: &[u8], net: &mut Net) {
        match serde_json::from_slice(json) {
            Ok(Notice::PeerChanged { .. }) if !net.has(Planted::PeersUnnoticed) => self.recheck_all(net),
            Ok(Notice::SessionBegan { user, device: Some(device), stamp, at }) => {
                let login = Rank { stamp, at: &at, session: 0 };
                self.logged_in_elsewhere(user, device, login, net);
            }
            _ => {}
        }
    }

    /// Sends news to the router that linked last.
    pub(super) fn notify(&self, notice: &Notice, net: &mut Net) {
        let json = serde_json::to_vec(notice).unwrap_or_default();
        if let Some((id, _)) = self.links.iter().rev().find(|(_, link)| link.is_router()) {
            net.frame(self.node, *id, Frame::Notice(&json).to_bytes());
        }
    }

    /// Publishes a message to the one router that serves its log; of two links of one router, the later.
    pub(super) fn publish(&mut self, log: &LogName, send: &Send<'_>, net: &mut Net) {
        let routers: Vec<(LinkId, &str)> = self
            .links
            .iter()
            .filter(|(_, link)| link.is_router())
            .map(|(id, link)| (*id, link.uuid.as_str()))
            .collect();
        if let Some((id, _)) = ownership::owner(log, &routers, |router| router.1) {
            net.frame(self.node, *id, link::encode_send(send));
        }
    }
}
