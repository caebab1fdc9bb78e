//! Kills the processes of a real mesh, one after another, while clients talk; and then checks, from outside and over the wire
//! alone, that what the mesh promised it has kept: what was acknowledged is stored, exactly once, in order, and has reached
//! everyone who is connected, without anybody having to reconnect.
//!
//! ```text
//! cargo run --release -p chaos -- --seconds 60 --msg-servers 3 --clients 200 --rate 5000 --seed 7
//! ```
//!
//! A run: [`run`](run::run) starts the mesh (`testbed`); [`setup`] makes accounts and topics; each client ([`talker`], or
//! [`library`]) writes down in its [`record`] what it sends and is told; [`nemesis`] kills by the seed; [`silence`] waits until
//! everyone has everything; [`readback`] reads every log; [`check`] holds all of it against the promises; [`report`] says it.
//!
//! Invariants:
//! - [`check`] and [`history`] are plain code and know no process: whatever they are told, planted faults are found;
//! - the checks trust neither the store, nor an `OK`, nor a push, nor (via the wire) the client library;
//! - the silence is waited for without a new login, which would make a msg_server ask for what it missed.

pub mod check;
pub mod delivery;
pub mod history;
pub mod library;
pub mod message;
pub mod nemesis;
pub mod readback;
pub mod record;
pub mod report;
pub mod run;
pub mod settings;
pub mod setup;
pub mod silence;
pub mod stage;
pub mod talker;
pub mod wire;
pub mod workload;

pub use run::{ChaosError, Outcome, run};
pub use settings::{Settings, Via, Victims};
