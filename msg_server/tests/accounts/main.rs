//! Accounts, as a client and the other processes see them: a real msg_server, and a manager that keeps accounts in a map.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod foreign;
mod proofs;
mod stage;
