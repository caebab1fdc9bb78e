//! Frames between Shoal's own processes.
//!
//! Every frame on a link has the outer form of [`crate::packet`]. A body that begins with `{` is a command
//! packet (the handshake, `SUBSCRIBE_CHANNEL`); any other begins with one byte that says what it is, followed
//! by [`crate::fields`]. What is sent once per message is fields, with a message's content inside as it is;
//! what is rare is JSON inside one field ([`request`]). A reader skips frames and fields that it does not know.
//!
//! [`Frame::Send`] goes from msg_server to router and on to other msg_servers as the very same bytes.

pub mod accounts;
mod append;
mod change;
mod frame;
mod page;
mod parts;
pub mod request;
mod send;

pub use append::{Append, Appended, Outcome, Stored};
pub use change::{Change, Confirm, Direction};
pub use frame::Frame;
pub use page::{Page, PageEntry, Read};
pub use send::{Send, encode_send};
