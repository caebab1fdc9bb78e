//! Links: the connections between Shoal's own processes.
//!
//! router, manager, monitor and gateway dial each msg_server ([`dial`]); the msg_server answers on the port that
//! clients use. Both sides prove that they know the mesh's secret ([`handshake`]) before anything else is said; then the
//! dialer subscribes to channels, and both speak [`protocol::link::Frame`]s.
//!
//! Invariants:
//! - a link's queue is bounded; one that overflows is closed, never thinned, and both ends catch up afterwards;
//! - each side sends something at least every beat, and a link that was silent for three beats is dead;
//! - a link that is dialled with an authority speaks TLS; where the msg_server has a certificate, a plain one from another
//!   machine is refused;
//! - every incarnation of a link has a [`LinkId`] of its own: an answer to an earlier one is never taken for this one's.

mod admission;
mod dial;
mod dialer;
mod dialled;
mod handshake;
mod pulse;
mod refusals;

use std::sync::atomic::{AtomicU64, Ordering};

use protocol::packet;

use crate::connection::Close;

pub use admission::{admit, refuse};
pub use dial::{Dial, LinkHandler, dial_all};
pub use handshake::{Greeting, Listening, OPERATOR, Offer, Secrecy};
pub use pulse::Pulse;
pub use refusals::Refusals;

/// The longest frame on a link, in bytes: a page of messages, or one message of the largest size allowed to be configured, fits.
pub const MAX_FRAME_BYTES: usize = 64 * 1024 * 1024;

/// One incarnation of a link in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

impl LinkId {
    /// An id that no other link of this process had or will have.
    pub fn fresh() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// Takes every whole frame of `input` apart and hands each over: its body, and the whole of it. Returns how many bytes it took.
///
/// # Errors
/// What `each` returns, and a frame over `limit`.
pub fn each_frame(
    input: &[u8],
    limit: usize,
    mut each: impl FnMut(&[u8], &[u8]) -> Result<(), Close>,
) -> Result<usize, Close> {
    let mut taken = 0;
    loop {
        match packet::split(&input[taken..], limit) {
            Ok(Some((body, used))) => {
                each(body, &input[taken..taken + used])?;
                taken += used;
            }
            Ok(None) => return Ok(taken),
            Err(too_large) => return Err(Close::silently(too_large.to_string())),
        }
    }
}
