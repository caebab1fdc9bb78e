//! What Shoal's processes have in common: how they start, how they are configured, and how they speak.
//!
//! - [`process`], [`config`], [`logging`], [`limits`]: the story of every `main`;
//! - [`listener`], [`connection`], [`outbox`]: one task a connection, one write a turn, everything bounded in bytes;
//! - [`tls`]: what a port shows, what links believe, and one connection's session;
//! - [`link`]: authenticated connections between processes, dialled for as long as they live;
//! - [`health`]: what a process says of itself over HTTP.
//!
//! Nothing here knows what a message is.

pub mod config;
pub mod connection;
pub mod health;
pub mod limits;
pub mod link;
pub mod listener;
pub mod logging;
pub mod outbox;
pub mod process;
pub mod report;
pub mod tls;
