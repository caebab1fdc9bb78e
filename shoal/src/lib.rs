//! `shoal`: starts, watches and ends a whole mesh on one machine.
//!
//! Invariants:
//! - the processes are real ones, of this very executable called by another name ([`program`]): nothing else has to
//!   be installed or found;
//! - nothing is started before every file is checked and every port is known to be free;
//! - what decides (which config files, when to restart, in which order to end: [`mesh_file`], [`plan`], [`keeper`])
//!   has no I/O and no clock;
//! - one mesh a folder: a lock that the kernel drops with its holder says whether one runs ([`lock`]);
//! - no process outlives its `shoal up`: the kernel tells it to drain when that dies, however it dies.

pub mod check;
pub mod children;
pub mod cli;
pub mod command;
pub mod completions;
pub mod data_folder;
pub mod down;
pub mod exit;
pub mod failure;
pub mod host;
pub mod keeper;
pub mod lock;
pub mod log_tail;
pub mod mesh_file;
pub mod plan;
pub mod ports;
pub mod probe;
pub mod program;
pub mod run_file;
pub mod screen;
pub mod secret_file;
pub mod status;
pub mod store;
pub mod up;
