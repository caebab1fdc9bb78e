//! msg_server.

pub mod append;
pub mod follow;
