//! The config files: one JSON object per process, checked against one table of keys.
//!
//! Invariants:
//! - a key is described once, in [`table`]: its check, the "did you mean" hint, the list in `--help` and
//!   `docs/configuration.md` are all made from its row;
//! - every mistake of a file is in one message, with line, column and what would be right;
//! - files from the field load as they are: keys that no longer mean anything are accepted and named;
//! - past [`RoleConfig::load`] nothing is checked again: values are types, times are [`Duration`]s.
//!
//! [`Duration`]: std::time::Duration

mod accounts;
mod address;
mod check;
pub mod describe;
#[cfg(test)]
mod document;
mod gateway;
mod jwt_keys;
mod keys;
mod links;
mod live;
mod load;
mod log_level;
mod manager;
mod mistake;
mod monitor;
mod msg_server;
mod other_file;
mod process;
mod role;
mod router;
mod secret;
mod suggest;
mod syntax;
pub mod table;
mod units;
mod value;

pub use accounts::{AccountsConfig, Registration};
pub use address::{AddressError, HostPort};
pub use check::IgnoredKey;
pub use gateway::GatewayConfig;
pub use jwt_keys::{JwtAlgorithm, JwtKey, JwtKeys, JwtKeysError, JwtMaterial};
pub use keys::{Fallback, Fate, Key, Kind, Roles, TimeUnit};
pub use links::{DialConfig, LinkConfig};
pub use live::Live;
pub use load::{Loaded, RoleConfig};
pub use log_level::{LogLevel, LogLevelError};
pub use manager::{ManagerConfig, StoreConfig};
pub use mistake::{ConfigError, Conflicts, Mistake};
pub use monitor::MonitorConfig;
pub use msg_server::MsgServerConfig;
pub use other_file::parse_keys;
pub use process::{AuthMode, LogFormat, ProcessConfig};
pub use role::Role;
pub use router::RouterConfig;
pub(crate) use secret::OTHERS;
pub use secret::{Secret, SecretFileError};
