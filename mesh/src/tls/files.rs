//! What is read from PEM files, and what may be wrong with them.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

use crate::config::OTHERS;

/// A chain of certificates and a key are a few KiB; an authority's file may hold all that a system trusts.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// Why a file does not serve for TLS.
#[derive(Debug, Error)]
#[error("{key} ({}) {problem}; {}", file.display(), self.advice())]
pub struct FileError {
    /// The config's key that names the file.
    pub key: &'static str,
    /// The file.
    pub file: PathBuf,
    /// What is wrong.
    pub problem: Problem,
}

/// What may be wrong with a file, as the rest of a sentence that begins with it.
#[derive(Debug, Error)]
pub enum Problem {
    /// A certificate is of no use without its key, nor is a key without its certificate.
    #[error("is set, and {missing} is not")]
    Alone {
        /// The config's key that has to be set too.
        missing: &'static str,
    },
    /// It cannot be opened or read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It holds a key, and others than its owner may read or write it.
    #[error("is open to others than its owner (mode {mode:03o})")]
    OpenToOthers {
        /// Its permission bits.
        mode: u32,
    },
    /// It is no PEM file, or what is wanted is not in it.
    #[error("has no {wanted} in it, as PEM")]
    NotThere {
        /// What is wanted.
        wanted: &'static str,
    },
    /// What is wanted is there and cannot be used.
    #[error("cannot be used: {0}")]
    Unusable(String),
    /// It is the key of another certificate.
    #[error("is not the key of the certificate in {}", certificate.display())]
    OtherKey {
        /// The certificate's file.
        certificate: PathBuf,
    },
}

impl FileError {
    /// What to do about it.
    pub fn advice(&self) -> String {
        match &self.problem {
            Problem::Alone { missing } => format!("set {missing} too, or neither"),
            Problem::Unreadable(_) => "name a file that this user may read".into(),
            Problem::OpenToOthers { .. } => format!("run: chmod 600 {}", self.file.display()),
            Problem::NotThere { wanted } => {
                format!("name a file that has a {wanted} between its BEGIN and END")
            }
            Problem::Unusable(_) => "name another".into(),
            Problem::OtherKey { .. } => "name the key that the certificate was made for".into(),
        }
    }
}

/// A file that the config names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named<'a> {
    /// The config's key.
    pub key: &'static str,
    /// The file.
    pub file: &'a Path,
}

impl Named<'_> {
    /// That something is wrong with it.
    pub fn bad(self, problem: Problem) -> FileError {
        FileError { key: self.key, file: self.file.to_owned(), problem }
    }

    /// That what it holds cannot be used.
    pub fn unusable(self, cause: impl ToString) -> FileError {
        self.bad(Problem::Unusable(cause.to_string()))
    }

    /// Every certificate in it, in their order; at least one.
    pub fn certificates(self) -> Result<Vec<CertificateDer<'static>>, FileError> {
        let pem = self.open().and_then(|opened| read(&opened)).map_err(|problem| self.bad(problem))?;
        let found: Vec<_> = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect();
        if found.is_empty() { Err(self.bad(Problem::NotThere { wanted: "certificate" })) } else { Ok(found) }
    }

    /// Its certificates as what may be believed.
    pub fn roots(self) -> Result<RootCertStore, FileError> {
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates()? {
            roots.add(certificate).map_err(|error| self.unusable(error))?;
        }
        Ok(roots)
    }

    /// The private key in it, which nobody but its owner may read.
    pub fn private_key(self) -> Result<PrivateKeyDer<'static>, FileError> {
        let pem = self.open().and_then(|opened| {
            // Of the open file, so that nobody swaps it in between.
            let mode = opened.metadata()?.permissions().mode() & 0o777;
            if mode & OTHERS == 0 { read(&opened) } else { Err(Problem::OpenToOthers { mode }) }
        });
        let pem = pem.map_err(|problem| self.bad(problem))?;
        PrivateKeyDer::from_pem_slice(&pem).map_err(|_| self.bad(Problem::NotThere { wanted: "private key" }))
    }

    fn open(self) -> Result<File, Problem> {
        Ok(File::open(self.file)?)
    }
}

fn read(opened: &File) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    opened.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(Problem::Unusable(format!("it has more than {MAX_FILE_BYTES} bytes")));
    }
    Ok(bytes)
}

/// What tells that a file was changed or exchanged: when it was written, its size, and which file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    modified: (i64, i64),
    bytes: u64,
    inode: u64,
}

impl Stamp {
    /// Of `file` as it is now; `None` where there is no such file.
    pub(super) fn of(file: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(file).ok()?;
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        Some(Self { modified, bytes: metadata.size(), inode: metadata.ino() })
    }
}
