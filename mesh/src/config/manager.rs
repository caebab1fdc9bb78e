//! `manager.json`.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::links::{DialConfig, LinkConfig};
use super::process::ProcessConfig;
use super::units;
use super::{Role, RoleConfig};

/// What a manager is told.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ManagerConfig {
    /// The keys of every process.
    #[serde(flatten)]
    pub process: ProcessConfig,
    /// The keys of links.
    #[serde(flatten)]
    pub links: LinkConfig,
    /// Whom to dial.
    #[serde(flatten)]
    pub dial: DialConfig,
    /// Where the logs are kept.
    pub store: StoreConfig,
    /// How long an entry keeps its body; `None`: for ever.
    #[serde(rename = "RetentionDays", deserialize_with = "units::time_or_never")]
    pub retention: Option<Duration>,
    /// How long an entry that retention emptied is still known as sent already; `None`: for ever.
    #[serde(rename = "DedupeDays", deserialize_with = "units::time_or_never")]
    pub dedupe: Option<Duration>,
    /// The most topics that one user may be a member of.
    pub max_topics_per_user: u64,
}

/// Where the logs are kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "Kind", rename_all = "lowercase", rename_all_fields = "PascalCase")]
pub enum StoreConfig {
    /// In files of this manager's own; such a mesh has one manager.
    Embedded {
        /// The folder that holds them.
        path: PathBuf,
        /// The size of one preallocated segment of the commit log.
        segment_bytes: u64,
    },
}

impl RoleConfig for ManagerConfig {
    const ROLE: Role = Role::Manager;

    fn process(&self) -> &ProcessConfig {
        &self.process
    }

    fn links(&self) -> &LinkConfig {
        &self.links
    }

    fn dial(&self) -> Option<&DialConfig> {
        Some(&self.dial)
    }
}
