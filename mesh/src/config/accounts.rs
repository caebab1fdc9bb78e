//! What a msg_server needs to know of accounts, in `AuthMode` `"accounts"`.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::jwt_keys::{JwtAlgorithm, JwtKeys};
use super::mistake::Conflicts;
use super::units;

/// The keys of accounts.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AccountsConfig {
    /// Who may make accounts.
    pub registration: Registration,
    /// How many accounts may be made through this msg_server within an hour; `u32::MAX` where unlimited.
    #[serde(deserialize_with = "units::rate")]
    pub registrations_per_hour: u32,
    /// How many of them from one address.
    #[serde(deserialize_with = "units::rate")]
    pub registrations_per_hour_per_address: u32,
    /// How long a token is good that this mesh hands out.
    #[serde(rename = "TokenDays", deserialize_with = "units::days")]
    pub token_life: Duration,
    /// Whether passwords and tokens are taken over connections that others may read.
    pub allow_plaintext_login: bool,
    /// How many threads check passwords.
    pub password_threads: usize,
    /// What tokens from elsewhere are checked with; without it there are none.
    pub jwt_key_file: Option<PathBuf>,
    /// How they may be signed.
    pub jwt_algorithms: Vec<JwtAlgorithm>,
    /// Who has to have issued them; `None`: whoever has the key.
    pub jwt_issuer: Option<String>,
    /// Whom they have to be meant for; `None`: only those that name nobody are taken.
    pub jwt_audience: Option<String>,
}

/// Who may make accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    /// Whoever comes.
    Open,
    /// The operator alone.
    Closed,
}

impl AccountsConfig {
    /// Takes down what is wrong with the key file: before the process runs, not when the first token comes.
    pub(super) fn cross_check(&self, conflicts: &mut Conflicts<'_, '_>) {
        let Some(file) = &self.jwt_key_file else { return };
        let keys = match JwtKeys::read(file) {
            Ok(keys) => keys,
            Err(error) => {
                return conflicts.add(
                    &["JwtKeyFile"],
                    format!("({:?}) {error}", file.display().to_string()),
                    "give it public keys as PEM or JWKS, or a secret of 32 bytes or more with mode 0600",
                );
            }
        };
        if !keys.algorithms().any(|has| self.jwt_algorithms.contains(&has)) {
            let has: Vec<_> = keys.algorithms().map(JwtAlgorithm::name).collect();
            conflicts.add(
                &["JwtAlgorithms", "JwtKeyFile"],
                format!("has none that a key of JwtKeyFile is for ({})", has.join(", ")),
                "name the algorithm of one of its keys",
            );
        }
    }
}
