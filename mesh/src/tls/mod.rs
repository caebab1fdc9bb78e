//! TLS: the certificate that a port shows, the authority that links are checked against, and one connection's session.
//!
//! Invariants:
//! - whether a connection speaks TLS is told by its first byte, and never changes afterwards;
//! - a certificate or authority whose files became bad stays the one it was; connections that stand are let be;
//! - a session holds at most 64 KiB that are sealed and not sent: everything else waits in the outbox, where it counts.
//!
//! TLS 1.2 and 1.3, with `ring` and nothing else; no ALPN; no early data.

mod authority;
mod certificate;
mod changes;
mod expiry;
mod files;
mod reloadable;
mod session;
mod validity;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

pub use authority::Authority;
pub use certificate::Certificate;
pub use files::{FileError, Problem};

pub(crate) use expiry::Expiry;
pub(crate) use session::Session;

/// The first byte of a TLS connection: a record of the handshake. No packet begins so: it would have 352 MiB at least.
pub const HANDSHAKE: u8 = 0x16;

/// The one provider of cryptography: named at every use, so that nothing depends on which one a process installed.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
