//! A router: the real [`Directory`] and [`Standing`], with forwarding and news as its shell does them.

use std::collections::BTreeMap;

use bytes::Bytes;
use mesh::link::LinkId;
use protocol::channel::Channel;
use protocol::ids::{DeviceId, LogName};
use protocol::link::request::{Audience, Notice};
use protocol::link::{Change, Confirm, Direction, Frame};
use router::CHANNELS;
use router::directory::{Directory, Server};
use router::standing::Standing;

use crate::message::Message;
use crate::net::Net;
use crate::node::Node;
use crate::planted::Planted;

/// One router, from its start to its end.
pub struct Router {
    node: Node,
    directory: Directory,
    /// The links by their number in the directory.
    links: Vec<Option<LinkId>>,
    standing: BTreeMap<LinkId, Linked>,
}

struct Linked {
    msg_server: Node,
    server: Server,
    standing: Standing,
    /// Changes that a planted bug has not applied yet.
    late: Vec<(String, Direction)>,
}

impl Router {
    /// One that has just started.
    pub fn new(node: Node) -> Self {
        Self { node, directory: Directory::default(), links: Vec::new(), standing: BTreeMap::new() }
    }

    /// A link stands.
    pub fn up(&mut self, link: LinkId, msg_server: Node, net: &mut Net) {
        net.send(self.node, link, Message::Hello { uuid: self.node.uuid() });
        for channel in CHANNELS {
            net.send(self.node, link, Message::Subscribe(channel));
        }
        let free = self.links.iter().position(Option::is_none).unwrap_or(self.links.len());
        if free == self.links.len() {
            self.links.push(None);
        }
        self.links[free] = Some(link);
        let (server, standing) = (Server(free as u16), Standing::default());
        self.standing.insert(link, Linked { msg_server, server, standing, late: Vec::new() });
    }

    /// Takes a message.
    pub fn received(&mut self, link: LinkId, message: &Message, net: &mut Net) {
        let Message::Frame(whole) = message else { return };
        let Ok(frame) = Frame::parse(whole.get(4..).unwrap_or_default()) else { return };
        match frame {
            Frame::Send(send) => self.pass_on(link, send.log, whole, net),
            Frame::Change(change) => self.change(link, &change, net),
            Frame::Confirm(confirm) => self.snapshot_ends(link, confirm, net),
            Frame::Notice(json) => {
                if let Ok(notice) = serde_json::from_slice::<Notice>(json)
                    && let Audience::FollowersOf(user) = notice.audience()
                {
                    self.pass_on(link, LogName::inbox(user).as_str(), whole, net);
                }
            }
            _ => {}
        }
    }

    /// To all others that follow the log.
    fn pass_on(&self, from: LinkId, log: &str, frame: &Bytes, net: &mut Net) {
        let Some(linked) = self.standing.get(&from) else { return };
        for to in self.directory.followers(log).filter(|to| *to != linked.server) {
            if let Some(link) = self.links.get(usize::from(to.0)).copied().flatten() {
                net.frame(self.node, link, frame.clone());
            }
        }
    }

    fn change(&mut self, link: LinkId, change: &Change<'_>, net: &mut Net) {
        let Some(linked) = self.standing.get_mut(&link) else { return };
        linked.standing.applied(change.number);
        let late = std::mem::take(&mut linked.late);
        let server = linked.server;
        if net.has(Planted::ConfirmedBeforeApplied) {
            linked.late.push((change.log.to_owned(), change.direction));
        } else {
            self.apply(server, change.log, change.direction);
        }
        for (log, direction) in late {
            self.apply(server, &log, direction);
        }
        let is_session = change.channel == Channel::ClientStatus as u8;
        if is_session && change.direction == Direction::Begin && change.stamp > 0 {
            self.tell_login(link, change, net);
        }
    }

    fn apply(&mut self, server: Server, log: &str, direction: Direction) {
        match direction {
            Direction::Begin => self.directory.begin(log, server),
            Direction::End => self.directory.end(log, server),
        }
    }

    fn tell_login(&self, link: LinkId, change: &Change<'_>, net: &mut Net) {
        let Some(user) = LogName::new(change.log).ok().and_then(|log| log.user()) else { return };
        let device = change.device.and_then(|device| DeviceId::new(device).ok());
        let Some(linked) = self.standing.get(&link) else { return };
        let at = linked.msg_server.uuid();
        let notice = Notice::SessionBegan { user, device, stamp: change.stamp, at };
        self.pass_on(link, change.log, &notice_frame(&notice), net);
    }

    fn snapshot_ends(&mut self, link: LinkId, confirm: Confirm, net: &mut Net) {
        let Some(linked) = self.standing.get_mut(&link) else { return };
        if linked.standing.snapshot_ends(confirm) {
            self.tell_change(link, true, net);
        }
    }

    fn tell_change(&self, of: LinkId, up: bool, net: &mut Net) {
        let Some(linked) = self.standing.get(&of) else { return };
        let frame = notice_frame(&Notice::PeerChanged { addr: linked.msg_server.uuid(), up });
        for link in self.links.iter().flatten().filter(|link| **link != of) {
            net.frame(self.node, *link, frame.clone());
        }
    }

    /// What was read at once is handled.
    pub fn turn_ends(&mut self, link: LinkId, net: &mut Net) {
        if let Some(confirm) = self.standing.get_mut(&link).and_then(|linked| linked.standing.confirmation())
        {
            net.frame(self.node, link, Frame::Confirm(confirm).to_bytes());
        }
    }

    /// A link is known to be dead.
    pub fn ended(&mut self, link: LinkId, net: &mut Net) {
        net.shut(self.node, link);
        if let Some(linked) = self.standing.get(&link) {
            let server = linked.server;
            self.directory.forget(server);
            self.tell_change(link, false, net);
            self.links[usize::from(server.0)] = None;
            self.standing.remove(&link);
        }
    }
}

fn notice_frame(notice: &Notice) -> Bytes {
    Frame::Notice(&serde_json::to_vec(notice).unwrap_or_default()).to_bytes()
}
