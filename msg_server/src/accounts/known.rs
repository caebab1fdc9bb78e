//! Tokens that were good when a manager last said so: by these a device logs in while no manager answers. Bounded, and forgotten
//! as soon as it is heard that somebody's access has ended.

use std::collections::HashMap;

use protocol::access::Scopes;
use protocol::ids::{DeviceId, UserId};
use protocol::link::accounts::TokenHash;

use crate::client::access::EndedAccess;

/// A token, and what it is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its hash.
    pub hash: TokenHash,
    /// On which device.
    pub device: DeviceId,
    /// What its bearer may do.
    pub scopes: Scopes,
    /// Until when, in milliseconds since 1970.
    pub expires: u64,
}

/// All known tokens, in two generations: when the younger one is full it becomes the older one, which is forgotten.
#[derive(Debug)]
pub struct KnownTokens {
    most: usize,
    young: Generation,
    old: Generation,
}

#[derive(Debug, Default)]
struct Generation {
    by_user: HashMap<UserId, Vec<Known>>,
    count: usize,
}

impl KnownTokens {
    /// At most so many.
    pub fn new(most: usize) -> Self {
        Self { most, young: Generation::default(), old: Generation::default() }
    }

    /// A manager took the token. Others of the same device are good no longer, but `before`, which its client may still have.
    pub fn learn(&mut self, user: &UserId, token: Known, before: Option<&TokenHash>) {
        if self.young.count >= self.most / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        let stays = |known: &Known| known.device != token.device || Some(&known.hash) == before;
        let earlier = self.old.take(user).into_iter().chain(self.young.take(user));
        let mut tokens: Vec<Known> = earlier.filter(stays).collect();
        tokens.push(token);
        self.young.put(user, tokens);
    }

    /// The token, if it is known as this user's and was good until after `now`.
    pub fn find(&self, user: &UserId, hash: &TokenHash, now: u64) -> Option<&Known> {
        let mut of_user =
            [&self.young, &self.old].into_iter().filter_map(|some| some.by_user.get(user)).flatten();
        of_user.find(|known| known.hash == *hash && known.expires > now)
    }

    /// Forgets what has ended.
    pub fn end(&mut self, ended: &EndedAccess) {
        for generation in [&mut self.young, &mut self.old] {
            let mut tokens = generation.take(&ended.user);
            tokens.retain(|known| !ended.is_on(Some(&known.device)));
            generation.put(&ended.user, tokens);
        }
    }

    /// Of the user's tokens only those of these devices are good.
    pub fn keep(&mut self, user: &UserId, devices: &[DeviceId]) {
        for generation in [&mut self.young, &mut self.old] {
            let mut tokens = generation.take(user);
            tokens.retain(|known| devices.contains(&known.device));
            generation.put(user, tokens);
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.young.count + self.old.count
    }
}

impl Generation {
    fn take(&mut self, user: &UserId) -> Vec<Known> {
        let tokens = self.by_user.remove(user).unwrap_or_default();
        self.count -= tokens.len();
        tokens
    }

    fn put(&mut self, user: &UserId, tokens: Vec<Known>) {
        if !tokens.is_empty() {
            self.count += tokens.len();
            self.by_user.insert(user.clone(), tokens);
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::code::DisconnectCode;

    use super::*;

    fn user(name: &str) -> UserId {
        UserId::new(name).unwrap()
    }

    fn device(name: &str) -> DeviceId {
        DeviceId::new(name).unwrap()
    }

    fn hash(name: &str) -> TokenHash {
        TokenHash(name.into())
    }

    fn token(name: &str, on: &str) -> Known {
        Known { hash: hash(name), device: device(on), scopes: Scopes::ALL, expires: 100 }
    }

    fn ended(on: Option<&str>, kept: Option<&str>) -> EndedAccess {
        let code = DisconnectCode::LoggedOut;
        EndedAccess { user: user("amy"), device: on.map(device), kept: kept.map(device), before: 1, code }
    }

    #[test]
    fn a_token_is_found_for_its_user_until_it_expires() {
        let mut tokens = KnownTokens::new(10);
        tokens.learn(&user("amy"), token("t1", "phone"), None);
        assert_eq!(tokens.find(&user("amy"), &hash("t1"), 99), Some(&token("t1", "phone")));
        assert_eq!(tokens.find(&user("amy"), &hash("t1"), 100), None);
        assert_eq!(tokens.find(&user("bob"), &hash("t1"), 99), None);
        assert_eq!(tokens.find(&user("amy"), &hash("t2"), 99), None);
    }

    #[test]
    fn a_newer_token_takes_the_place_of_the_devices_others_but_the_last() {
        let mut tokens = KnownTokens::new(10);
        let amy = user("amy");
        tokens.learn(&amy, token("t1", "phone"), None);
        tokens.learn(&amy, token("d1", "desk"), None);
        tokens.learn(&amy, token("t2", "phone"), Some(&hash("t1")));
        assert!(
            tokens.find(&amy, &hash("t1"), 1).is_some(),
            "its client may have been cut off before it kept t2"
        );
        tokens.learn(&amy, token("t2", "phone"), None);
        assert!(tokens.find(&amy, &hash("t1"), 1).is_none());
        assert!(tokens.find(&amy, &hash("d1"), 1).is_some());
        assert_eq!(tokens.count(), 2);
    }

    #[test]
    fn what_has_ended_is_known_no_longer() {
        let mut tokens = KnownTokens::new(10);
        let amy = user("amy");
        for name in ["phone", "desk", "car"] {
            tokens.learn(&amy, token(name, name), None);
        }
        tokens.end(&ended(Some("phone"), None));
        assert!(
            tokens.find(&amy, &hash("phone"), 1).is_none() && tokens.find(&amy, &hash("desk"), 1).is_some()
        );
        tokens.keep(&amy, &[device("car"), device("phone")]);
        assert!(
            tokens.find(&amy, &hash("desk"), 1).is_none() && tokens.find(&amy, &hash("car"), 1).is_some()
        );
        tokens.end(&ended(None, Some("car")));
        assert_eq!(tokens.count(), 0, "its session goes on, by a token that is not known yet");
    }

    #[test]
    fn the_least_recent_are_forgotten_when_there_are_too_many() {
        let mut tokens = KnownTokens::new(8);
        for number in 0..20 {
            tokens.learn(&user(&format!("u{number}")), token("t", "phone"), None);
            assert!(tokens.count() <= 8);
            assert!(tokens.find(&user(&format!("u{number}")), &hash("t"), 1).is_some());
        }
        assert!(tokens.find(&user("u0"), &hash("t"), 1).is_none());
    }
}
