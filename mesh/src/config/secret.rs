//! What must never be printed, and the file that it may come from.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde::Deserialize;
use thiserror::Error;

/// The fewest bytes a secret may have.
pub const SECRET_MIN_BYTES: usize = 16;

/// The most bytes a secret may have.
pub const SECRET_MAX_BYTES: usize = 1024;

/// The permission bits that let others than the owner at a file.
pub(crate) const OTHERS: u32 = 0o077;

/// A text that no `Debug` or `Display` shows: only [`Secret::expose`] gives it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

/// Why a file does not serve as a secret's.
#[derive(Debug, Error)]
pub enum SecretFileError {
    /// The file cannot be opened or read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// Others than its owner may read or write it.
    #[error("is open to others than its owner (mode {mode:03o})")]
    OpenToOthers {
        /// The file's permission bits.
        mode: u32,
    },
    /// What is in it is too short or too long, or not text.
    #[error("holds {bytes} bytes")]
    BadLength {
        /// How many bytes it holds, without the line break at its end; one more than the limit where more.
        bytes: usize,
    },
}

impl Secret {
    /// Takes `text` as it is; [`SECRET_MIN_BYTES`] is for the config's check to enforce.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself, for the one who proves it.
    pub fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Reads a secret from `path`, without the line break at the end of the file.
    ///
    /// # Errors
    /// Where the file cannot be read, is not its owner's alone (the mode is looked at on the open file, so
    /// that nobody swaps it in between), or holds fewer or more bytes than a secret has.
    pub fn read(path: &Path) -> Result<Self, SecretFileError> {
        let file = File::open(path)?;
        let mode = file.metadata()?.permissions().mode() & 0o777;
        if mode & OTHERS != 0 {
            return Err(SecretFileError::OpenToOthers { mode });
        }
        let mut text = String::new();
        // Room for a line break, and for one byte that shows that there is too much.
        file.take(SECRET_MAX_BYTES as u64 + 3).read_to_string(&mut text)?;
        let secret = text.trim_end_matches(['\r', '\n']);
        match secret.len() {
            SECRET_MIN_BYTES..=SECRET_MAX_BYTES => Ok(Self::new(secret)),
            bytes => Err(SecretFileError::BadLength { bytes }),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{Permissions, set_permissions, write};

    fn file_with(text: &str, mode: u32) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mesh.secret");
        write(&path, text).unwrap();
        set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        (folder, path)
    }

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::new("0123456789abcdef");
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "(secret) (secret) Some((secret))");
    }

    #[test]
    fn the_line_break_at_the_end_of_a_secret_file_is_not_part_of_it() {
        let (_folder, path) = file_with("0123456789abcdef\n", 0o600);
        assert_eq!(Secret::read(&path).unwrap().expose(), b"0123456789abcdef");
    }

    #[test]
    fn a_secret_file_that_others_may_read_is_refused() {
        for mode in [0o640, 0o604, 0o666] {
            let (_folder, path) = file_with("0123456789abcdef", mode);
            assert!(
                matches!(Secret::read(&path), Err(SecretFileError::OpenToOthers { mode: m }) if m == mode)
            );
        }
    }

    #[test]
    fn a_secret_of_the_wrong_length_is_refused() {
        for bytes in [0, 15, SECRET_MAX_BYTES + 1] {
            let (_folder, path) = file_with(&"x".repeat(bytes), 0o600);
            assert!(
                matches!(Secret::read(&path), Err(SecretFileError::BadLength { bytes: b }) if b == bytes)
            );
        }
    }
}
