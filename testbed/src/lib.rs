//! A real mesh of real processes, for tests: started on free ports, killed, stopped, paused and restarted at will,
//! and raw clients that speak the wire to it.
//!
//! ```no_run
//! # async fn example() {
//! use testbed::{Mesh, NewClient, Part};
//!
//! let mesh = Mesh::builder().msg_servers(2).start().await;
//! let mut amy = NewClient::login(mesh.msg_server_addr(0), "amy").await;
//! mesh.kill(Part::Router(0)).await;
//! mesh.start(Part::Router(0)).await;
//! # }
//! ```
//!
//! Invariants:
//! - nothing waits for a fixed time: every wait is for something that can be seen, with a deadline that fails the test;
//! - whatever was started is killed when its [`Mesh`] is dropped, and by the kernel when the test run itself dies;
//! - two meshes at one time, in one test run or in several, never share a port or a folder;
//! - when a test panics, the newest log lines of each process of its mesh are printed.
//!
//! The programs are built once per test run, in the profile and target folder of the test itself. Where the environment
//! variable `TESTBED_PROGRAMS` names a folder, the programs in it are taken as they are.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what goes wrong here is the test's failure, and a panic is how a test fails"
)]

mod builder;
mod client;
mod health;
mod limits;
mod mesh;
mod part;
mod ports;
mod process;
mod programs;
mod wait;

pub use builder::Builder;
pub use client::{NewClient, OldClient, Wire, text};
pub use health::{Health, http_get};
pub use limits::raise_open_files;
pub use mesh::Mesh;
pub use part::{Part, Role};
pub use wait::{PATIENCE, eventually, eventually_within};
