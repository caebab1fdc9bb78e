//! The roles: each drives the deciding code of the real one as the real one's shell does, with messages in and messages out.

pub mod client;
pub mod manager;
pub mod msg_server;
pub mod router;
