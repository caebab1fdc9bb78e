//! Clients: their sessions, and what they may ask for.

pub(crate) mod access;
mod alignment;
pub(crate) mod commands;
pub(crate) mod login;
pub(crate) mod marks;
pub(crate) mod memberships;
pub(crate) mod patience;
mod people;
mod reading;
mod rules;
mod sending;
pub mod seniority;
pub(crate) mod session;
pub(crate) mod sessions;
mod topics;
