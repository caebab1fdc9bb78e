//! The followed logs, by name, in shards.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use protocol::ids::LogName;
use xxhash_rust::xxh3::xxh3_64;

use super::followed::FollowedLog;

/// Shards of the table. Also the steps in which the slow question goes round.
pub const SHARDS: usize = 64;

type Shard = RwLock<HashMap<LogName, Arc<FollowedLog>>>;

/// All followed logs.
pub struct FollowedLogs {
    shards: [Shard; SHARDS],
}

impl Default for FollowedLogs {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Shard::default()) }
    }
}

impl FollowedLogs {
    fn shard(&self, log: &str) -> &Shard {
        &self.shards[xxh3_64(log.as_bytes()) as usize % SHARDS]
    }

    /// The log, if it is followed.
    pub fn get(&self, log: &str) -> Option<Arc<FollowedLog>> {
        self.shard(log).read().get(log).cloned()
    }

    /// The log, which is followed from now on.
    pub fn get_or_insert(&self, log: &LogName) -> Arc<FollowedLog> {
        if let Some(found) = self.get(log.as_str()) {
            return found;
        }
        let mut shard = self.shard(log.as_str()).write();
        Arc::clone(shard.entry(log.clone()).or_insert_with(|| Arc::new(FollowedLog::new(log.clone()))))
    }

    /// Takes the log out, if it is this very one.
    pub fn remove(&self, log: &Arc<FollowedLog>) {
        let mut shard = self.shard(log.name().as_str()).write();
        if shard.get(log.name()).is_some_and(|found| Arc::ptr_eq(found, log)) {
            shard.remove(log.name());
        }
    }

    /// The logs in one shard.
    pub fn of_shard(&self, shard: usize) -> Vec<Arc<FollowedLog>> {
        self.shards[shard % SHARDS].read().values().cloned().collect()
    }

    /// How many logs are followed.
    pub fn count(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().len()).sum()
    }
}
