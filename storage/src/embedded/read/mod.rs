//! Reading: questions to the state and contents from the commit log, on threads of their own, so that no task of a
//! caller's runtime ever waits for the disk.

mod contents;
mod pool;
mod queries;
mod topics;

pub(crate) use contents::Contents;
pub(crate) use pool::Readers;
pub(crate) use queries::Queries;
