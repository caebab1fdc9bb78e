//! Clients that speak the wire and nothing else: what they send and get is there to be compared, byte for byte.

mod newer;
mod old;
mod wire;

pub use newer::{NewClient, text};
pub use old::OldClient;
pub use wire::Wire;
