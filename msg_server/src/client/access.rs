//! What reaches sessions of a user because somebody else decided something: that access ended, that a topic lets them in.

use mesh::outbox::Turn;
use protocol::channel::Channel;
use protocol::code::DisconnectCode;
use protocol::command::{Packet, name};
use protocol::ids::{DeviceId, TopicName, UserId};
use protocol::link::Frame;
use protocol::link::request::Notice;

use crate::server::Server;

/// Access that somebody had and has no longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EndedAccess {
    /// Whose.
    pub user: UserId,
    /// On which device; `None`: on all.
    pub device: Option<DeviceId>,
    /// But the session on this one goes on, by a new token.
    pub kept: Option<DeviceId>,
    /// Sessions whose login has a smaller number; whoever logged in anew since then is let be.
    pub before: u64,
    /// Under which code sessions end.
    pub code: DisconnectCode,
}

impl EndedAccess {
    /// Whether tokens of this device are good no longer.
    pub(crate) fn is_on(&self, device: Option<&DeviceId>) -> bool {
        self.device.is_none() || self.device.as_ref() == device
    }

    /// Whether it was the access of a session on this device, whose login has this number.
    pub(crate) fn covers(&self, device: Option<&DeviceId>, stamp: u64) -> bool {
        let kept = self.kept.is_some() && self.kept.as_ref() == device;
        self.is_on(device) && !kept && stamp < self.before
    }
}

impl Server {
    /// Access has ended by what was asked for here: here, and everywhere else.
    pub(crate) fn end_access(&self, ended: &EndedAccess, turn: &mut Turn) {
        self.access_ended(ended);
        let EndedAccess { user, device, kept, before, code } = ended.clone();
        let notice = Notice::AccessEnded { user, device, kept, before, code: code.number() };
        let json = serde_json::to_vec(&notice).unwrap_or_default();
        self.channels.publish(Channel::TopicStatus, &Frame::Notice(&json).to_bytes(), turn);
    }

    /// Ends the sessions here that rest on it.
    pub(crate) fn access_ended(&self, ended: &EndedAccess) {
        if let Some(accounts) = &self.accounts {
            accounts.forget(ended);
        }
        for session in self.sessions.of(ended.user.as_str()) {
            let device = session.who().and_then(|who| who.device.as_ref());
            if ended.covers(device, session.login_number()) {
                session.end(ended.code);
            }
        }
    }

    /// Tells the user's sessions here that they may join a topic.
    pub(crate) fn tell_invited(&self, user: &UserId, topic: &TopicName, by: &UserId, turn: &mut Turn) {
        let invited = Packet::new(name::INVITED, [topic.as_str(), by.as_str(), ""]).to_bytes();
        for session in self.sessions.of(user.as_str()).iter().filter(|session| session.is_newer()) {
            session.push(invited.clone(), turn);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_rests_on_it_ends() {
        let device = |name: &str| DeviceId::new(name).ok();
        let ended = |one: Option<DeviceId>, kept: Option<DeviceId>| EndedAccess {
            user: UserId::new("amy").unwrap(),
            device: one,
            kept,
            before: 100,
            code: DisconnectCode::LoggedOut,
        };
        let (phone, desk) = (device("phone"), device("desk"));
        let of_phone = ended(phone.clone(), None);
        assert!(of_phone.covers(phone.as_ref(), 99));
        assert!(!of_phone.covers(phone.as_ref(), 101), "logged in anew since then");
        assert!(!of_phone.covers(desk.as_ref(), 99));
        let of_all_but_desk = ended(None, desk.clone());
        assert!(of_all_but_desk.covers(phone.as_ref(), 99));
        assert!(of_all_but_desk.covers(None, 99));
        assert!(!of_all_but_desk.covers(desk.as_ref(), 99));
    }
}
