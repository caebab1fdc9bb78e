//! Thousands of short histories of a whole mesh, under one scheduler: msg_servers, routers, managers and clients whose messages
//! arrive late, in any order of the links, or never; and processes that die at any moment.
//!
//! What decides in Shoal has no sockets, tasks or clocks. Here all of it runs in one thread, without any: the msg_server's
//! feeds, roster and unanswered appends, the router's directory and standing, the manager's edge, answers and stamps, the model
//! store, ownership, and the mesh's own frames as their bytes. `role` joins them as the shells of the real processes do.
//!
//! A [`history`] is random, and wholly decided by its seed. In its end the faults stop, and without anybody reconnecting who is
//! connected:
//! - every acknowledged message is in its log exactly once, there where the acknowledgement said; its other half, too;
//! - versions have no hole;
//! - each session saw each log from where it began: in order, nothing twice, nothing left out but what retention took;
//! - whoever is connected has everything: before the slow question where that is promised, and after it always;
//! - what one connection sent to one log is stored in that order;
//! - what was told to be not stored is not.
//!
//! A history that breaks a promise is made as short as it can be, and told as a trace. [`planted`] bugs prove that the checks
//! see what they are for.

mod alarms;
mod check;
mod dice;
mod event;
mod generate;
pub mod history;
mod ledger;
mod message;
mod net;
mod node;
pub mod planted;
mod role;
mod settle;
mod shape;
mod world;

pub use history::{Failure, History, Outcome};
pub use planted::Planted;
