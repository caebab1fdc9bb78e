//! The certificate that a process shows on its ports, with its key; exchanged while the process runs.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring::Ticketer;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use serde::Deserialize;

use super::files::{FileError, Named, Problem};
use super::provider;
use super::reloadable::{Reloadable, Source};
use super::validity::not_after;

/// The config's keys.
const CERTIFICATE: &str = "TlsCertFile";
const KEY: &str = "TlsKeyFile";

/// A certificate and its key, from `TlsCertFile` and `TlsKeyFile`; or none, and then ports speak plainly only.
///
/// Every clone shows the newest.
#[derive(Clone, Default, Deserialize)]
#[serde(from = "Pair")]
pub struct Certificate(Reloadable<Pair>);

/// The files, as the config names them.
#[derive(Clone, Default, Deserialize)]
struct Pair {
    #[serde(rename = "TlsCertFile")]
    certificate: Option<PathBuf>,
    #[serde(rename = "TlsKeyFile")]
    key: Option<PathBuf>,
}

/// What connections are accepted with.
struct Shown {
    server: Arc<ServerConfig>,
    not_after: i64,
}

impl Certificate {
    /// Reads a certificate, which may have its chain after it, and its key.
    ///
    /// # Errors
    /// Where a file does not hold what it should, or the key is another certificate's.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, FileError> {
        let pair = Pair { certificate: Some(certificate.to_owned()), key: Some(key.to_owned()) };
        let this = Self::from(pair);
        this.load().map(|()| this)
    }

    /// Reads the files of the config again. Connections that stand are let be; nobody resumes a session from before.
    ///
    /// # Errors
    /// Where they are bad; the certificate then stays what it was.
    pub fn load(&self) -> Result<(), FileError> {
        self.0.load()
    }

    /// Whether there is one.
    pub fn is_there(&self) -> bool {
        self.0.get().is_some()
    }

    /// When it ends, in seconds since 1970; `None` where there is none.
    pub fn not_after(&self) -> Option<i64> {
        self.0.get().map(|shown| shown.not_after)
    }

    /// What rustls accepts a connection with; `None` where there is no certificate.
    pub fn server_config(&self) -> Option<Arc<ServerConfig>> {
        self.0.get().map(|shown| Arc::clone(&shown.server))
    }

    pub(crate) fn look(&self) -> Option<Result<(), FileError>> {
        self.0.look()
    }

    pub(crate) fn replace(&self, newer: &Self) {
        self.0.replace(&newer.0);
    }
}

impl Source for Pair {
    type Made = Shown;

    fn files(&self) -> Vec<&Path> {
        [&self.certificate, &self.key].into_iter().flatten().map(PathBuf::as_path).collect()
    }

    fn make(&self) -> Result<Option<Shown>, FileError> {
        let certificate = self.certificate.as_deref().map(|file| Named { key: CERTIFICATE, file });
        let key = self.key.as_deref().map(|file| Named { key: KEY, file });
        match (certificate, key) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => shown(certificate, key).map(Some),
            (Some(certificate), None) => Err(certificate.bad(Problem::Alone { missing: KEY })),
            (None, Some(key)) => Err(key.bad(Problem::Alone { missing: CERTIFICATE })),
        }
    }
}

fn shown(certificate: Named<'_>, key: Named<'_>) -> Result<Shown, FileError> {
    let chain = certificate.certificates()?;
    let not_after = chain.first().and_then(|first| not_after(first));
    let not_after = not_after.ok_or_else(|| certificate.unusable("its end cannot be read"))?;
    let signing = provider().key_provider.load_private_key(key.private_key()?);
    let certified = CertifiedKey::new(chain, signing.map_err(|error| key.unusable(error))?);
    certified.keys_match().map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            key.bad(Problem::OtherKey { certificate: certificate.file.to_owned() })
        }
        error => certificate.unusable(error),
    })?;
    let server = server_config(certified).map_err(|error| certificate.unusable(error))?;
    Ok(Shown { server: Arc::new(server), not_after })
}

/// Tickets are of this certificate: their key is made anew with it.
fn server_config(certified: CertifiedKey) -> Result<ServerConfig, rustls::Error> {
    let mut server = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    server.ticketer = Ticketer::new()?;
    Ok(server)
}

impl From<Pair> for Certificate {
    fn from(pair: Pair) -> Self {
        Self(Reloadable::new(pair))
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Certificate").field(&self.0.source().certificate).finish()
    }
}
