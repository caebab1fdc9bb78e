//! The commands of `shoal`, run as people and scripts run them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod chat;
mod files;
mod prompt;
mod running;
mod store;
mod terminal;
mod whole_mesh;
mod wire;
