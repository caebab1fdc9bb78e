//! TLS over real sockets: what a port accepts, how connections end, what is exchanged while it runs, and links.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "the helpers of tests fail as tests do")]

mod accepting;
mod ends;
mod files;
mod links;
mod log;
#[path = "../papers/mod.rs"]
mod papers;
mod port;
mod pressure;

use std::time::Duration;

/// How long a test waits for what has to happen.
const PATIENCE: Duration = Duration::from_secs(20);
