//! Who is to sit where: the processes of a mesh file, before their ports are taken.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use mesh::config::{HostPort, Role};

use crate::host::{Host, HostError};
use crate::mesh_file::MeshFile;

/// The place of one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// What the process is.
    pub role: Role,
    /// Which of its role it is, from 0.
    pub index: u16,
    /// What it is called here.
    pub name: String,
    /// Where it listens; port 0 until one is taken.
    pub listen: SocketAddr,
    /// Where others reach it, with the port of `listen`.
    pub address: HostPort,
    /// Where it serves its page; port 0 until one is taken.
    pub web: Option<SocketAddr>,
    /// The key of the mesh file that its port is from.
    pub port_key: &'static str,
}

/// The seats of `mesh`, in the order in which they are shown.
///
/// # Errors
/// Where `Host` names no machine; never for a mesh file that was checked.
pub fn seats(mesh: &MeshFile) -> Result<Vec<Seat>, HostError> {
    let host = Host::parse(&mesh.host)?;
    let here = Place { ip: loopback_beside(&host), host: loopback_host(&host)? };
    let reached = Place { ip: host.listen_ip(), host };
    let rows = [
        (Role::Gateway, 1, mesh.gateway_port, "GatewayPort", &reached),
        (Role::MsgServer, mesh.msg_servers, mesh.msg_server_port, "MsgServerPort", &reached),
        (Role::Router, mesh.routers, mesh.router_port, "RouterPort", &here),
        (Role::Manager, 1, mesh.manager_port, "ManagerPort", &here),
        (Role::Monitor, mesh.monitors, mesh.monitor_port, "MonitorPort", &here),
    ];
    let seat = |(role, count, first, port_key, place): (Role, u16, u16, _, &Place)| {
        let of_one = move |index: u16| {
            let port = if first == 0 { 0 } else { first.saturating_add(index) };
            (index, name(role, index, count), port)
        };
        let seats = (0..count).map(of_one).map(|(index, name, port)| Seat {
            role,
            index,
            name,
            listen: SocketAddr::new(place.ip, port),
            address: place.host.at(port),
            web: (role == Role::Monitor).then_some(mesh.web_listen),
            port_key,
        });
        seats.collect::<Vec<_>>()
    };
    Ok(rows.into_iter().flat_map(seat).collect())
}

impl Seat {
    /// Takes `port`.
    pub fn set_port(&mut self, port: u16) {
        self.listen.set_port(port);
        self.address = self.address.with_port(port);
    }
}

struct Place {
    ip: IpAddr,
    host: Host,
}

/// Routers, managers and monitors dial; nobody but this machine's health checks dials them.
fn loopback_beside(host: &Host) -> IpAddr {
    if host.is_loopback() { host.listen_ip() } else { Ipv4Addr::LOCALHOST.into() }
}

fn loopback_host(host: &Host) -> Result<Host, HostError> {
    if host.is_loopback() { Ok(host.clone()) } else { Host::parse("127.0.0.1") }
}

fn name(role: Role, index: u16, count: u16) -> String {
    if count == 1 && role != Role::MsgServer { role.to_string() } else { format!("{role}.{}", index + 1) }
}
