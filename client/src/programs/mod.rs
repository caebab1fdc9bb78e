//! What `client_p2p` and `client_topic` are made of. Each is this crate's library at a prompt, or in a pipe.

pub mod p2p;
pub mod topic;

mod args;
mod called;
mod clock;
mod conf_file;
mod conversation;
mod device;
mod exit;
mod history;
mod json;
mod paint;
mod program;
mod prompt;
mod receipts;
mod screen;
mod script;
mod start;
mod wording;
mod wrap;
