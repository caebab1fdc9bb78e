//! From a file to a config.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::accounts::AccountsConfig;
use super::check::{Check, IgnoredKey};
use super::keys::Fate;
use super::links::{DialConfig, LinkConfig};
use super::mistake::{ConfigError, Conflicts, Wrong};
use super::process::ProcessConfig;
use super::role::Role;
use super::table;

/// The config of one kind of process.
pub trait RoleConfig: DeserializeOwned + Clone + fmt::Debug + Send + Sync + 'static {
    /// Whose config it is.
    const ROLE: Role;

    /// The keys of every process.
    fn process(&self) -> &ProcessConfig;

    /// The keys of links.
    fn links(&self) -> &LinkConfig;

    /// The keys of whoever dials msg_servers; `None` for the msg_server itself.
    fn dial(&self) -> Option<&DialConfig>;

    /// Where a web page is served, for whoever serves one.
    fn web_listen(&self) -> Option<SocketAddr> {
        None
    }

    /// The keys of accounts, for whoever logs clients in.
    fn accounts(&self) -> Option<&AccountsConfig> {
        None
    }

    /// Takes down which values do not go together although each is right by itself.
    fn cross_check(&self, _conflicts: &mut Conflicts<'_, '_>) {}

    /// Reads `file`.
    ///
    /// # Errors
    /// Where it is missing, cannot be read, or has mistakes: then all of them.
    fn load(file: &Path) -> Result<Loaded<Self>, ConfigError> {
        let text = std::fs::read_to_string(file).map_err(|cause| match cause.kind() {
            std::io::ErrorKind::NotFound => ConfigError::Missing { file: file.to_owned() },
            _ => ConfigError::Unreadable { file: file.to_owned(), cause },
        })?;
        Self::parse(&text, &file.display().to_string())
    }

    /// Reads `text`, which messages call `file`.
    ///
    /// # Errors
    /// All mistakes, where there are any.
    fn parse(text: &str, file: &str) -> Result<Loaded<Self>, ConfigError> {
        let mut check = Check::new(text, Self::ROLE);
        let mut values = check.file();
        merge_secret(&mut values, &mut check);
        let fingerprints = fingerprints(&values);
        let config = into_config::<Self>(values, &mut check);
        let ignored = std::mem::take(&mut check.ignored);
        match (check.into_mistakes(), config) {
            (mistakes, Some(config)) if mistakes.is_empty() => Ok(Loaded { config, ignored, fingerprints }),
            (mistakes, _) => Err(ConfigError::Mistakes { file: file.to_owned(), mistakes }),
        }
    }
}

/// A config, and what else its file said.
#[derive(Debug, Clone)]
pub struct Loaded<C> {
    /// The config.
    pub config: C,
    /// The keys that were accepted and ignored.
    pub ignored: Vec<IgnoredKey>,
    /// A hash of each value: tells what changed without keeping any secret.
    fingerprints: BTreeMap<String, u64>,
}

impl<C: RoleConfig> Loaded<C> {
    /// The keys that differ in `newer` and that only a restart brings into force.
    pub fn needs_restart(&self, newer: &Self) -> Vec<&'static str> {
        table::keys_of(C::ROLE)
            .filter(|key| key.fate == Fate::AtStart)
            .filter(|key| self.fingerprints.get(key.name) != newer.fingerprints.get(key.name))
            .map(|key| key.name)
            .collect()
    }
}

/// Makes a secret from a file the one secret there is.
fn merge_secret(values: &mut Map<String, Value>, check: &mut Check<'_>) {
    let from_file = values.remove("MeshSecretFile").filter(|value| !value.is_null());
    let Some(from_file) = from_file else { return };
    let slot = values.entry("MeshSecret").or_insert(Value::Null);
    if slot.is_null() {
        *slot = from_file;
    } else {
        let wrong = Wrong::new("and MeshSecret are both there", "keep one of them");
        check.conflict(&["MeshSecretFile"], wrong);
    }
}

fn into_config<C: RoleConfig>(values: Map<String, Value>, check: &mut Check<'_>) -> Option<C> {
    match serde_json::from_value::<C>(values.into()) {
        Ok(config) => {
            load_tls(&config, check);
            config.cross_check(&mut Conflicts::new(check));
            Some(config)
        }
        // The table and the structs disagree: a mistake of ours, which the tests of this module would show.
        Err(error) => {
            check.conflict(&[], Wrong::new(format!("does not fit: {error}"), "please report this"));
            None
        }
    }
}

/// Reads the files that the config names: what is bad in them is a mistake of the config.
fn load_tls<C: RoleConfig>(config: &C, check: &mut Check<'_>) {
    let certificate = config.process().certificate.load();
    let authority = config.dial().map_or(Ok(()), |dial| dial.authority.load());
    for error in [certificate, authority].into_iter().filter_map(Result::err) {
        let wrong = format!("({:?}) {}", error.file, error.problem);
        check.conflict(&[error.key], Wrong::new(wrong, error.advice()));
    }
}

fn fingerprints(values: &Map<String, Value>) -> BTreeMap<String, u64> {
    let hash = |value: &Value| {
        let mut hasher = DefaultHasher::new();
        value.to_string().hash(&mut hasher);
        hasher.finish()
    };
    values.iter().map(|(name, value)| (name.clone(), hash(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{GatewayConfig, ManagerConfig, MonitorConfig, MsgServerConfig, RouterConfig};

    fn defaults<C: RoleConfig>() -> Map<String, Value> {
        let mut values = Check::new("{}", C::ROLE).file();
        values.remove("MeshSecretFile");
        values
    }

    /// A key that a struct does not read would be accepted from the file and then do nothing.
    fn reads_every_key<C: RoleConfig>() {
        serde_json::from_value::<C>(defaults::<C>().into()).unwrap();
        for name in defaults::<C>().keys() {
            let mut values = defaults::<C>();
            values.insert(name.clone(), serde_json::json!({ "no": "value" }));
            assert!(
                serde_json::from_value::<C>(values.into()).is_err(),
                "nothing reads {name} of {}",
                C::ROLE
            );
        }
    }

    #[test]
    fn every_key_of_the_table_is_read_into_its_struct() {
        reads_every_key::<GatewayConfig>();
        reads_every_key::<MsgServerConfig>();
        reads_every_key::<RouterConfig>();
        reads_every_key::<ManagerConfig>();
        reads_every_key::<MonitorConfig>();
    }

    #[test]
    fn an_empty_object_is_a_config_of_every_role() {
        let config = MsgServerConfig::parse("{}", "f").unwrap().config;
        let bound = "127.0.0.1:4711".parse().unwrap();
        assert_eq!(config.public_address(bound).to_string(), "127.0.0.1:4711");
        assert_eq!(config.process.drain.as_secs(), 10);
        assert_eq!(config.process.max_connections_per_address, 20_000);
        assert_eq!((config.hole_wait.as_millis(), config.ask_interval.as_secs()), (50, 60));
        let half = ManagerConfig::parse(r#"{"RetentionDays":0.5,"DedupeDays":0}"#, "f").unwrap().config;
        assert_eq!((half.retention.map(|time| time.as_secs()), half.dedupe), (Some(43_200), None));
        let manager = ManagerConfig::parse(r#"{"RetentionDays":2}"#, "f").unwrap().config;
        assert_eq!((manager.retention.map(|time| time.as_secs()), manager.dedupe), (Some(172_800), None));
    }

    #[test]
    fn the_port_that_was_bound_stands_in_for_port_0_of_local_ip() {
        let text = r#"{"Listen":"0.0.0.0:0","LocalIP":"chat.example.org:0","MaxConnectionsPerAddress":0}"#;
        let config = MsgServerConfig::parse(text, "f").unwrap().config;
        let bound = "0.0.0.0:4711".parse().unwrap();
        assert_eq!(config.public_address(bound).to_string(), "chat.example.org:4711");
        assert_eq!(config.process.max_connections_per_address, usize::MAX);
    }

    #[test]
    fn times_may_be_parts_of_a_second() {
        let config = MsgServerConfig::parse(r#"{"LoginTimeout":0.25,"HoleWait":7.6}"#, "f").unwrap().config;
        assert_eq!((config.process.login_timeout.as_millis(), config.hole_wait.as_millis()), (250, 8));
    }
}
