//! The directory as the tasks of all links share it: in shards, each under a lock that is held for one look or change.

use std::hash::{BuildHasher, RandomState};

use parking_lot::RwLock;

use crate::directory::{Directory, Server};

/// How many shards; a power of two.
const SHARDS: usize = 32;

/// The directory, in shards by the log's name.
pub struct Shards {
    hasher: RandomState,
    shards: [RwLock<Directory>; SHARDS],
}

impl Shards {
    /// A directory that knows nobody.
    pub fn new() -> Self {
        Self { hasher: RandomState::new(), shards: std::array::from_fn(|_| RwLock::default()) }
    }

    /// See [`Directory::begin`].
    pub fn begin(&self, log: &str, server: Server) {
        self.of(log).write().begin(log, server);
    }

    /// See [`Directory::end`].
    pub fn end(&self, log: &str, server: Server) {
        self.of(log).write().end(log, server);
    }

    /// See [`Directory::forget`].
    pub fn forget(&self, server: Server) {
        self.shards.iter().for_each(|shard| shard.write().forget(server));
    }

    /// Puts those that follow the log, but for `except`, in the place of what `found` holds.
    pub fn followers(&self, log: &str, except: Server, found: &mut Vec<Server>) {
        found.clear();
        found.extend(self.of(log).read().followers(log).filter(|server| *server != except));
    }

    /// See [`Directory::is_followed`].
    pub fn is_followed(&self, log: &str) -> bool {
        self.of(log).read().is_followed(log)
    }

    /// How many logs are followed, and how many of them are inboxes.
    pub fn counts(&self) -> (usize, usize) {
        self.shards.iter().fold((0, 0), |(logs, inboxes), shard| {
            let shard = shard.read();
            (logs + shard.logs(), inboxes + shard.inboxes())
        })
    }

    fn of(&self, log: &str) -> &RwLock<Directory> {
        &self.shards[self.hasher.hash_one(log) as usize % SHARDS]
    }
}
