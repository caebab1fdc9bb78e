//! `shoal store`: a back-up of what the manager stores, and back; its log checked and repaired.

mod export;
mod import;
mod place;
mod progress;
mod repair;

use crate::cli::{StoreArgs, StoreCommand};
use crate::failure::Failure;

/// Does it; no manager may have the store meanwhile.
///
/// # Errors
/// Where the store is in use or cannot be opened, or a file cannot be read or written.
pub async fn run(args: StoreArgs) -> Result<u8, Failure> {
    match args.command {
        StoreCommand::Export { to, store } => export::run(&to, &place::of(&store)?).await,
        StoreCommand::Import { from, store } => import::run(&from, &place::of(&store)?).await,
        StoreCommand::Check { store } => repair::check(&place::of(&store)?),
        StoreCommand::Repair { cut, store, .. } => repair::repair(&place::of(&store)?, cut),
    }
}
