//! Logs that this msg_server follows for its sessions: attaching, order, catching up, delivery.

pub(crate) mod asker;
pub mod ends;
pub mod feed;
pub(crate) mod followed;
pub(crate) mod followings;
pub mod pages;
pub(crate) mod table;
pub(crate) mod waker;
