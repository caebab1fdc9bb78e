//! The sessions that are logged in here, by user.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::ids::{DeviceId, UserId};
use xxhash_rust::xxh3::xxh3_64;

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

    /// Adds a logged-in session. Of the sessions of one device the latest login stays: returns those that have to end,
    /// which may be the new one. Old sessions never replace each other.
    pub fn enter(&self, session: &Arc<Session>) -> Vec<Arc<Session>> {
        let Some(who) = session.who() else { return Vec::new() };
        let mut shard = self.shard(who.user.as_str()).lock();
        let sessions = shard.entry(who.user.clone()).or_default();
        sessions.push(Arc::clone(session));
        if who.device.is_none() {
            return Vec::new();
        }
        outlived(sessions, who.device.as_ref(), session.stamp())
    }

    /// A login of the device happened under this stamp, here or elsewhere: the sessions that it replaces.
    pub fn replaced_by(&self, user: &UserId, device: &DeviceId, stamp: u64) -> Vec<Arc<Session>> {
        let shard = self.shard(user.as_str()).lock();
        let Some(sessions) = shard.get(user) else { return Vec::new() };
        let earlier = |session: &&Arc<Session>| {
            session.who().is_some_and(|who| who.device.as_ref() == Some(device)) && session.stamp() < stamp
        };
        sessions.iter().filter(earlier).cloned().collect()
    }

    /// The latest login of the device here, if it is later than `stamp`.
    pub fn later_login(&self, user: &UserId, device: &DeviceId, stamp: u64) -> Option<u64> {
        let shard = self.shard(user.as_str()).lock();
        let of_device =
            |session: &&Arc<Session>| session.who().is_some_and(|who| who.device.as_ref() == Some(device));
        let latest = shard.get(user)?.iter().filter(of_device).map(|session| session.stamp()).max();
        latest.filter(|latest| *latest > stamp)
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

/// Of one device's sessions, all but the one with the greatest stamp.
fn outlived(sessions: &[Arc<Session>], device: Option<&DeviceId>, newest: u64) -> Vec<Arc<Session>> {
    let of_device =
        || sessions.iter().filter(|session| session.who().is_some_and(|who| who.device.as_ref() == device));
    let newest = of_device().map(|session| session.stamp()).max().unwrap_or(newest);
    of_device().filter(|session| session.stamp() < newest).cloned().collect()
}
