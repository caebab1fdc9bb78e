//! The state's keys and values: the newest in memory, the rest in an index on disk that is always behind the commit
//! log, and says by how much.

mod checkpoint;
mod fjall_index;
mod flush;
mod hot;
mod layers;
#[cfg(test)]
mod memory;
mod state;

pub(crate) use checkpoint::Checkpoint;
pub(crate) use fjall_index::FjallIndex;
pub(crate) use flush::Flusher;
pub(crate) use hot::Hot;
#[cfg(test)]
pub(crate) use memory::MemoryIndex;
pub(crate) use state::State;

use super::state::pending::Puts;
use super::state::view::View;
use crate::StoreError;

/// Where keys and values lie for longer. Nothing in it is needed that the commit log does not have too.
pub(crate) trait Index: View + Send + Sync + 'static {
    /// Writes all puts and the checkpoint, or nothing.
    fn write(&self, puts: &Puts, through: &Checkpoint) -> Result<(), StoreError>;
}
