//! The processes of a mesh, and its clients.

use std::fmt;

/// A process, or a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Node {
    /// A msg_server.
    MsgServer(u8),
    /// A router.
    Router(u8),
    /// A manager.
    Manager(u8),
    /// A client.
    Client(u8),
}

impl Node {
    /// Its configured `UUID`: survives restarts.
    pub fn uuid(self) -> String {
        match self {
            Self::MsgServer(number) => format!("{}", 19000 + u16::from(number)),
            Self::Router(number) => format!("{}", 20000 + u16::from(number)),
            Self::Manager(number) => format!("{}", 18000 + u16::from(number)),
            Self::Client(number) => format!("client {number}"),
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MsgServer(number) => write!(f, "S{number}"),
            Self::Router(number) => write!(f, "R{number}"),
            Self::Manager(number) => write!(f, "M{number}"),
            Self::Client(number) => write!(f, "C{number}"),
        }
    }
}
