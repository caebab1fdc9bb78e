//! How two processes prove to each other that they know the mesh's secret, without sending it.
//!
//! ```text
//! dialer   → LINK_HELLO     [role, uuid, nonce, store id or ""]
//! listener → LINK_CHALLENGE [address, nonce, proof]
//! dialer   → LINK_PROOF     [proof, "", ""]
//! listener → LINK_OK        [address, AuthMode, ""]
//! ```
//!
//! `AuthMode` is one for the whole mesh: a dialer of another mode breaks the link. It is not proved: who could change it on
//! the way could as well cut the link.
//!
//! A proof is HMAC-SHA256 (RFC 2104) under the secret over: who proves, then role, uuid, store id, both nonces and the listener's
//! address, each with its length. Both nonces are fresh, so no recorded proof is worth anything, and a proof
//! made by one side is never one that the other side could have made.
//!
//! Without a secret, the key is empty and both ends must be on loopback.
//!
//! What the other side says of itself is bounded and readable before anything keeps it or writes it into a log: whoever says
//! it has not proved anything yet.

use std::net::SocketAddr;

use hmac::{Hmac, KeyInit, Mac};
use protocol::command::{Packet, name};
use protocol::ids::StoreId;
use sha2::Sha256;

use crate::config::{AuthMode, HostPort, Role, Secret};
use crate::connection::Close;

/// The mesh's secret, or that there is none.
#[derive(Clone, Debug, Default)]
pub struct Secrecy(Option<Secret>);

/// What a dialer says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// `router`, `manager`, `monitor`, `gateway` or [`OPERATOR`].
    pub role: String,
    /// The configured `UUID`.
    pub uuid: String,
    /// A manager's store; empty for others.
    pub store: String,
}

const NONCE_BYTES: usize = 32;

/// The role of an operator's program, which asks about accounts and subscribes nothing.
pub const OPERATOR: &str = "operator";

/// The longest `UUID`, as the configuration allows it.
const MAX_UUID: usize = 64;

impl Greeting {
    fn of(hello: &Packet<'_>) -> Result<Self, Close> {
        let (role, uuid) = (arg(hello, 0, "a role")?, arg(hello, 1, "a uuid")?);
        let store = hello.args.get(3).unwrap_or_default();
        let dials = |known: &Role| *known != Role::MsgServer && known.name() == role;
        if role != OPERATOR && !Role::ALL.iter().any(dials) {
            return Err(Close::silently("LINK_HELLO with a role that there is not"));
        }
        if uuid.is_empty() || uuid.len() > MAX_UUID || uuid.chars().any(char::is_control) {
            return Err(Close::silently("LINK_HELLO with a uuid that is not 1 to 64 bytes of text"));
        }
        if !store.is_empty() && StoreId::try_from(store.to_owned()).is_err() {
            return Err(Close::silently("LINK_HELLO with a store id that is none"));
        }
        Ok(Self { role: role.into(), uuid: uuid.into(), store: store.into() })
    }
}

impl Secrecy {
    /// With this secret, or without.
    pub fn new(secret: Option<Secret>) -> Self {
        Self(secret)
    }

    /// Whether a link with this address may be made at all.
    ///
    /// # Errors
    /// [`Close`] names what to set.
    pub fn admits(&self, address: SocketAddr) -> Result<(), Close> {
        let loopback = match address.ip() {
            std::net::IpAddr::V6(ip) => ip.to_ipv4_mapped().map_or(ip.is_loopback(), |ip| ip.is_loopback()),
            std::net::IpAddr::V4(ip) => ip.is_loopback(),
        };
        if self.0.is_some() || loopback {
            return Ok(());
        }
        Err(Close::silently(format!(
            "a link with {address} needs a MeshSecret, the same on both sides: without one only loopback may link"
        )))
    }

    fn proof(
        &self,
        side: &str,
        greeting: &Greeting,
        nonces: [&str; 2],
        address: &str,
    ) -> Result<Mac256, Close> {
        let key = self.0.as_ref().map_or(&[][..], Secret::expose);
        let mut mac =
            Mac256::new_from_slice(key).map_err(|_| Close::silently("this MeshSecret cannot be used"))?;
        let parts = [
            "shoal link 1",
            side,
            &greeting.role,
            &greeting.uuid,
            &greeting.store,
            nonces[0],
            nonces[1],
            address,
        ];
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        Ok(mac)
    }
}

type Mac256 = Hmac<Sha256>;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks_exact(2);
    let whole = digits.remainder().is_empty();
    let bytes = digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    bytes.collect::<Option<Vec<u8>>>().filter(|_| whole)
}

fn nonce() -> Result<String, Close> {
    let mut bytes = [0; NONCE_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| Close::silently(format!("no random numbers: {error}")))?;
    Ok(hex(&bytes))
}

fn check(mac: Mac256, proof: Option<&str>, whom: &str) -> Result<(), Close> {
    let proof = proof.and_then(unhex).unwrap_or_default();
    mac.verify_slice(&proof).map_err(|_| {
        Close::silently(format!("{whom} does not have our MeshSecret: set the same on both sides"))
    })
}

fn arg<'a>(packet: &'a Packet<'_>, index: usize, what: &str) -> Result<&'a str, Close> {
    packet.args.get(index).ok_or_else(|| Close::silently(format!("{} without {what}", &*packet.cmd_name)))
}

fn nonce_of<'a>(packet: &'a Packet<'_>, index: usize) -> Result<&'a str, Close> {
    let nonce = arg(packet, index, "a nonce")?;
    if nonce.len() == 2 * NONCE_BYTES && nonce.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(nonce);
    }
    Err(Close::silently(format!("{} with a nonce that is not 32 bytes in hex", &*packet.cmd_name)))
}

/// The listener's side, from the challenge on.
#[derive(Debug)]
pub struct Listening {
    greeting: Greeting,
    nonces: [String; 2],
    address: String,
}

impl Listening {
    /// Takes a `LINK_HELLO`; returns the state and the challenge to send.
    ///
    /// # Errors
    /// [`Close`] if it is malformed.
    pub fn begin(
        secrecy: &Secrecy,
        hello: &Packet<'_>,
        address: &str,
    ) -> Result<(Self, bytes::Bytes), Close> {
        let greeting = Greeting::of(hello)?;
        let theirs = nonce_of(hello, 2)?;
        let ours = nonce()?;
        let proof = secrecy.proof("listener", &greeting, [theirs, &ours], address)?;
        let proof = hex(&proof.finalize().into_bytes());
        let challenge = Packet::new(name::LINK_CHALLENGE, [address, &ours, &proof]).to_bytes();
        let nonces = [theirs.to_owned(), ours];
        Ok((Self { greeting, nonces, address: address.to_owned() }, challenge))
    }

    /// Takes the `LINK_PROOF`; returns who it is and the `LINK_OK` to send.
    ///
    /// # Errors
    /// [`Close`] if the proof is not one.
    pub fn prove(
        self,
        secrecy: &Secrecy,
        proof: &Packet<'_>,
        mode: AuthMode,
    ) -> Result<(Greeting, bytes::Bytes), Close> {
        let nonces = [&*self.nonces[0], &*self.nonces[1]];
        let mac = secrecy.proof("dialer", &self.greeting, nonces, &self.address)?;
        check(mac, proof.args.get(0), &format!("the {} {}", self.greeting.role, self.greeting.uuid))?;
        Ok((self.greeting, Packet::new(name::LINK_OK, [&self.address, mode.name(), ""]).to_bytes()))
    }
}

/// The dialer's side.
#[derive(Debug)]
pub struct Offer {
    greeting: Greeting,
    nonce: String,
}

impl Offer {
    /// Begins a handshake; returns the state and the hello to send.
    ///
    /// # Errors
    /// [`Close`] if the system has no random numbers.
    pub fn begin(greeting: Greeting) -> Result<(Self, bytes::Bytes), Close> {
        let nonce = nonce()?;
        let hello = Packet::new(name::LINK_HELLO, [&greeting.role, &greeting.uuid, &nonce, &greeting.store])
            .to_bytes();
        Ok((Self { greeting, nonce }, hello))
    }

    /// Takes the `LINK_CHALLENGE`; returns the `LINK_PROOF` to send.
    ///
    /// # Errors
    /// [`Close`] if the listener does not know the secret.
    pub fn answer(&self, secrecy: &Secrecy, challenge: &Packet<'_>) -> Result<bytes::Bytes, Close> {
        let address = arg(challenge, 0, "an address")?;
        if address.parse::<HostPort>().is_err() {
            return Err(Close::silently("LINK_CHALLENGE with an address that is none"));
        }
        let nonces = [&*self.nonce, nonce_of(challenge, 1)?];
        let mac = secrecy.proof("listener", &self.greeting, nonces, address)?;
        check(mac, challenge.args.get(2), &format!("the msg_server {address}"))?;
        let proof = secrecy.proof("dialer", &self.greeting, nonces, address)?;
        let proof = hex(&proof.finalize().into_bytes());
        Ok(Packet::new(name::LINK_PROOF, [&proof, "", ""]).to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: &str = "127.0.0.1:19000";

    fn secrecy(secret: &str) -> Secrecy {
        Secrecy::new(Some(Secret::new(secret)))
    }

    fn greeting() -> Greeting {
        Greeting { role: "router".into(), uuid: "20000".into(), store: String::new() }
    }

    fn packet(frame: &bytes::Bytes) -> Packet<'_> {
        Packet::parse(&frame[4..]).unwrap()
    }

    fn shake(dialer: &Secrecy, listener: &Secrecy) -> Result<Greeting, Close> {
        let (offer, hello) = Offer::begin(greeting())?;
        let (listening, challenge) = Listening::begin(listener, &packet(&hello), ADDRESS)?;
        let proof = offer.answer(dialer, &packet(&challenge))?;
        Ok(listening.prove(listener, &packet(&proof), AuthMode::Open)?.0)
    }

    #[test]
    fn both_sides_with_the_secret_link() {
        let secrecy = secrecy("a secret of the mesh");
        assert_eq!(shake(&secrecy, &secrecy).unwrap(), greeting());
        assert_eq!(shake(&Secrecy::default(), &Secrecy::default()).unwrap(), greeting());
    }

    #[test]
    fn another_secret_or_none_is_refused_and_says_what_to_set() {
        let ours = secrecy("a secret of the mesh");
        for other in [secrecy("another secret ....."), Secrecy::default()] {
            for refused in [shake(&ours, &other), shake(&other, &ours)] {
                assert!(refused.unwrap_err().why.contains("MeshSecret"));
            }
        }
    }

    #[test]
    fn a_recorded_proof_and_a_reflected_one_are_worth_nothing() {
        let ours = secrecy("a secret of the mesh");
        let (offer, hello) = Offer::begin(greeting()).unwrap();
        let (_, challenge) = Listening::begin(&ours, &packet(&hello), ADDRESS).unwrap();
        let recorded = offer.answer(&ours, &packet(&challenge)).unwrap();
        let (again, fresh) = Listening::begin(&ours, &packet(&hello), ADDRESS).unwrap();
        assert!(again.prove(&ours, &packet(&recorded), AuthMode::Open).is_err());
        let (again, _) = Listening::begin(&ours, &packet(&hello), ADDRESS).unwrap();
        let fresh = packet(&fresh);
        let reflected = Packet::new(name::LINK_PROOF, [fresh.args.get(2).unwrap()]);
        assert!(again.prove(&ours, &reflected, AuthMode::Open).is_err());
    }

    #[test]
    fn without_a_secret_only_loopback_links() {
        let none = Secrecy::default();
        for good in ["127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert!(none.admits(good.parse().unwrap()).is_ok());
        }
        assert!(none.admits("10.0.0.1:1".parse().unwrap()).is_err());
        assert!(secrecy("a secret of the mesh").admits("10.0.0.1:1".parse().unwrap()).is_ok());
    }

    #[test]
    fn garbage_for_a_proof_is_refused() {
        let ours = secrecy("a secret of the mesh");
        for garbage in ["", "zz", "0", "é1", "00"] {
            let (_, hello) = Offer::begin(greeting()).unwrap();
            let (listening, _) = Listening::begin(&ours, &packet(&hello), ADDRESS).unwrap();
            let garbage = Packet::new(name::LINK_PROOF, [garbage]);
            assert!(listening.prove(&ours, &garbage, AuthMode::Open).is_err());
        }
    }

    #[test]
    fn what_a_stranger_says_of_itself_is_bounded_before_it_is_kept_or_told() {
        let (nonce, long, store) = ("0".repeat(64), "x".repeat(65), "0".repeat(32));
        let begin = |args: [&str; 4]| {
            let begun = Listening::begin(&Secrecy::default(), &Packet::new(name::LINK_HELLO, args), ADDRESS);
            begun.map(|(listening, _)| listening.greeting)
        };
        let good = Greeting { role: "manager".into(), uuid: "x".repeat(64), store: store.clone() };
        assert_eq!(begin(["manager", &good.uuid, &nonce, &store]), Ok(good));
        for bad in [
            ["chief", "1", &nonce, ""],
            ["msg_server", "1", &nonce, ""],
            ["router\u{1b}[2J", "1", &nonce, ""],
            ["router", "", &nonce, ""],
            ["router", &long, &nonce, ""],
            ["router", "1\nINFO the router 2 has linked", &nonce, ""],
            ["router", "1", "00", ""],
            ["router", "1", &"\n".repeat(64), ""],
            ["manager", "1", &nonce, "a store"],
            ["manager", "1", &nonce, &long],
        ] {
            let refused = begin(bad).unwrap_err().why;
            assert!(!refused.contains(char::is_control) && refused.len() < 100, "{refused:?}");
        }
    }

    #[test]
    fn what_a_stranger_answers_is_bounded_before_it_is_told() {
        let (offer, _) = Offer::begin(greeting()).unwrap();
        let (nonce, long) = ("0".repeat(64), format!("{}:1", "x".repeat(10_000)));
        for (address, nonce) in [("a\n:1", &*nonce), (&*long, &nonce), (ADDRESS, "00")] {
            let challenge = Packet::new(name::LINK_CHALLENGE, [address, nonce, ""]);
            let refused = offer.answer(&Secrecy::default(), &challenge).unwrap_err().why;
            assert!(!refused.contains(char::is_control) && refused.len() < 100, "{refused:?}");
        }
    }
}
