//! `host:port`, as clients and other processes dial it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest host name that DNS can carry, in bytes.
const HOST_NAME_LIMIT: usize = 253;

/// Where a process is reached: a host name or an IP address, and a port.
///
/// Its text form comes out byte for byte as it went in: old clients compare addresses as text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPort {
    host: String,
    port: u16,
}

/// Why a text is not a `host:port`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AddressError {
    /// Nothing after the host says which port.
    #[error("has no port")]
    NoPort,
    /// Nothing stands before the colon.
    #[error("has no host")]
    NoHost,
    /// The port is not a number from 0 to 65535.
    #[error("has a port that is not a number from 0 to 65535")]
    BadPort,
    /// The host is neither an IP address nor a possible host name.
    #[error("has a host that is neither an IP address nor a host name")]
    BadHost,
    /// An IPv6 address without brackets: where its port begins cannot be told.
    #[error("is an IPv6 address without brackets")]
    BareIpv6,
}

impl HostPort {
    /// The host name or IP address; an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port; 0 only in a `LocalIP`, where it stands for the port that was bound.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The same host with another port.
    pub fn with_port(&self, port: u16) -> Self {
        Self { host: self.host.clone(), port }
    }

    /// The IP address, where the host is one.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host().parse().ok()
    }

    /// Whether this is this machine for certain: a loopback address, or `localhost`.
    pub fn is_loopback(&self) -> bool {
        self.ip().map_or_else(|| self.host.eq_ignore_ascii_case("localhost"), |ip| ip.is_loopback())
    }
}

impl FromStr for HostPort {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.parse::<Ipv6Addr>().is_ok() {
            return Err(AddressError::BareIpv6);
        }
        let (host, port) = text.rsplit_once(':').ok_or(AddressError::NoPort)?;
        check_host(host)?;
        Ok(Self { host: host.to_owned(), port: parse_port(port)? })
    }
}

fn check_host(host: &str) -> Result<(), AddressError> {
    if host.is_empty() {
        return Err(AddressError::NoHost);
    }
    if let Some(inner) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return inner.parse::<Ipv6Addr>().map(|_| ()).map_err(|_| AddressError::BadHost);
    }
    if host.contains(':') {
        return Err(AddressError::BareIpv6);
    }
    if host.parse::<Ipv4Addr>().is_ok() || is_host_name(host) {
        return Ok(());
    }
    Err(AddressError::BadHost)
}

/// Digits and dots alone are a mistyped IPv4 address, never a name.
fn is_host_name(host: &str) -> bool {
    let label_is_good = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    host.len() <= HOST_NAME_LIMIT
        && host.split('.').all(label_is_good)
        && host.bytes().any(|b| !b.is_ascii_digit() && b != b'.')
}

/// Digits without a leading zero or sign, so that the text form is the only one.
fn parse_port(port: &str) -> Result<u16, AddressError> {
    if port.is_empty() {
        return Err(AddressError::NoPort);
    }
    let plain = port == "0" || !port.starts_with(['0', '+']);
    port.parse().ok().filter(|_| plain).ok_or(AddressError::BadPort)
}

impl From<SocketAddr> for HostPort {
    fn from(address: SocketAddr) -> Self {
        let host = match address.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        Self { host, port: address.port() }
    }
}

impl TryFrom<String> for HostPort {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<HostPort> for String {
    fn from(address: HostPort) -> Self {
        address.to_string()
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_comes_out_as_it_went_in() {
        for text in ["127.0.0.1:19000", "[::1]:1", "[0:0::1]:65535", "Chat-1.example.org:80", "localhost:0"] {
            assert_eq!(text.parse::<HostPort>().unwrap().to_string(), text);
        }
        assert_eq!("[::1]:7".parse::<HostPort>().unwrap().host(), "::1");
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_reason() {
        for (text, error) in [
            ("", AddressError::NoPort),
            ("127.0.0.1", AddressError::NoPort),
            ("127.0.0.1:", AddressError::NoPort),
            (":17000", AddressError::NoHost),
            ("127.0.0.1:70000", AddressError::BadPort),
            ("127.0.0.1:http", AddressError::BadPort),
            ("host:-1", AddressError::BadPort),
            ("host:+1", AddressError::BadPort),
            ("host:017", AddressError::BadPort),
            ("::1", AddressError::BareIpv6),
            ("fe80::1:zz:9", AddressError::BareIpv6),
            ("[::g]:1", AddressError::BadHost),
            ("300.0.0.1:1", AddressError::BadHost),
            ("http://host:1", AddressError::BareIpv6),
            ("a b:1", AddressError::BadHost),
            ("a..b:1", AddressError::BadHost),
        ] {
            assert_eq!(text.parse::<HostPort>(), Err(error), "{text:?}");
        }
    }

    #[test]
    fn loopback_is_told_from_the_world() {
        for (text, loopback) in [
            ("127.9.9.9:1", true),
            ("[::1]:1", true),
            ("LocalHost:1", true),
            ("0.0.0.0:1", false),
            ("chat:1", false),
        ] {
            assert_eq!(text.parse::<HostPort>().unwrap().is_loopback(), loopback, "{text}");
        }
    }
}
