//! The processes of a mesh, by name.

use std::fmt;

/// A kind of process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Tells clients where to connect.
    Gateway,
    /// Holds clients.
    MsgServer,
    /// Forwards between msg_servers.
    Router,
    /// Owns the logs.
    Manager,
    /// Watches.
    Monitor,
}

impl Role {
    /// Every role; msg_servers first, because all others dial them.
    pub const ALL: [Self; 5] = [Self::MsgServer, Self::Manager, Self::Router, Self::Gateway, Self::Monitor];

    /// The name of the role's program.
    pub const fn program(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::MsgServer => "msg_server",
            Self::Router => "router",
            Self::Manager => "manager",
            Self::Monitor => "monitor",
        }
    }
}

/// One process of a mesh: its role, and which of that role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// The gateway of this index.
    Gateway(usize),
    /// The msg_server of this index.
    MsgServer(usize),
    /// The router of this index.
    Router(usize),
    /// The manager of this index.
    Manager(usize),
    /// The monitor.
    Monitor,
}

impl Part {
    /// The process of `role` with this index.
    pub const fn of(role: Role, index: usize) -> Self {
        match role {
            Role::Gateway => Self::Gateway(index),
            Role::MsgServer => Self::MsgServer(index),
            Role::Router => Self::Router(index),
            Role::Manager => Self::Manager(index),
            Role::Monitor => Self::Monitor,
        }
    }

    /// What it is.
    pub const fn role(self) -> Role {
        match self {
            Self::Gateway(_) => Role::Gateway,
            Self::MsgServer(_) => Role::MsgServer,
            Self::Router(_) => Role::Router,
            Self::Manager(_) => Role::Manager,
            Self::Monitor => Role::Monitor,
        }
    }

    /// Which of its role it is.
    pub const fn index(self) -> usize {
        match self {
            Self::Gateway(index) | Self::MsgServer(index) | Self::Router(index) | Self::Manager(index) => {
                index
            }
            Self::Monitor => 0,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.role().program(), self.index())
    }
}
