//! Opening the store that the config names.

use std::sync::Arc;

use mesh::config::{ManagerConfig, StoreConfig};
use storage::embedded::{EmbeddedStore, OpenError, Options};
use storage::{Answer, Store, StoreError};

/// The smallest bound on an entry's bytes.
const ENTRY_BYTES: usize = 2 << 20;
/// What a content has beside the body that a client's frame brought: names and ids.
const CONTENT_BYTES: usize = 4 << 10;
/// The largest segment, in bytes, that the store's format can address.
const SEGMENT_BYTES: u32 = 1 << 31;

/// A store in use.
pub struct OpenStore {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Resolves when it has failed for good.
    pub failed: Answer<StoreError>,
}

/// Opens the store; may take minutes where an index has to be built anew.
///
/// # Errors
/// [`OpenError`] says what is wrong and what to do.
pub fn open(config: &ManagerConfig) -> Result<OpenStore, OpenError> {
    let StoreConfig::Embedded { path, segment_bytes } = &config.store;
    let options = Options {
        entry_bytes: ENTRY_BYTES.max(config.process.max_frame_bytes.saturating_add(CONTENT_BYTES)),
        dedupe: config.dedupe,
        segment_bytes: u32::try_from(*segment_bytes).unwrap_or(SEGMENT_BYTES).min(SEGMENT_BYTES),
        // The manager's own bound is reached first, whose refusal says "busy".
        queue_bytes: config.links.link_queue_bytes.saturating_mul(2),
        ..Options::default()
    };
    let store = EmbeddedStore::open(path, options)?;
    let failed = store.on_fatal();
    Ok(OpenStore { store: Arc::new(store), failed })
}
