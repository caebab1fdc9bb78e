//! The store as a state machine: a record of the commit log is a list of changes, and applying them to keys and
//! values is a plain function of the record and the state before it.

pub(crate) mod admission;
pub(crate) mod change;
pub(crate) mod draft;
pub(crate) mod keys;
pub(crate) mod pending;
pub(crate) mod values;
pub(crate) mod view;
