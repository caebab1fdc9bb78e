//! Taking a port, and what to say where it cannot be had.

use std::io;
use std::net::SocketAddr;

use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket};

/// How many connections the kernel holds that are not accepted yet; a start of thousands of clients at once fits.
const BACKLOG: u32 = 4096;

/// Why an address cannot be listened on.
#[derive(Debug, Error)]
pub enum BindError {
    /// Somebody else listens there.
    #[error(
        "{key}: port {} of {} is taken by another process; end that one (`ss -ltnp 'sport = :{0}'` shows it), \
         or set {key} to another port; port 0 takes a free one",
        address.port(),
        address.ip()
    )]
    Taken {
        /// The key that names the address.
        key: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// The system keeps this port to the privileged.
    #[error("{key}: this user may not listen on {address}; set {key} to a port of 1024 or more")]
    Forbidden {
        /// The key that names the address.
        key: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// The address is another machine's.
    #[error("{key}: this machine has no address {}; `ip address` lists those that it has", address.ip())]
    NotHere {
        /// The key that names the address.
        key: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// Anything else.
    #[error("{key}: cannot listen on {address}: {cause}")]
    Other {
        /// The key that names the address.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
}

/// Listens on `address`, which the config calls `key`. To be called within a runtime.
///
/// # Errors
/// Where the address cannot be had; the message says what to do.
pub fn bind(address: SocketAddr, key: &'static str) -> Result<TcpListener, BindError> {
    listen(address).map_err(|cause| match cause.kind() {
        io::ErrorKind::AddrInUse => BindError::Taken { key, address },
        io::ErrorKind::PermissionDenied => BindError::Forbidden { key, address },
        io::ErrorKind::AddrNotAvailable => BindError::NotHere { key, address },
        _ => BindError::Other { key, address, cause },
    })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A process that is started again takes its port although connections of the last one linger.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_named_with_what_to_do() {
        let first = bind("127.0.0.1:0".parse().unwrap(), "Listen").unwrap();
        let address = first.local_addr().unwrap();
        let error = bind(address, "WebListen").unwrap_err().to_string();
        let port = address.port();
        assert!(error.starts_with(&format!("WebListen: port {port} of 127.0.0.1 is taken")), "{error}");
        assert!(error.contains(&format!("sport = :{port}'")), "{error}");
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_told_as_such() {
        let error = bind("192.0.2.1:0".parse().unwrap(), "Listen").unwrap_err();
        assert!(matches!(error, BindError::NotHere { .. }), "{error}");
    }
}
