//! Why a command of `shoal` did not do what it was asked.

use std::io;

use mesh::config::ConfigError;
use storage::StoreError;
use storage::embedded::OpenError;
use storage::embedded::commit_log::LogError;
use storage::export::{ExportError, ImportError};
use thiserror::Error;

use crate::exit;
use crate::host::HostError;
use crate::lock::LockError;
use crate::ports::PortsTaken;
use crate::secret_file::SecretError;

/// A command failed; the exit code says in what way.
#[derive(Debug, Error)]
pub enum Failure {
    /// A file has mistakes, or cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Several files have.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Configs(Vec<ConfigError>),
    /// The command line asks for what cannot be.
    #[error("{0}")]
    Usage(String),
    /// `--host` is none.
    #[error("--host {text:?} {cause}; write an IP address or a name, as 192.168.1.7 or chat.example.org")]
    Host {
        /// What was written.
        text: String,
        /// What is wrong with it.
        cause: HostError,
    },
    /// The folder is another mesh's.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Ports are taken.
    #[error(transparent)]
    Ports(#[from] PortsTaken),
    /// There is no secret.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// No mesh runs in the folder.
    #[error("no mesh runs in the folder {0}; `shoal up` starts one, and `--data DIR` names another folder")]
    NotRunning(String),
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store's log cannot be checked or repaired.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The export failed.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The import failed.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// Messages that are halfway between two inboxes cannot be completed.
    #[error("messages between two inboxes cannot be completed: {0}")]
    Pairs(#[from] StoreError),
    /// The system refused something.
    #[error("{what}: {cause}")]
    System {
        /// What was tried.
        what: String,
        /// What the system said.
        cause: io::Error,
    },
}

impl Failure {
    /// Says what was tried when the system refused.
    pub fn while_trying(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        |cause| Self::System { what, cause }
    }

    /// The exit code for it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Configs(_) | Self::Usage(_) | Self::Host { .. } => exit::USAGE,
            Self::Lock(LockError::Held { .. }) => exit::RUNNING_ALREADY,
            Self::Ports(_) => exit::PORT_TAKEN,
            Self::NotRunning(_) => exit::NOT_RUNNING,
            Self::Lock(LockError::Unusable { .. })
            | Self::Secret(_)
            | Self::Open(_)
            | Self::Log(_)
            | Self::Export(_)
            | Self::Import(_)
            | Self::Pairs(_)
            | Self::System { .. } => exit::FAILED,
        }
    }
}
