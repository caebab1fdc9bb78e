//! The files of TLS, which others renew while a process runs.

use tracing::{error, info, warn};

use crate::config::RoleConfig;
use crate::report;
use crate::tls::{Authority, Certificate, Expiry, FileError};

/// What a process has from files of TLS.
#[derive(Debug)]
pub(super) struct TlsFiles {
    certificate: Certificate,
    authority: Option<Authority>,
    expiry: Expiry,
}

impl TlsFiles {
    /// Those that `config` names.
    pub fn of<C: RoleConfig>(config: &C) -> Self {
        let authority = config.dial().map(|dial| dial.authority.clone());
        Self { certificate: config.process().certificate.clone(), authority, expiry: Expiry::default() }
    }

    /// Reads those that have changed, and speaks of an end that is near.
    pub fn look(&mut self) {
        tell(self.certificate.look(), "the certificate");
        tell(self.authority.as_ref().and_then(Authority::look), "the authority");
        let now = (report::now() / 1000).cast_signed();
        let warning = self.certificate.not_after().and_then(|end| self.expiry.warning(now, end));
        if let Some(warning) = warning {
            warn!("the certificate in TlsCertFile {warning}: renew it; a new file is read by itself");
        }
    }
}

fn tell(read: Option<Result<(), FileError>>, what: &str) {
    match read {
        None => {}
        Some(Ok(())) => info!("{what} was read again; connections from now on have it"),
        Some(Err(error)) => error!("{what} stays as it was: {error}"),
    }
}

/// SIGHUP: what was read with the new config takes the old one's place.
pub(super) fn replace<C: RoleConfig>(old: &C, new: &C) {
    old.process().certificate.replace(&new.process().certificate);
    if let (Some(old), Some(new)) = (old.dial(), new.dial()) {
        old.authority.replace(&new.authority);
    }
}
