//! The sessions that are logged in here, by user.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::ids::{DeviceId, UserId};
use xxhash_rust::xxh3::xxh3_64;

use super::seniority::Rank;
use super::session::Session;

const SHARDS: usize = 64;

type Shard = Mutex<HashMap<UserId, Vec<Arc<Session>>>>;

/// All sessions, in shards, so that logins and deliveries do not wait for each other.
pub struct Sessions {
    shards: [Shard; SHARDS],
}

impl Default for Sessions {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Shard::default()) }
    }
}

impl Sessions {
    fn shard(&self, user: &str) -> &Shard {
        &self.shards[xxh3_64(user.as_bytes()) as usize % SHARDS]
    }

    /// Adds a logged-in session; a second time only its place among the logins may have changed. Of the sessions of one device
    /// the latest login stays: returns those that have to end, which may be the new one. Old sessions never replace each other.
    pub fn enter(&self, session: &Arc<Session>) -> Vec<Arc<Session>> {
        let Some(who) = session.who() else { return Vec::new() };
        let mut shard = self.shard(who.user.as_str()).lock();
        let sessions = shard.entry(who.user.clone()).or_default();
        if !sessions.contains(session) {
            sessions.push(Arc::clone(session));
        }
        if who.device.is_none() {
            return Vec::new();
        }
        outlived(sessions, who.device.as_ref())
    }

    /// The device logged in elsewhere: the sessions that are replaced by that.
    pub fn replaced_by(&self, user: &UserId, device: &DeviceId, login: Rank<'_>) -> Vec<Arc<Session>> {
        let shard = self.shard(user.as_str()).lock();
        let sessions = shard.get(user).into_iter().flatten();
        sessions.filter(|session| session.is_on(device) && session.rank() < login).cloned().collect()
    }

    /// The stamp of the device's latest login here, if that is later than one elsewhere.
    pub fn later_login(&self, user: &UserId, device: &DeviceId, login: Rank<'_>) -> Option<u64> {
        let shard = self.shard(user.as_str()).lock();
        let latest = shard.get(user)?.iter().filter(|session| session.is_on(device)).map(|s| s.rank()).max();
        latest.filter(|latest| *latest > login).map(|latest| latest.stamp)
    }

    /// Takes a session out.
    pub fn leave(&self, session: &Arc<Session>) {
        let Some(who) = session.who() else { return };
        let mut shard = self.shard(who.user.as_str()).lock();
        if let Some(sessions) = shard.get_mut(&who.user) {
            sessions.retain(|other| other != session);
            if sessions.is_empty() {
                shard.remove(&who.user);
            }
        }
    }

    /// The sessions of a user.
    pub fn of(&self, user: &str) -> Vec<Arc<Session>> {
        self.shard(user).lock().get(user).cloned().unwrap_or_default()
    }

    /// Every session.
    pub fn all(&self) -> Vec<Arc<Session>> {
        self.shards
            .iter()
            .flat_map(|shard| shard.lock().values().flatten().cloned().collect::<Vec<_>>())
            .collect()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().values().map(Vec::len).sum::<usize>()).sum()
    }
}

/// Of one device's sessions, all but the latest.
fn outlived(sessions: &[Arc<Session>], device: Option<&DeviceId>) -> Vec<Arc<Session>> {
    let of_device = || sessions.iter().filter(|session| device.is_some_and(|device| session.is_on(device)));
    let latest = of_device().map(|session| session.rank()).max();
    of_device().filter(|session| Some(session.rank()) < latest).cloned().collect()
}
