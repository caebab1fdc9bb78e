//! `shoal store`: a back-up of what the manager stores, and back.

use crate::cli::{StoreArgs, StoreCommand};
use crate::failure::Failure;

/// Exports or imports.
///
/// # Errors
/// Where the store is in use, or the file cannot be written or read.
pub async fn run(args: StoreArgs) -> Result<u8, Failure> {
    match args.command {
        StoreCommand::Export { .. } | StoreCommand::Import { .. } => {
            Err(Failure::Usage("this build cannot export or import yet".into()))
        }
    }
}
