//! What every process reads: where it listens and logs, and what one connection may cost it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::log_level::LogLevel;
use super::units;
use crate::limits;
use crate::tls::Certificate;

/// The keys that every process has.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ProcessConfig {
    /// Where the process listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Who may log in, and as whom.
    pub auth_mode: AuthMode,
    /// Where the log goes; to stderr where unset.
    pub log_file: Option<PathBuf>,
    /// What is logged.
    pub log_level: LogLevel,
    /// How a log line looks.
    pub log_format: LogFormat,
    /// The size in bytes at which `log_file` is rotated.
    pub log_rotate_bytes: u64,
    /// How many rotated log files are kept.
    pub log_keep: u32,
    /// What ports show to whoever speaks TLS.
    #[serde(flatten)]
    pub certificate: Certificate,
    /// How long a process that was told to end may take for it.
    #[serde(rename = "DrainSeconds", deserialize_with = "units::time")]
    pub drain: Duration,
    /// How long a new connection may stay without saying who it is.
    #[serde(deserialize_with = "units::time")]
    pub login_timeout: Duration,
    /// The most bytes that one frame's body may have.
    pub max_frame_bytes: usize,
    /// The most connections from one IPv4 address or IPv6 network of 64 bits; `usize::MAX` where unlimited.
    #[serde(deserialize_with = "units::limit")]
    pub max_connections_per_address: usize,
    /// As configured: 0 derives it. Read it through [`ProcessConfig::connection_limit`].
    max_connections: usize,
}

impl ProcessConfig {
    /// The most connections in all: `MaxConnections`, or where that is 0 what the limit of open files leaves.
    pub fn connection_limit(&self) -> usize {
        limits::connection_limit(self.max_connections)
    }

    /// `MaxConnections` as configured, where it is.
    pub fn configured_connections(&self) -> Option<usize> {
        (self.max_connections > 0).then_some(self.max_connections)
    }
}

/// Who may log in, and as whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthMode {
    /// A client is whom it says it is.
    Open,
    /// A client proves who it is, by a password or a token.
    Accounts,
}

impl AuthMode {
    /// Its name, as the config file has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Accounts => "accounts",
        }
    }
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}
