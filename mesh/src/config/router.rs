//! `router.json`.

use serde::Deserialize;

use super::links::{DialConfig, LinkConfig};
use super::process::ProcessConfig;
use super::{Role, RoleConfig};

/// What a router is told.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RouterConfig {
    /// The keys of every process.
    #[serde(flatten)]
    pub process: ProcessConfig,
    /// The keys of links.
    #[serde(flatten)]
    pub links: LinkConfig,
    /// Whom to dial.
    #[serde(flatten)]
    pub dial: DialConfig,
}

impl RoleConfig for RouterConfig {
    const ROLE: Role = Role::Router;

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
