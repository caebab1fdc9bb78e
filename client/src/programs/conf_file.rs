//! The client's configuration file, as clients in the field have it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value};

/// What of a configuration file matters to these programs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfFile {
    /// `GatewayServer`: host and port.
    pub gateway: Option<String>,
    /// `HeartBeatTime`: between two pings.
    pub heartbeat: Option<Duration>,
    /// `Expire`: a silence of this length is a dead connection.
    pub expire: Option<Duration>,
}

/// Why a configuration file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum ConfError {
    /// It cannot be read.
    #[error("cannot read {}: {cause}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// It is no JSON object.
    #[error("{}: {cause}", path.display())]
    Json {
        /// Which file.
        path: PathBuf,
        /// What is wrong, and where.
        cause: serde_json::Error,
    },
    /// A key's value is not what it has to be.
    #[error("{}: {key} has to be {wanted}, for example {example}", path.display())]
    Value {
        /// Which file.
        path: PathBuf,
        /// Which key.
        key: &'static str,
        /// What would be right.
        wanted: &'static str,
        /// Such a value.
        example: &'static str,
    },
}

impl ConfFile {
    /// Reads a file. Keys that mean nothing to these programs are named in a debug line, and passed over.
    ///
    /// # Errors
    /// [`ConfError`] names the file, and what would be right.
    pub fn load(path: &Path) -> Result<Self, ConfError> {
        let text = std::fs::read_to_string(path)
            .map_err(|cause| ConfError::Read { path: path.to_owned(), cause })?;
        let keys: Map<String, Value> =
            serde_json::from_str(&text).map_err(|cause| ConfError::Json { path: path.to_owned(), cause })?;
        for key in keys.keys() {
            if !["GatewayServer", "HeartBeatTime", "Expire"].contains(&key.as_str()) {
                tracing::debug!(key, "this key means nothing to this program");
            }
        }
        let value = |key, wanted, example| ConfError::Value { path: path.to_owned(), key, wanted, example };
        let seconds = |key| match keys.get(key) {
            None => Ok(None),
            Some(number) => match number.as_u64() {
                Some(seconds @ 1..=86_400) => Ok(Some(Duration::from_secs(seconds))),
                _ => Err(value(key, "a number of seconds from 1 to 86400", "20")),
            },
        };
        let gateway = match keys.get("GatewayServer") {
            None => None,
            Some(Value::String(address)) if address.contains(':') => Some(address.clone()),
            Some(_) => return Err(value("GatewayServer", "host and port", "\"127.0.0.1:17000\"")),
        };
        Ok(Self { gateway, heartbeat: seconds("HeartBeatTime")?, expire: seconds("Expire")? })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn load(text: &str) -> Result<ConfFile, ConfError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        ConfFile::load(file.path())
    }

    #[test]
    fn a_file_of_the_field_is_taken() {
        let loaded = load(
            r#"{"TransportProtocols":"tcp","GatewayServer":"127.0.0.1:17000","LogFile":"client.log","HeartBeatTime":20,"Expire":40}"#,
        );
        let want = ConfFile {
            gateway: Some("127.0.0.1:17000".into()),
            heartbeat: Some(Duration::from_secs(20)),
            expire: Some(Duration::from_secs(40)),
        };
        assert_eq!(loaded.unwrap(), want);
        assert_eq!(load("{}").unwrap(), ConfFile::default());
    }

    #[test]
    fn a_wrong_value_is_named_with_what_would_be_right() {
        for (text, wanted) in [
            (r#"{"GatewayServer":17000}"#, "GatewayServer has to be host and port"),
            (r#"{"GatewayServer":"here"}"#, "GatewayServer has to be host and port"),
            (r#"{"HeartBeatTime":0}"#, "HeartBeatTime has to be a number of seconds"),
            (r#"{"Expire":"40"}"#, "Expire has to be a number of seconds"),
            ("{", "line 1"),
        ] {
            let error = load(text).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
        assert!(ConfFile::load(Path::new("/nowhere/client.json")).is_err());
    }
}
