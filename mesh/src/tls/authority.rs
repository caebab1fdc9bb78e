//! Whom a process that dials believes: the certificates that others' must be signed by.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;

use super::files::{FileError, Named};
use super::provider;
use super::reloadable::{Reloadable, Source};

/// The authority from `TlsCaFile`; or none, and then links are plain.
///
/// Every clone has the newest.
#[derive(Clone, Default, Deserialize)]
#[serde(from = "Ca")]
pub struct Authority(Reloadable<Ca>);

/// The file, as the config names it.
#[derive(Clone, Default, Deserialize)]
struct Ca {
    #[serde(rename = "TlsCaFile")]
    file: Option<PathBuf>,
}

impl Authority {
    /// Reads every certificate in `file`: whoever shows one that is signed by one of them, and valid for the host that
    /// was dialled, is believed.
    ///
    /// # Errors
    /// Where there is none in it.
    pub fn read(file: &Path) -> Result<Self, FileError> {
        let this = Self::from(Ca { file: Some(file.to_owned()) });
        this.load().map(|()| this)
    }

    /// Reads the file of the config again. Connections that stand are let be.
    ///
    /// # Errors
    /// Where it is bad; the authority then stays what it was.
    pub fn load(&self) -> Result<(), FileError> {
        self.0.load()
    }

    /// Whether there is one.
    pub fn is_there(&self) -> bool {
        self.0.get().is_some()
    }

    /// What rustls dials with; `None` where there is no authority.
    pub fn client_config(&self) -> Option<Arc<ClientConfig>> {
        self.0.get()
    }

    pub(crate) fn look(&self) -> Option<Result<(), FileError>> {
        self.0.look()
    }

    pub(crate) fn replace(&self, newer: &Self) {
        self.0.replace(&newer.0);
    }
}

impl Source for Ca {
    type Made = ClientConfig;

    fn files(&self) -> Vec<&Path> {
        self.file.iter().map(PathBuf::as_path).collect()
    }

    fn make(&self) -> Result<Option<ClientConfig>, FileError> {
        let Some(file) = &self.file else { return Ok(None) };
        let file = Named { key: "TlsCaFile", file };
        client_config(file.roots()?).map(Some).map_err(|error| file.unusable(error))
    }
}

fn client_config(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let client = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    Ok(client.with_root_certificates(roots).with_no_client_auth())
}

impl From<Ca> for Authority {
    fn from(ca: Ca) -> Self {
        Self(Reloadable::new(ca))
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Authority").field(&self.0.source().file).finish()
    }
}
