//! The machine, as clients and other machines name it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use mesh::config::{AddressError, HostPort};
use thiserror::Error;

/// A host name or IP address, without a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host(HostPort);

/// Why a text is not the name of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HostError {
    /// It is neither an IP address nor a host name.
    #[error("is neither an IP address nor a host name")]
    NoHost(#[from] AddressError),
    /// It is 0.0.0.0 or `::`, which can be listened on but not dialled.
    #[error("is no address that anyone can dial")]
    Unspecified,
}

impl Host {
    /// Reads a name, an IPv4 address, or an IPv6 address with or without brackets.
    ///
    /// # Errors
    /// Where it is none of these, or stands for no single machine.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        let bare_ipv6 = text.parse::<Ipv6Addr>().is_ok();
        let address = if bare_ipv6 { format!("[{text}]:1") } else { format!("{text}:1") };
        let host = Self(address.parse()?);
        match host.0.ip() {
            Some(ip) if ip.is_unspecified() => Err(HostError::Unspecified),
            _ => Ok(host),
        }
    }

    /// This host with a port, as others dial it.
    pub fn at(&self, port: u16) -> HostPort {
        self.0.with_port(port)
    }

    /// Whether only this machine can dial it.
    pub fn is_loopback(&self) -> bool {
        self.0.is_loopback()
    }

    /// Where a process listens that is to be reached by this name: every address of this machine, unless the name
    /// is loopback's.
    pub fn listen_ip(&self) -> IpAddr {
        match self.0.ip() {
            Some(ip) if ip.is_loopback() => ip,
            Some(IpAddr::V6(_)) => Ipv6Addr::UNSPECIFIED.into(),
            _ if self.is_loopback() => Ipv4Addr::LOCALHOST.into(),
            _ => Ipv4Addr::UNSPECIFIED.into(),
        }
    }

    /// Whether a process of this machine can dial it at all: an address, or a name that resolves.
    pub fn resolves(&self) -> bool {
        (self.0.host(), 1).to_socket_addrs().is_ok_and(|mut found| found.next().is_some())
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.host())
    }
}

/// Where this machine itself dials a process that listens on `address`.
pub fn dialled_here(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_beyond_loopback_listens_everywhere() {
        for (host, address, listen) in [
            ("127.0.0.1", "127.0.0.1:7", "127.0.0.1"),
            ("localhost", "localhost:7", "127.0.0.1"),
            ("::1", "[::1]:7", "::1"),
            ("[fe80::1]", "[fe80::1]:7", "::"),
            ("192.168.1.7", "192.168.1.7:7", "0.0.0.0"),
            ("chat.example.org", "chat.example.org:7", "0.0.0.0"),
        ] {
            let parsed = Host::parse(host).unwrap();
            assert_eq!(parsed.at(7).to_string(), address);
            assert_eq!(parsed.listen_ip(), listen.parse::<IpAddr>().unwrap(), "{host}");
        }
        for text in ["a b", "chat:19000", "0.0.0.0", "::"] {
            assert!(Host::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_unspecified_address_is_dialled_on_loopback() {
        for (listen, dialled) in
            [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:2", "[::1]:2"), ("192.0.2.1:3", "192.0.2.1:3")]
        {
            assert_eq!(dialled_here(listen.parse().unwrap()), dialled.parse().unwrap());
        }
    }
}
