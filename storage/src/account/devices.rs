//! The devices of an account: a bounded list, in which the longest unseen makes room.

use std::time::Duration;

use protocol::ids::{DeviceId, Time};
use protocol::link::accounts::TokenHash;

use super::Account;

/// How many devices an account has at most.
pub const DEVICES: usize = 16;
/// A device that was not seen for so long is forgotten.
pub const FORGET_AFTER: Duration = Duration::from_secs(90 * 24 * 3600);
/// When a device was seen last is kept to so much: a login that changes nothing else need not be written.
pub const SEEN_EVERY: Duration = Duration::from_secs(3600);

/// A device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Which.
    pub id: DeviceId,
    /// Whether it may be in: it has proved whose it is, and was not logged out since. Never in mode `open`.
    pub admitted: bool,
    /// What it logs in with; `None`: with the password, or a token from elsewhere.
    pub token: Option<Token>,
    /// What it logged in with when it was given `token`, which it may never have received.
    pub previous: Option<Token>,
    /// Tokens from elsewhere that were issued up to then are of no use on it.
    pub ended: Time,
    /// When it logged in last, to [`SEEN_EVERY`].
    pub seen: Time,
}

/// A token of this mesh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its hash.
    pub hash: TokenHash,
    /// When it was given out.
    pub issued: Time,
    /// When it is good no longer.
    pub expires: Time,
}

impl Account {
    /// The device of this id.
    pub fn device(&self, id: &DeviceId) -> Option<&Device> {
        self.devices.iter().find(|device| device.id == *id)
    }

    /// Forgets the devices that were not seen for too long.
    pub fn forget_unseen(&mut self, now: Time) {
        self.forget(|device| is_past(device.seen, FORGET_AFTER, now));
    }

    /// The device of this id, which logs in now: it is added if it is new, or was forgotten.
    pub fn see(&mut self, id: &DeviceId, now: Time) -> &mut Device {
        self.forget_unseen(now);
        let at = match self.devices.iter().position(|device| device.id == *id) {
            Some(at) => at,
            None => self.add(Device::new(id.clone(), now)),
        };
        let device = &mut self.devices[at];
        if is_past(device.seen, SEEN_EVERY, now) {
            device.seen = now;
        }
        device
    }

    fn add(&mut self, device: Device) -> usize {
        while self.devices.len() >= DEVICES
            && let Some(longest) = self.longest_unseen()
        {
            self.forget(|device| device.id == longest);
        }
        self.devices.push(device);
        self.devices.len() - 1
    }

    /// One that is not in goes before any that is.
    fn longest_unseen(&self) -> Option<DeviceId> {
        let longest = self.devices.iter().min_by_key(|device| (device.admitted, device.seen));
        longest.map(|device| device.id.clone())
    }

    /// Forgets devices. What ended on one of them must not begin again once nobody knows that it ended.
    fn forget(&mut self, which: impl Fn(&Device) -> bool) {
        let ended = self.devices.iter().filter(|device| which(device)).map(|device| device.ended).max();
        self.ended = self.ended.max(ended.unwrap_or_default());
        self.devices.retain(|device| !which(device));
    }
}

impl Device {
    /// One that is seen for the first time.
    pub fn new(id: DeviceId, now: Time) -> Self {
        Self { id, admitted: false, token: None, previous: None, ended: Time(0), seen: now }
    }
}

fn is_past(since: Time, duration: Duration, now: Time) -> bool {
    u128::from(now.0.saturating_sub(since.0)) >= duration.as_millis()
}

#[cfg(test)]
mod tests {
    use protocol::ids::UserId;

    use super::*;

    const HOUR: u64 = SEEN_EVERY.as_millis() as u64;
    const DAY: u64 = 24 * HOUR;

    fn id(name: impl std::fmt::Display) -> DeviceId {
        DeviceId::new(&name.to_string()).unwrap()
    }

    fn account() -> Account {
        Account::unclaimed(UserId::new("amy").unwrap(), Time(0))
    }

    #[test]
    fn a_device_is_noted_once_and_its_time_once_an_hour() {
        let mut account = account();
        account.see(&id("phone"), Time(5));
        let noted = account.clone();
        account.see(&id("phone"), Time(HOUR));
        assert_eq!(account, noted);
        assert_eq!(account.see(&id("phone"), Time(5 + HOUR)).seen, Time(5 + HOUR));
        assert_eq!(account.devices.len(), 1);
    }

    #[test]
    fn the_seventeenth_device_takes_the_place_of_the_longest_unseen() {
        let mut account = account();
        for n in 0..16 {
            account.see(&id(n), Time(n)).admitted = true;
        }
        account.see(&id(0), Time(2 * HOUR));
        account.see(&id(16), Time(2 * HOUR));
        assert_eq!(account.devices.len(), DEVICES);
        assert_eq!(account.device(&id(1)), None);
        assert!(account.device(&id(0)).is_some());
    }

    #[test]
    fn a_device_that_is_not_in_makes_room_before_one_that_is() {
        let mut account = account();
        for n in 0..16 {
            account.see(&id(n), Time(n)).admitted = n != 15;
        }
        account.devices[15].ended = Time(77);
        account.see(&id(16), Time(20));
        assert_eq!(account.device(&id(15)), None);
        assert_eq!(account.ended, Time(77), "what ended on it has ended everywhere now");
    }

    #[test]
    fn a_device_unseen_for_ninety_days_is_forgotten() {
        let mut account = account();
        account.see(&id("old"), Time(0));
        account.see(&id("new"), Time(90 * DAY - 1));
        assert_eq!(account.devices.len(), 2);
        account.see(&id("new"), Time(90 * DAY));
        assert_eq!(account.device(&id("old")), None);
        account.see(&id("new"), Time(90 * DAY)).admitted = true;
        assert!(!account.see(&id("new"), Time(1_000 * DAY)).admitted, "it comes back as a stranger");
    }
}
