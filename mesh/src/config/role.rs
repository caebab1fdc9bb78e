//! The five kinds of process, and what is fixed about each.

use std::fmt;

/// A kind of process of the mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Answers a client with the address of a msg_server.
    Gateway,
    /// Holds client connections.
    MsgServer,
    /// Forwards between msg_servers.
    Router,
    /// Owns logs.
    Manager,
    /// Collects what all of them report.
    Monitor,
}

impl Role {
    /// Every role, in the order in which the documentation shows them.
    pub const ALL: [Self; 5] = [Self::Gateway, Self::MsgServer, Self::Router, Self::Manager, Self::Monitor];

    /// The name of the role's program, which is also the stem of its default config file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::MsgServer => "msg_server",
            Self::Router => "router",
            Self::Manager => "manager",
            Self::Monitor => "monitor",
        }
    }

    /// The TCP port that the role listens on where its config names none.
    pub const fn port(self) -> u16 {
        match self {
            Self::Gateway => 17000,
            Self::MsgServer => 19000,
            Self::Router => 20000,
            Self::Manager => 18000,
            Self::Monitor => 21000,
        }
    }

    /// One sentence on what the role does, for `--help` and the documentation.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Gateway => {
                "Tells a client which msg_server to connect to: a live one, the less loaded of two."
            }
            Self::MsgServer => "Holds client connections, takes their messages and delivers to them.",
            Self::Router => "Knows which msg_server holds which user and topic, and forwards between them.",
            Self::Manager => "Owns the logs: gives versions, stores messages, answers reads.",
            Self::Monitor => "Collects what every process reports, and shows it on a web page.",
        }
    }

    /// What whoever reaches the `Listen` port can do while `AuthMode` is `open`.
    pub const fn open_means(self) -> &'static str {
        match self {
            Self::Gateway => "whoever reaches it is told where the msg_servers are",
            Self::MsgServer => {
                "whoever reaches it is whom they say they are, and can read and send as any user"
            }
            Self::Router | Self::Manager | Self::Monitor => "whoever reaches it can read its health",
        }
    }

    pub(super) const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
