//! `monitor.json`.

use std::net::SocketAddr;

use serde::Deserialize;

use super::links::{DialConfig, LinkConfig};
use super::mistake::Conflicts;
use super::process::ProcessConfig;
use super::{Role, RoleConfig};

/// What a monitor is told.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct MonitorConfig {
    /// The keys of every process.
    #[serde(flatten)]
    pub process: ProcessConfig,
    /// The keys of links.
    #[serde(flatten)]
    pub links: LinkConfig,
    /// Whom to dial.
    #[serde(flatten)]
    pub dial: DialConfig,
    /// Where the web page is served.
    pub web_listen: SocketAddr,
}

impl RoleConfig for MonitorConfig {
    const ROLE: Role = Role::Monitor;

    fn process(&self) -> &ProcessConfig {
        &self.process
    }

    fn links(&self) -> &LinkConfig {
        &self.links
    }

    fn dial(&self) -> Option<&DialConfig> {
        Some(&self.dial)
    }

    fn web_listen(&self) -> Option<SocketAddr> {
        Some(self.web_listen)
    }

    fn cross_check(&self, conflicts: &mut Conflicts<'_, '_>) {
        if self.web_listen == self.process.listen && self.web_listen.port() != 0 {
            conflicts.add(
                &["WebListen", "Listen"],
                format!("is {}, which Listen has already", self.web_listen),
                "give the page a port of its own",
            );
        }
    }
}
