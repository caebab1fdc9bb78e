//! What a client's packet asks for, and who answers it.

use std::sync::Arc;

use mesh::connection::Close;
use mesh::outbox::Turn;
use protocol::code::{DisconnectCode, ErrorCode};
use protocol::command::{Packet, name};
use protocol::event;

use super::session::{Session, Who};
use crate::server::Server;

/// A packet of a client that is logged in.
pub(super) struct Request<'a> {
    pub server: &'a Arc<Server>,
    pub session: &'a Arc<Session>,
    pub who: &'a Who,
    pub packet: &'a Packet<'a>,
}

impl Request<'_> {
    /// The argument at `index`, or nothing.
    pub fn arg(&self, index: usize) -> &str {
        self.packet.args.get(index).unwrap_or_default()
    }

    /// Answers later, in a task; of such a session may have a bounded number.
    pub fn later(&self, work: impl Future<Output = ()> + Send + 'static) {
        let under_way = self.session.request_begins();
        self.server.shutdown.spawn(async move {
            work.await;
            drop(under_way);
        });
    }

    /// Refuses a request whose arguments make no sense.
    pub fn malformed(&self, what: &str, turn: &mut Turn) {
        self.session.refuse_saying(self.packet.seq, ErrorCode::BadRequest, what, None, turn);
    }

    /// Refuses the request.
    pub fn refuse(&self, code: ErrorCode, turn: &mut Turn) {
        self.session.refuse(self.packet.seq, code, None, turn);
    }
}

/// Takes a client's packet.
///
/// # Errors
/// [`Close`] if it is no packet: whoever sends such a thing is not understood any further.
pub(crate) fn received(
    server: &Arc<Server>,
    session: &Arc<Session>,
    body: &[u8],
    turn: &mut Turn,
) -> Result<(), Close> {
    let packet = Packet::parse(body).map_err(|error| unreadable(session, &error.to_string()))?;
    session.hear();
    if packet.seq.is_some() {
        session.become_newer();
    }
    match &*packet.cmd_name {
        name::SEND_PING => session.ok(packet.seq, |_| {}, turn),
        name::SEND_CLIENT_ID | name::SEND_CLIENT_ID_FOR_TOPIC => {
            super::login::log_in(server, session, &packet, turn)?
        }
        name::LINK_HELLO | name::LINK_PROOF | name::SUBSCRIBE_CHANNEL => {
            return Err(Close::silently("a client can never become a link"));
        }
        _ => match session.who() {
            Some(who) => act(&Request { server, session, who, packet: &packet }, turn),
            None if session.is_newer() => session.refuse(packet.seq, ErrorCode::NotLoggedIn, None, turn),
            None => return Err(Close::silently("an old client must log in first")),
        },
    }
    Ok(())
}

fn act(request: &Request<'_>, turn: &mut Turn) {
    match &*request.packet.cmd_name {
        name::SEND_MESSAGE_P2P => request.send_p2p(turn),
        name::SEND_MESSAGE_TOPIC => request.send_topic(turn),
        name::P2P_ACK => request.p2p_ack(turn),
        name::RESUME => request.resume(turn),
        name::SYNC => request.sync(turn),
        name::ACK | name::READ => request.acknowledge(turn),
        name::CREATE_TOPIC | name::JOIN_TOPIC => request.join_topic(turn),
        name::LEAVE_TOPIC => request.leave_topic(turn),
        name::TOPICS => request.topics(turn),
        name::MEMBERS => request.members(turn),
        name::PRESENCE => request.presence(turn),
        _ => request.refuse(ErrorCode::UnknownCommand, turn),
    }
}

fn unreadable(session: &Session, why: &str) -> Close {
    if session.is_newer() {
        Close::saying(why, event::disconnect(DisconnectCode::BadFrame))
    } else {
        Close::silently(why)
    }
}
