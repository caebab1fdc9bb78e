//! A load tool that stands outside: real processes, and only the wire. It measures rate, latency, CPU per message by role, and
//! memory per connection; and it verifies what it receives, so that no figure comes from a mesh that loses or repeats.
//!
//! ```text
//! cargo run --release -p bench -- --scenario p2p --senders 64 --in-flight 8 --seconds 10
//! cargo run --release -p bench -- --scenario idle --connections 10000
//! ```
//!
//! [`scenario`] says who connects and who sends what to whom ([`cast`]); [`engine`] has all connections on one thread, each
//! reading in batches into one shared buffer ([`actor`], [`frame`]); [`figures`] counts; [`mesh`] has the processes under load
//! and reads their CPU time and memory ([`proc`]); [`report`] says it.
//!
//! Invariants:
//! - a message is in flight until it is acknowledged *and* delivered to everyone who has to get it: no figure hides a queue;
//! - every receiver checks that each sender's messages come in order, none twice, none left out; in the end, that all came;
//! - times are taken from one clock, in one process; so a latency is from the moment of sending to the moment of reading.

pub mod actor;
pub mod cast;
pub mod engine;
pub mod figures;
pub mod flight;
pub mod frame;
pub mod mesh;
pub mod options;
pub mod proc;
pub mod report;
pub mod scenario;

pub use options::{Options, Scenario};
pub use scenario::{BenchError, run};
