//! `msg_server.json`.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;

use super::accounts::AccountsConfig;
use super::address::HostPort;
use super::links::{DialConfig, LinkConfig};
use super::mistake::Conflicts;
use super::process::ProcessConfig;
use super::units;
use super::{Role, RoleConfig};

/// What a msg_server is told.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct MsgServerConfig {
    /// The keys of every process.
    #[serde(flatten)]
    pub process: ProcessConfig,
    /// The keys of links.
    #[serde(flatten)]
    pub links: LinkConfig,
    /// The keys of accounts.
    #[serde(flatten)]
    pub accounts: AccountsConfig,
    /// As configured. Read it through [`MsgServerConfig::public_address`].
    #[serde(rename = "LocalIP")]
    local_ip: Option<HostPort>,
    /// How often sessions are looked through for those that went silent.
    #[serde(deserialize_with = "units::time")]
    pub scan_dead_session_timeout: Duration,
    /// How long a session may be silent before it is ended.
    #[serde(deserialize_with = "units::time")]
    pub expire: Duration,
    /// How often this msg_server publishes its figures on `/sysctrl/monitor`.
    #[serde(deserialize_with = "units::time")]
    pub monitor_beat_time: Duration,
    /// How long an unanswered append waits before the client hears `maybe`.
    #[serde(deserialize_with = "units::time")]
    pub append_timeout: Duration,
    /// How long an old client is held that waits for a topic to exist, or for a manager.
    #[serde(deserialize_with = "units::time")]
    pub old_client_hold: Duration,
    /// The most bytes that wait for one session: what is durable is read again when it has room.
    pub session_queue_bytes: usize,
    /// How long a session may take nothing of what waits for it before it is ended.
    #[serde(deserialize_with = "units::time")]
    pub reader_timeout: Duration,
    /// The most bytes of unanswered appends that are kept for one connection before it is read no further.
    pub unanswered_bytes: usize,
    /// The most bytes of clients' frames that have begun and not ended, over all connections.
    pub unfinished_bytes: usize,
    /// How often, for each followed log, its owner is asked for what may have been missed.
    #[serde(deserialize_with = "units::time")]
    pub ask_interval: Duration,
    /// How long a version that arrived early waits for those before it.
    #[serde(deserialize_with = "units::time")]
    pub hole_wait: Duration,
}

impl MsgServerConfig {
    /// The address by which clients and other processes reach this msg_server, which is bound to `bound`:
    /// `LocalIP` with its port 0 made the bound one, or `bound` itself where there is no `LocalIP`.
    pub fn public_address(&self, bound: SocketAddr) -> HostPort {
        match &self.local_ip {
            None => bound.into(),
            Some(address) if address.port() == 0 => address.with_port(bound.port()),
            Some(address) => address.clone(),
        }
    }
}

impl RoleConfig for MsgServerConfig {
    const ROLE: Role = Role::MsgServer;

    fn process(&self) -> &ProcessConfig {
        &self.process
    }

    fn links(&self) -> &LinkConfig {
        &self.links
    }

    fn dial(&self) -> Option<&DialConfig> {
        None
    }

    fn accounts(&self) -> Option<&AccountsConfig> {
        Some(&self.accounts)
    }

    fn cross_check(&self, conflicts: &mut Conflicts<'_, '_>) {
        self.accounts.cross_check(conflicts);
        if self.local_ip.is_none() && self.process.listen.ip().is_unspecified() {
            conflicts.add(
                &["LocalIP", "Listen"],
                format!(
                    "is not set, and Listen ({}) is no address that a client can dial",
                    self.process.listen
                ),
                "set LocalIP to the host:port that clients and other processes reach this msg_server by",
            );
        }
        for (key, bytes) in
            [("SessionQueueBytes", self.session_queue_bytes), ("UnansweredBytes", self.unanswered_bytes)]
        {
            if bytes < self.process.max_frame_bytes {
                conflicts.add(
                    &[key, "MaxFrameBytes"],
                    format!("is {bytes}, too small for one frame of MaxFrameBytes"),
                    format!("write {} or more, or lower MaxFrameBytes", self.process.max_frame_bytes),
                );
            }
        }
    }
}
