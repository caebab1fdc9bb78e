//! The other processes: routers, managers, monitors and gateways, who have dialled us.

pub(crate) mod channels;
pub(crate) mod end;
pub(crate) mod managers;
pub(crate) mod online;
mod operators;
pub(crate) mod owners_clock;
pub(crate) mod refused_by;
pub mod roster;
