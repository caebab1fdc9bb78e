//! The keys for tokens from elsewhere, as the file has them at the moment.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use arc_swap::ArcSwap;
use mesh::config::{AccountsConfig, JwtKeys, JwtKeysError};
use mesh::report;

use super::jwt::{self, Claims, JwtError, Rules};

/// So often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What verifies tokens from elsewhere.
pub(crate) struct Foreign {
    file: PathBuf,
    keys: ArcSwap<JwtKeys>,
    rules: Rules,
}

/// What a file's content goes by: size, inode, and when it was changed.
type Look = (u64, u64, i64, i64);

impl Foreign {
    /// `None` where no such tokens are taken.
    ///
    /// # Errors
    /// Where the file has no keys.
    pub fn new(config: &AccountsConfig) -> Result<Option<Self>, JwtKeysError> {
        let Some(file) = config.jwt_key_file.clone() else { return Ok(None) };
        let keys = ArcSwap::from_pointee(JwtKeys::read(&file)?);
        let rules = Rules {
            algorithms: config.jwt_algorithms.clone(),
            issuer: config.jwt_issuer.clone(),
            audience: config.jwt_audience.clone(),
        };
        Ok(Some(Self { file, keys, rules }))
    }

    /// Checks a token now.
    ///
    /// # Errors
    /// [`JwtError`] if it is not good.
    pub fn verify(&self, token: &str) -> Result<Claims, JwtError> {
        jwt::verify(token, &self.keys.load(), &self.rules, report::now())
    }

    /// Reads the file again whenever it changes; keys that cannot be read leave those in force that were before.
    pub async fn keep_reading_keys(&self) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        let mut seen = look(&self.file);
        loop {
            ticks.tick().await;
            let now = look(&self.file);
            if now.is_some() && now != seen {
                seen = now;
                self.read_again();
            }
        }
    }

    fn read_again(&self) {
        match JwtKeys::read(&self.file) {
            Ok(keys) => {
                self.keys.store(keys.into());
                tracing::info!("JwtKeyFile has changed: its keys are in force");
            }
            Err(error) => {
                tracing::error!(
                    "JwtKeyFile has changed, but {error}: the keys that it had before stay in force"
                );
            }
        }
    }
}

fn look(file: &Path) -> Option<Look> {
    let metadata = fs::metadata(file).ok()?;
    Some((metadata.size(), metadata.ino(), metadata.mtime(), metadata.mtime_nsec()))
}
