//! What a call changes: each function here reads the state, decides, and writes changes into a [`Draft`]. No files,
//! no threads, no clock: the draft holds the time.
//!
//! A refusal of the call itself is part of the answer; an `Err` of a function means that the state could not be read,
//! and that the draft is useless.
//!
//! [`Draft`]: super::state::draft::Draft

mod accounts;
mod append;
mod cursors;
mod pairs;
mod restore;
mod retention;
#[cfg(test)]
mod tests;
mod topics;

pub(crate) use accounts::{log_in, put_account};
pub(crate) use append::{Limits, append};
pub(crate) use cursors::move_cursor;
pub(crate) use pairs::{append_pair, close_pair};
pub(crate) use restore::restore;
pub(crate) use retention::{first_remembered, forget, trim};
pub(crate) use topics::{create_topic, dissolve, invite, join_topic, leave_topic, remove_member};
