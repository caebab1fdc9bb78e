//! What does not go together although each key is right by itself.

use std::collections::BTreeMap;

use mesh::config::Conflicts;
use serde_json::{Map, Value};

use super::MeshFile;
use super::keys::DECIDED_HERE;
use crate::host::Host;

/// Takes down what does not go together in `mesh`, whose `Set` was written as `set`.
pub fn check(mesh: &MeshFile, set: &Map<String, Value>, conflicts: &mut Conflicts<'_, '_>) {
    if let Err(error) = Host::parse(&mesh.host) {
        let right = "write an IP address or a name, as \"192.168.1.7\" or \"chat.example.org\"";
        conflicts.add(&["Host"], format!("({:?}) {error}", mesh.host), right);
    }
    ports(mesh, conflicts);
    decided_here(set, conflicts);
}

fn ports(mesh: &MeshFile, conflicts: &mut Conflicts<'_, '_>) {
    for (keys, wrong, right) in port_clashes(mesh) {
        conflicts.add(&keys, wrong, right);
    }
}

/// The keys that lead to ports that cannot be had, what is wrong with that, and what would be right.
pub fn port_clashes(mesh: &MeshFile) -> Vec<(Vec<&'static str>, String, String)> {
    let mut taken = BTreeMap::new();
    let clash = |(key, first, count): (&'static str, u16, u16)| {
        let mut ports = (u32::from(first)..).take(usize::from(count)).filter(|_| first != 0);
        ports.find_map(|port| {
            if port > u32::from(u16::MAX) {
                let right = format!("write {} or less", u32::from(u16::MAX) + 1 - u32::from(count));
                return Some((vec![key], format!("leads to port {port}, beyond 65535"), right));
            }
            let other = taken.insert(port, key)?;
            let wrong = format!("leads to port {port}, which {other} leads to already");
            Some((vec![key, other], wrong, "give each process a port of its own".to_owned()))
        })
    };
    ranges(mesh).into_iter().filter_map(clash).collect()
}

/// Each key that takes ports, the first of them, and how many.
fn ranges(mesh: &MeshFile) -> [(&'static str, u16, u16); 6] {
    [
        ("GatewayPort", mesh.gateway_port, 1),
        ("MsgServerPort", mesh.msg_server_port, mesh.msg_servers),
        ("RouterPort", mesh.router_port, mesh.routers),
        ("ManagerPort", mesh.manager_port, 1),
        ("MonitorPort", mesh.monitor_port, mesh.monitors),
        ("WebListen", mesh.web_listen.port(), mesh.monitors),
    ]
}

fn decided_here(set: &Map<String, Value>, conflicts: &mut Conflicts<'_, '_>) {
    for (role, keys) in set {
        let has = |key: &str| keys.get(key).is_some();
        for (key, right) in DECIDED_HERE.iter().filter(|(key, _)| has(key)) {
            conflicts.add(&[&format!("Set.{role}.{key}")], "is decided by shoal", *right);
        }
    }
}
