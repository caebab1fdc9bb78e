//! Taking ports before anything is started: free ones where 0 is asked for, and all that are taken named at once.

mod owner;

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};

use thiserror::Error;

use crate::plan::Seat;
use owner::Owner;

pub use owner::command_of;

/// Why one address cannot be had.
#[derive(Debug)]
pub struct Taken {
    /// The process that was to listen there.
    name: String,
    /// The key of the mesh file that the port is from.
    key: &'static str,
    /// The address.
    address: SocketAddr,
    /// What the system said.
    cause: io::Error,
    /// Who listens there, where that can be told.
    owner: Option<Owner>,
}

/// Some addresses cannot be had: nothing was started.
#[derive(Debug, Error)]
#[error("{}", list(.0))]
pub struct PortsTaken(pub Vec<Taken>);

/// Holds a port for every seat, chosen where it is 0, and lets go of them all.
///
/// # Errors
/// Every address that cannot be had.
pub fn take(seats: &mut [Seat]) -> Result<(), PortsTaken> {
    let mut held = Holding::default();
    // Those that are named first, so that none of them is chosen for another.
    for named in [true, false] {
        for seat in seats.iter_mut() {
            if (seat.listen.port() != 0) == named {
                let port = held.hold(&seat.name, seat.port_key, seat.listen);
                seat.set_port(port);
            }
            if let Some(web) = seat.web.as_mut().filter(|web| (web.port() != 0) == named) {
                web.set_port(held.hold(&seat.name, "WebListen", *web));
            }
        }
    }
    if held.taken.is_empty() { Ok(()) } else { Err(PortsTaken(held.taken)) }
}

#[derive(Default)]
struct Holding {
    listeners: Vec<TcpListener>,
    taken: Vec<Taken>,
}

impl Holding {
    /// Holds `address`; gives the port that it got, or its own where it cannot be had.
    fn hold(&mut self, name: &str, key: &'static str, address: SocketAddr) -> u16 {
        match TcpListener::bind(address).and_then(|listener| Ok((listener.local_addr()?.port(), listener))) {
            Ok((port, listener)) => {
                self.listeners.push(listener);
                port
            }
            Err(cause) => {
                let owner =
                    (cause.kind() == io::ErrorKind::AddrInUse).then(|| owner::of(address.port())).flatten();
                self.taken.push(Taken { name: name.to_owned(), key, address, cause, owner });
                address.port()
            }
        }
    }
}

fn list(taken: &[Taken]) -> String {
    let lines: String = taken.iter().map(|one| format!("\n  {one}")).collect();
    format!(
        "nothing was started, for these addresses cannot be had:{lines}\n\
         end what listens there, or move this mesh: `--port-offset 100` adds 100 to every port, `--free-ports` takes \
         free ones, and the keys above set single ones in a mesh file"
    )
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, key, address, cause, owner } = self;
        write!(f, "{address} for {name} ({key}): ")?;
        match (cause.kind(), owner) {
            (io::ErrorKind::AddrInUse, Some(owner)) => write!(f, "taken by {owner}"),
            (io::ErrorKind::AddrInUse, None) => {
                let port = address.port();
                write!(f, "taken; `ss -ltnp 'sport = :{port}'`, as root, shows by whom")
            }
            (io::ErrorKind::AddrNotAvailable, _) => write!(f, "this machine has no such address"),
            (io::ErrorKind::PermissionDenied, _) => {
                write!(f, "this user may not listen there; take a port of 1024 or more")
            }
            _ => write!(f, "{cause}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh_file::MeshFile;
    use crate::plan::seats;

    #[test]
    fn free_ports_are_all_different() {
        let mut mesh = MeshFile::default_mesh().unwrap();
        mesh.take_free_ports();
        let mut seats = seats(&mesh).unwrap();
        take(&mut seats).unwrap();
        let mut ports: Vec<_> = seats.iter().map(|seat| seat.listen.port()).collect();
        ports.extend(seats.iter().filter_map(|seat| seat.web).map(|web| web.port()));
        assert!(!ports.contains(&0), "{ports:?}");
        let count = ports.len();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), count);
        assert!(seats.iter().all(|seat| seat.address.port() == seat.listen.port()));
    }

    #[test]
    fn every_taken_port_is_named_with_its_owner_and_what_to_do() {
        let others = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = others.each_ref().map(|other| other.local_addr().unwrap().port());
        let mut mesh = MeshFile::default_mesh().unwrap();
        mesh.take_free_ports();
        (mesh.gateway_port, mesh.manager_port) = (ports[0], ports[1]);
        let message = take(&mut seats(&mesh).unwrap()).unwrap_err().to_string();
        for part in [
            format!("127.0.0.1:{} for gateway (GatewayPort): taken", ports[0]),
            format!("127.0.0.1:{} for manager (ManagerPort): taken", ports[1]),
            "--port-offset 100".to_owned(),
        ] {
            assert!(message.contains(&part), "{part} is not in {message}");
        }
        if cfg!(target_os = "linux") {
            assert!(message.contains(&format!("taken by pid {} (", std::process::id())), "{message}");
        }
    }
}
