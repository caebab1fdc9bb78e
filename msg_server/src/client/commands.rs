//! What a client's packet asks for, and who answers it.

use std::sync::Arc;

use mesh::connection::Close;
use mesh::outbox::Turn;
use protocol::access;
use protocol::code::{DisconnectCode, ErrorCode};
use protocol::command::{Packet, name};
use protocol::event;
use protocol::ids::{NameError, UserId};
use protocol::lookalike::normalised;

use super::session::{Session, Who};
use crate::accounts;
use crate::server::Server;

/// A packet of a client that is logged in.
pub(crate) struct Request<'a> {
    pub server: &'a Arc<Server>,
    pub session: &'a Arc<Session>,
    pub who: &'a Who,
    pub packet: &'a Packet<'a>,
    /// The packet as it came, for those that have more keys.
    pub body: &'a [u8],
}

impl Request<'_> {
    /// The argument at `index`, or nothing.
    pub fn arg(&self, index: usize) -> &str {
        self.packet.args.get(index).unwrap_or_default()
    }

    /// How much is wanted at most, as the argument at `index` says: `most` where it says nothing or more.
    ///
    /// # Errors
    /// A text for the client.
    pub fn limit(&self, index: usize, most: u64) -> Result<u64, String> {
        limit(self.arg(index), most)
    }

    /// A user's name, in the one form that it has for newer clients.
    pub fn user(&self, name: &str) -> Result<UserId, NameError> {
        if self.session.is_newer() { UserId::new(&normalised(name)) } else { UserId::new(name) }
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

fn limit(text: &str, most: u64) -> Result<u64, String> {
    if text.is_empty() {
        return Ok(most);
    }
    match text.parse::<u64>() {
        Ok(wanted) if wanted > 0 => Ok(wanted.min(most)),
        _ => Err(format!("a limit is a number from 1 to {most}")),
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
    if matches!(&*packet.cmd_name, name::LINK_HELLO | name::LINK_PROOF | name::SUBSCRIBE_CHANNEL) {
        return Err(Close::silently("a client can never become a link"));
    }
    if let Err(code) = admitted(session, &packet) {
        return refused(session, &packet, code, turn);
    }
    match (&*packet.cmd_name, session.who()) {
        (name::SEND_PING, _) => session.ok(packet.seq, |_| {}, turn),
        (name::SEND_CLIENT_ID | name::SEND_CLIENT_ID_FOR_TOPIC | name::REGISTER, _)
            if server.accounts.is_some() =>
        {
            accounts::log_in(server, session, &packet, body, turn)?;
        }
        (name::SEND_CLIENT_ID | name::SEND_CLIENT_ID_FOR_TOPIC, _) => {
            super::login::log_in(server, session, &packet, turn)?;
        }
        (_, Some(who)) => act(&Request { server, session, who, packet: &packet, body }, turn),
        (_, None) => session.refuse(packet.seq, ErrorCode::NoAccounts, None, turn),
    }
    Ok(())
}

/// Whether the session may ask for it at all, by the one table of who may what.
fn admitted(session: &Session, packet: &Packet<'_>) -> Result<(), ErrorCode> {
    let scopes = session.who().map(|who| who.scopes);
    match (access::of(&packet.cmd_name), scopes) {
        (Some(row), scopes) => row.admits(scopes),
        (None, Some(_)) => Err(ErrorCode::UnknownCommand),
        (None, None) => Err(ErrorCode::NotLoggedIn),
    }
}

/// An old session understands no refusal: what it may not do is not done, and without a login it is of no use.
fn refused(session: &Session, packet: &Packet<'_>, code: ErrorCode, turn: &mut Turn) -> Result<(), Close> {
    if !session.is_newer() && !session.is_logged_in() {
        return Err(Close::silently("an old client must log in first"));
    }
    session.refuse(packet.seq, code, None, turn);
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
        name::INVITE_TOPIC => request.invite(turn),
        name::REMOVE_FROM_TOPIC => request.remove_from_topic(turn),
        name::DISSOLVE_TOPIC => request.dissolve_topic(turn),
        name::TOPICS => request.topics(turn),
        name::MEMBERS => request.members(turn),
        name::PRESENCE => request.presence(turn),
        name::LOGOUT
        | name::PASSWD
        | name::DEVICES
        | name::END_DEVICE
        | name::PROFILE
        | name::SET_PROFILE
        | name::DELETE_ACCOUNT => request.account(turn),
        _ => request.refuse(ErrorCode::NoAccounts, turn),
    }
}

fn unreadable(session: &Session, why: &str) -> Close {
    if session.is_newer() {
        Close::saying(why, event::disconnect(DisconnectCode::BadFrame))
    } else {
        Close::silently(why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_number_above_0_and_what_is_beyond_the_most_is_the_most() {
        let limits = ["", "1", "999", "1000", "1001", "18446744073709551615"].map(|text| limit(text, 1000));
        assert_eq!(limits, [1000, 1, 999, 1000, 1000, 1000].map(Ok));
        for text in ["0", "-1", "x", " 1", "1.0", "18446744073709551616"] {
            assert!(limit(text, 1000).is_err_and(|why| why.contains("1 to 1000")), "{text:?}");
        }
    }
}
