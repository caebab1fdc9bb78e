//! The mesh's secret: made once, readable by its owner only.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use mesh::config::{Secret, SecretFileError};
use thiserror::Error;

/// How many random bytes a secret has; its text form has twice as many.
const RANDOM_BYTES: usize = 32;

/// Why a mesh has no usable secret.
#[derive(Debug, Error)]
pub enum SecretError {
    /// The file is there, but not fit.
    #[error(
        "{file}: {cause}; a secret's file is for its owner only (chmod 600), with 16 to 1024 bytes in it"
    )]
    Unfit {
        /// The file.
        file: String,
        /// What is wrong with it.
        cause: SecretFileError,
    },
    /// It is not there and cannot be made.
    #[error("{file}: the mesh's secret cannot be made: {cause}")]
    Unmade {
        /// The file.
        file: String,
        /// What the system said.
        cause: io::Error,
    },
}

/// Makes sure that `file` holds a secret; `true` where it was made just now.
///
/// # Errors
/// Where what is there is no secret, or is open to others than its owner, or none can be made.
pub fn ensure(file: &Path) -> Result<bool, SecretError> {
    let name = file.display().to_string();
    match Secret::read(file) {
        Ok(_) => Ok(false),
        Err(SecretFileError::Unreadable(cause)) if cause.kind() == io::ErrorKind::NotFound => {
            make(file).map(|()| true).map_err(|cause| SecretError::Unmade { file: name, cause })
        }
        Err(cause) => Err(SecretError::Unfit { file: name, cause }),
    }
}

/// Writes beside and renames, so that a crash leaves no half of a secret under its name.
fn make(file: &Path) -> io::Result<()> {
    let mut random = [0; RANDOM_BYTES];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let text: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let next = file.with_extension("new");
    let mut out = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&next)?;
    writeln!(out, "{text}")?;
    out.sync_all()?;
    fs::rename(next, file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_secret_is_made_once_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mesh-secret");
        assert!(ensure(&file).unwrap());
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let first = Secret::read(&file).unwrap();
        assert_eq!(first.expose().len(), 2 * RANDOM_BYTES);
        assert!(!ensure(&file).unwrap());
        assert_eq!(Secret::read(&file).unwrap(), first);
    }

    #[test]
    fn a_secret_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mesh-secret");
        ensure(&file).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let error = ensure(&file).unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }
}
