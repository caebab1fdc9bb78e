//! Logs that this msg_server follows for its sessions.

pub mod feed;
