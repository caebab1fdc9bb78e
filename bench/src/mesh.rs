//! The mesh under load: an own one of release programs, or one that runs already.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use testbed::{Mesh, Part, Role};

use crate::options::Options;
use crate::proc::{self, Usage};

/// A mesh, and what is known of its processes.
pub struct Target {
    own: Option<Mesh>,
    gateway: SocketAddr,
}

/// Usage of each process of an own mesh, and of this load tool, at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// By process.
    pub processes: BTreeMap<Part, Usage>,
    /// This tool.
    pub tool: Usage,
}

impl Target {
    /// Starts a mesh, or takes the one behind the gateway that was named.
    pub async fn start(options: &Options) -> Self {
        if let Some(gateway) = options.gateway {
            return Self { own: None, gateway };
        }
        // The processes' own defaults: figures are to be those of a mesh that people run.
        let mesh = Mesh::builder()
            .msg_servers(options.msg_servers)
            .routers(options.routers)
            .set(Role::Manager, "Store", json!({"Kind": "embedded", "Path": "store"}))
            .set_all("MonitorBeatTime", json!(null))
            .set_all("BeatTime", json!(null))
            .start()
            .await;
        let gateway = mesh.gateway_addr();
        Self { own: Some(mesh), gateway }
    }

    /// Where a session of this msg_server has to connect; `None`: where the gateway says.
    pub fn server(&self, index: usize) -> Option<SocketAddr> {
        self.own.as_ref().map(|mesh| mesh.msg_server_addr(index))
    }

    /// Where the gateway listens.
    pub fn gateway(&self) -> SocketAddr {
        self.gateway
    }

    /// The process ids of an own mesh.
    pub fn pids(&self) -> Vec<(Part, u32)> {
        let own = self.own.as_ref();
        own.map(|mesh| mesh.parts().map(|part| (part, mesh.pid(part))).collect()).unwrap_or_default()
    }

    /// What every process has used so far.
    pub fn usage(&self) -> Snapshot {
        let of = |(part, pid)| Some((part, proc::usage(pid)?));
        Snapshot {
            processes: self.pids().into_iter().filter_map(of).collect(),
            tool: proc::usage(std::process::id()).unwrap_or_default(),
        }
    }
}

impl Snapshot {
    /// CPU time since `earlier`, by role.
    pub fn cpu_since(&self, earlier: &Self) -> BTreeMap<&'static str, Duration> {
        let mut by_role = BTreeMap::new();
        for (part, usage) in &self.processes {
            let before = earlier.processes.get(part).copied().unwrap_or_default();
            *by_role.entry(part.role().program()).or_default() += usage.cpu.saturating_sub(before.cpu);
        }
        by_role
    }
}
