//! `docs/protocol.md` against the mesh and the code: what stands on that page is so.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod examples;
mod links;
mod tables;

/// The page.
const PAGE: &str = include_str!("../../../docs/protocol.md");
