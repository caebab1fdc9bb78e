//! Which connections a msg_server takes for links at all, before it hears who asks.

use std::net::SocketAddr;

use protocol::code::DisconnectCode;
use protocol::command::{Packet, name};

use super::Secrecy;
use crate::connection::Close;
use crate::logging::Seldom;
use crate::outbox::Outbox;
use crate::tls::Certificate;

/// Whether whoever says `LINK_HELLO` over this connection may go on: without a secret only this machine may link, and
/// where the port has a certificate nothing that processes say to each other crosses a network in the clear.
///
/// # Errors
/// [`Close`] names what to set; the log does too.
pub fn admit(
    secrecy: &Secrecy,
    certificate: &Certificate,
    address: SocketAddr,
    outbox: &Outbox,
) -> Result<(), Close> {
    static SAID: Seldom = Seldom::new();
    let admitted = secrecy.admits(address);
    admitted.and_then(|()| secure(certificate.is_there(), outbox.is_secure(), address)).inspect_err(|close| {
        if SAID.is_due() {
            tracing::warn!("a link is refused: {close} (said once a minute at most)");
        }
    })
}

/// Ends a link so that the other side's log has the reason too.
pub fn refuse(code: DisconnectCode, why: String) -> Close {
    let number = code.number().to_string();
    let last = Packet::new(name::DISCONNECT, [&why, &number, ""]).to_bytes();
    Close::saying(why, last)
}

fn secure(has_certificate: bool, is_secure: bool, address: SocketAddr) -> Result<(), Close> {
    if is_secure || !has_certificate {
        return Ok(());
    }
    let why = format!(
        "a link with {address} has to speak TLS, for this msg_server has a certificate (TlsCertFile): set TlsCaFile in the \
         process that dials, to what the certificate is signed by"
    );
    Err(refuse(DisconnectCode::PlainLink, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_where_there_is_a_certificate_and_a_network_between_a_link_has_to_speak_tls() {
        let address = "192.0.2.1:4711".parse().unwrap();
        for (has_certificate, is_secure) in [(false, false), (false, true), (true, true)] {
            assert_eq!(secure(has_certificate, is_secure, address), Ok(()));
        }
        let refused = secure(true, false, address).unwrap_err();
        assert!(refused.why.contains("192.0.2.1:4711") && refused.why.contains("set TlsCaFile"), "{refused}");
        let last = refused.last.unwrap();
        let packet = Packet::parse(&last[4..]).unwrap();
        assert_eq!(packet.args.get(0), Some(&*refused.why));
        assert_eq!((&*packet.cmd_name, packet.args.get(1)), (name::DISCONNECT, Some("3008")));
    }
}
