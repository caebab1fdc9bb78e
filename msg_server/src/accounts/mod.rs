//! Accounts, in `AuthMode` `"accounts"`: who proves to be whom, and what a user does with their own account.
//!
//! Here is what takes time or secrets: passwords are hashed and checked ([`workers`]), tokens made and known by their hashes
//! ([`token`], [`known`]), tokens from elsewhere verified ([`jwt`]), attempts held back ([`throttle`]). What an account is, and
//! what becomes of it, a manager decides: it sees hashes only.
//!
//! Invariants:
//! - a password or token is in no log, no error text, no figure, and leaves this process only as a hash;
//! - unknown user and wrong password get the same answer after the same work: one verification;
//! - nothing here runs on the threads that messages run on for longer than a signature takes;
//! - every queue and table is bounded.

mod asking;
mod complaint;
mod entrance;
mod foreign;
mod guard;
mod hashing;
mod jwt;
mod known;
mod login;
mod proofs;
mod refused;
mod requests;
mod throttle;
mod token;
mod workers;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use mesh::config::{AccountsConfig, AuthMode, JwtKeysError, MsgServerConfig};
use mesh::report;
use parking_lot::Mutex;
use serde_json::{Map, Value};

use crate::client::access::EndedAccess;
use crate::server::get;
use complaint::Complaints;
use foreign::Foreign;
use guard::Guard;
use known::KnownTokens;
use workers::Workers;

pub use hashing::{HashingError, hash};
pub(crate) use login::begin as log_in;

/// So many tokens are remembered, for when no manager answers.
const MOST_KNOWN_TOKENS: usize = 100_000;

/// Why accounts cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// The system lacks what hashing needs.
    #[error(transparent)]
    Hashing(#[from] HashingError),
    /// The keys for tokens from elsewhere cannot be read.
    #[error("JwtKeyFile {0}")]
    JwtKeys(#[from] JwtKeysError),
}

/// What a msg_server needs for accounts.
pub(crate) struct Accounts {
    config: AccountsConfig,
    workers: Workers,
    guard: Guard,
    known: Mutex<KnownTokens>,
    foreign: Option<Arc<Foreign>>,
    tallies: Tallies,
    old_logins: Mutex<Complaints>,
}

/// Counters since the start.
#[derive(Debug, Default)]
struct Tallies {
    logins: AtomicU64,
    registrations: AtomicU64,
    refused: AtomicU64,
    throttled: AtomicU64,
    plaintext: AtomicU64,
}

impl Accounts {
    /// `None` in mode `open`.
    ///
    /// # Errors
    /// [`AccountsError`] where something that they need is not there.
    pub(crate) fn new(config: &MsgServerConfig) -> Result<Option<Self>, AccountsError> {
        if config.process.auth_mode == AuthMode::Open {
            return Ok(None);
        }
        let config = config.accounts.clone();
        Ok(Some(Self {
            workers: Workers::start(config.password_threads)?,
            guard: Guard::new(&config),
            known: Mutex::new(KnownTokens::new(MOST_KNOWN_TOKENS)),
            foreign: Foreign::new(&config)?.map(Arc::new),
            tallies: Tallies::default(),
            old_logins: Mutex::default(),
            config,
        }))
    }

    /// What reads the keys for tokens from elsewhere again when they change, for as long as it is polled.
    pub(crate) async fn keep_reading_keys(&self) {
        if let Some(foreign) = &self.foreign {
            foreign.keep_reading_keys().await;
        }
    }

    /// Access has ended: no token by which it was had is known any more.
    pub(crate) fn forget(&self, ended: &EndedAccess) {
        self.known.lock().end(ended);
    }

    /// An old client wanted to log in: said once a minute, for there is no other way to tell.
    fn refuse_old_login(&self) {
        if let Some(count) = self.old_logins.lock().another(Instant::now()) {
            tracing::warn!("{}", complaint::of_old_logins(count));
        }
    }

    /// What whoever looks at this msg_server should know.
    pub(crate) fn troubles(&self) -> impl Iterator<Item = String> {
        let recent = self.old_logins.lock().recent(Instant::now());
        (recent > 0).then(|| complaint::of_old_logins(recent)).into_iter()
    }

    /// Adds the figures of accounts.
    pub(crate) fn figures(&self, figures: &mut Map<String, Value>) {
        let tallies = &self.tallies;
        for (name, value) in [
            ("LoginsTotal", get(&tallies.logins)),
            ("RegistrationsTotal", get(&tallies.registrations)),
            ("LoginsRefusedTotal", get(&tallies.refused)),
            ("LoginsThrottledTotal", get(&tallies.throttled)),
            ("PlaintextLoginsRefusedTotal", get(&tallies.plaintext)),
            ("OldLoginsRefusedTotal", self.old_logins.lock().total().into()),
            ("PasswordsCheckedTotal", self.workers.verified().into()),
            ("PasswordsWaiting", self.workers.waiting().into()),
            ("KnownTokens", self.known.lock().count().into()),
        ] {
            figures.insert(name.into(), value);
        }
    }

    /// Until when a token is good that is made now, in milliseconds since 1970.
    fn token_expiry(&self) -> u64 {
        report::now() + self.config.token_life.as_millis() as u64
    }
}
