//! The msg_server: holds client connections, takes their messages, and delivers to them.
//!
//! The rooms:
//! - [`server`]: what all parts share, and the process's life;
//! - [`peer`]: one connection, told by its first bytes: a client, a link, or an HTTP `GET`;
//! - [`client`]: sessions and what they may ask for;
//! - [`accounts`]: who proves to be whom: passwords, tokens, and what a user does with their account;
//! - [`append`]: from a client's send to its answer;
//! - [`follow`]: the logs that sessions here read: order, holes, catching up, delivery;
//! - [`links`]: the other processes: what is published to them, what managers are asked.
//!
//! Invariants:
//! - what decides the order of entries ([`follow::feed`]) and of appends ([`append::pending`]) has no sockets, tasks or clocks;
//! - locks are taken in this order and never held over an await: followed log, session, channels, outbox;
//! - nothing here is hard state: a msg_server may be killed at any moment, and its clients resume elsewhere;
//! - a frame is only sent to an old session if clients in the field understand it there.

pub mod accounts;
pub mod append;
pub mod client;
pub mod follow;
pub mod links;
mod peer;
mod server;
mod unfinished;

pub use server::{RunError, run};
