//! What Shoal's processes and clients say to each other: names, entries, frames and error codes.
//!
//! This crate does no I/O, has no clock and starts no task. It turns bytes into types at the edge
//! and types into bytes on the way out; everything past the edge can rely on what these types promise:
//!
//! - a [`ids::UserId`], [`ids::TopicName`], [`ids::MessageId`] … that exists is valid;
//! - a frame is measured ([`packet::split`]) before it is parsed, and parsed in place;
//! - readers of client frames ignore JSON keys they do not know, readers of link frames skip
//!   fields they do not know: so a mesh is upgraded one process at a time;
//! - a message's [`content`] is encoded once, by the msg_server that took it from the client, and
//!   travels as those bytes through links, log and store.

pub mod access;
pub mod account;
pub mod channel;
pub mod code;
pub mod command;
pub mod content;
pub mod event;
pub mod fields;
pub mod ids;
pub mod link;
pub mod lookalike;
pub mod ownership;
pub mod packet;
