//! `gateway.json`.

use std::time::Duration;

use serde::Deserialize;

use super::links::{DialConfig, LinkConfig};
use super::process::ProcessConfig;
use super::units;
use super::{Role, RoleConfig};

/// What a gateway is told.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GatewayConfig {
    /// The keys of every process.
    #[serde(flatten)]
    pub process: ProcessConfig,
    /// The keys of links.
    #[serde(flatten)]
    pub links: LinkConfig,
    /// Whom to dial.
    #[serde(flatten)]
    pub dial: DialConfig,
    /// How long an old client is held while no msg_server is live.
    #[serde(deserialize_with = "units::time")]
    pub old_client_hold: Duration,
}

impl RoleConfig for GatewayConfig {
    const ROLE: Role = Role::Gateway;

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
