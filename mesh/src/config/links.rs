//! What the links between processes need: the secret, the queues, and whom to dial.

use std::time::Duration;

use serde::Deserialize;

use super::address::HostPort;
use super::live::Live;
use super::secret::Secret;
use super::units;
use crate::tls::Authority;

/// The keys of whoever takes part in links, on either end.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct LinkConfig {
    /// What both ends of a link prove to know, from `MeshSecret` or `MeshSecretFile`; without it only loopback
    /// may link.
    pub mesh_secret: Option<Secret>,
    /// The most bytes that wait for one link; a link whose queue overflows is closed.
    pub link_queue_bytes: usize,
}

/// The keys of the processes that dial the msg_servers: all but the msg_server itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DialConfig {
    /// The name by which the msg_servers know this process; no two processes of one role may share it.
    #[serde(rename = "UUID")]
    pub uuid: String,
    /// The msg_servers to link to; SIGHUP changes it.
    pub msg_server_list: Live<Vec<HostPort>>,
    /// Whom links believe; without one they are plain.
    #[serde(flatten)]
    pub authority: Authority,
    /// How often this process reports its figures.
    #[serde(deserialize_with = "units::time")]
    pub beat_time: Duration,
}
