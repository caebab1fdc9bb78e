//! Whoever fails too often waits: per account, and per address. So does whoever registers too often.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use mesh::config::AccountsConfig;
use parking_lot::Mutex;
use protocol::ids::UserId;

use super::throttle::{Buckets, Network, Rate};

/// Wrong passwords for one account, from anywhere.
const OF_ACCOUNT: Rate = Rate { burst: 10, every: Duration::from_secs(10) };

/// Wrong passwords and tokens from one address: people behind one address are many.
const OF_ADDRESS: Rate = Rate { burst: 100, every: Duration::from_secs(1) };

/// The most accounts and addresses that are remembered, each.
const MOST: usize = 100_000;

const HOUR: Duration = Duration::from_secs(3600);

/// All that is held back.
pub(crate) struct Guard {
    accounts: Mutex<Buckets<UserId>>,
    addresses: Mutex<Buckets<Network>>,
    registrations: Mutex<Buckets<()>>,
    registrations_here: Mutex<Buckets<Network>>,
}

/// An attempt under way. Where it is dropped undecided, it costs nothing.
pub(crate) struct Attempt<'g> {
    guard: &'g Guard,
    what: What,
    network: Network,
    began: Instant,
    counts: bool,
}

enum What {
    /// A password was given for this account, or a token (`None`).
    Login(Option<UserId>),
    Registration,
}

impl Guard {
    pub fn new(config: &AccountsConfig) -> Self {
        let per_hour = |count: u32| Rate { burst: count, every: HOUR / count };
        Self {
            accounts: Mutex::new(Buckets::new(OF_ACCOUNT, MOST)),
            addresses: Mutex::new(Buckets::new(OF_ADDRESS, MOST)),
            registrations: Mutex::new(Buckets::new(per_hour(config.registrations_per_hour), 1)),
            registrations_here: Mutex::new(Buckets::new(
                per_hour(config.registrations_per_hour_per_address),
                MOST,
            )),
        }
    }

    /// A password is given for an account, or a token (`None`).
    ///
    /// # Errors
    /// How long to wait: then nothing is looked at, right or wrong.
    pub fn login(&self, user: Option<&UserId>, from: IpAddr, now: Instant) -> Result<Attempt<'_>, Duration> {
        let network = Network::from(from);
        self.addresses.lock().begin(&network, now)?;
        // Undone by its end, should the account have to wait.
        let mut attempt =
            Attempt { guard: self, what: What::Login(None), network, began: now, counts: false };
        if let Some(user) = user {
            self.accounts.lock().begin(user, now)?;
            attempt.what = What::Login(Some(user.clone()));
        }
        Ok(attempt)
    }

    /// An account is to be made.
    ///
    /// # Errors
    /// How long to wait.
    pub fn registration(&self, from: IpAddr, now: Instant) -> Result<Attempt<'_>, Duration> {
        let network = Network::from(from);
        self.registrations.lock().begin(&(), now)?;
        if let Err(wait) = self.registrations_here.lock().begin(&network, now) {
            self.registrations.lock().decided(&(), false, now);
            return Err(wait);
        }
        Ok(Attempt { guard: self, what: What::Registration, network, began: now, counts: false })
    }
}

impl Attempt<'_> {
    /// It is remembered: a login that failed, an account that was made or whose name is taken.
    pub fn counts(mut self) {
        self.counts = true;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let (guard, counts, now) = (self.guard, self.counts, self.began);
        match &self.what {
            What::Login(user) => {
                guard.addresses.lock().decided(&self.network, counts, now);
                if let Some(user) = user {
                    guard.accounts.lock().decided(user, counts, now);
                }
            }
            What::Registration => {
                guard.registrations.lock().decided(&(), counts, now);
                guard.registrations_here.lock().decided(&self.network, counts, now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use mesh::config::RoleConfig;

    use super::*;

    fn guard(keys: &str) -> Guard {
        Guard::new(&mesh::config::MsgServerConfig::parse(keys, "f").unwrap().config.accounts)
    }

    fn address(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    fn user(name: &str) -> UserId {
        UserId::new(name).unwrap()
    }

    #[test]
    fn an_account_that_is_attacked_waits_wherever_from_and_no_other_does() {
        let (guard, now) = (guard("{}"), Instant::now());
        for last in 0..10 {
            guard.login(Some(&user("amy")), address(last), now).unwrap().counts();
        }
        assert!(guard.login(Some(&user("amy")), address(99), now).is_err());
        assert!(guard.login(Some(&user("bob")), address(1), now).is_ok());
        assert!(guard.login(None, address(1), now).is_ok(), "a token is no guess");
    }

    #[test]
    fn an_address_that_tries_many_accounts_waits_and_no_other_does() {
        let (guard, now) = (guard("{}"), Instant::now());
        for number in 0..100 {
            guard.login(Some(&user(&format!("u{number}"))), address(1), now).unwrap().counts();
        }
        assert!(guard.login(Some(&user("amy")), address(1), now).is_err());
        assert!(guard.login(None, address(1), now).is_err());
        assert!(guard.login(Some(&user("amy")), address(2), now).is_ok());
    }

    #[test]
    fn what_was_refused_for_the_account_is_not_counted_for_the_address() {
        let (guard, now) = (guard("{}"), Instant::now());
        for _ in 0..10 {
            guard.login(Some(&user("amy")), address(1), now).unwrap().counts();
        }
        for _ in 0..1000 {
            assert!(guard.login(Some(&user("amy")), address(1), now).is_err());
        }
        assert!(guard.login(Some(&user("bob")), address(1), now).is_ok());
    }

    #[test]
    fn registrations_have_a_bound_for_each_address_and_one_for_all() {
        let guard = guard(r#"{"RegistrationsPerHour":3,"RegistrationsPerHourPerAddress":2}"#);
        let now = Instant::now();
        let make = |last| guard.registration(address(last), now).map(Attempt::counts).is_ok();
        assert!(guard.registration(address(1), now).is_ok(), "one that came to nothing costs nothing");
        assert_eq!([make(1), make(1), make(1), make(2), make(2)], [true, true, false, true, false]);
    }

    #[test]
    fn zero_sets_no_limit() {
        let guard = guard(r#"{"RegistrationsPerHour":0,"RegistrationsPerHourPerAddress":0}"#);
        let now = Instant::now();
        assert!((0..10_000).all(|_| guard.registration(address(1), now).map(Attempt::counts).is_ok()));
    }
}
