//! From a client’s send to its answer.

pub mod pending;
