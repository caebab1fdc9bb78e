//! What reaches sessions of a user because somebody else decided something: that access ended, that a topic lets them in.

use mesh::outbox::Turn;
use protocol::code::DisconnectCode;
use protocol::command::{Packet, name};
use protocol::ids::{DeviceId, TopicName, UserId};

use crate::server::Server;

impl Server {
    /// Ends the sessions of the user's device here, or of all devices.
    pub(crate) fn access_ended(&self, user: &UserId, device: Option<&DeviceId>, code: u16) {
        let code = DisconnectCode::from_number(code).unwrap_or(DisconnectCode::LoggedOut);
        for session in self.sessions.of(user.as_str()) {
            let its = session.who().and_then(|who| who.device.as_ref());
            if device.is_none() || device == its {
                session.end(code);
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
