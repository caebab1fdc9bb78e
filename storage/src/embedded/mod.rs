//! The embedded store: a commit log of our own, and indexes that can be rebuilt from it.

pub mod commit_log;
pub mod files;
