//! The mesh file: one JSON object that says which processes a mesh has, and where.

mod cross_check;
mod keys;

use std::path::{Path, PathBuf};
use std::time::Duration;

use mesh::config::{ConfigError, Role, describe, parse_keys, table};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

pub use keys::MOST_OF_A_ROLE;

/// What a mesh file says, with defaults for what it does not say.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct MeshFile {
    /// The folder for store, secret, config files and logs, from the working directory.
    pub data: PathBuf,
    /// The name or address by which clients reach this machine.
    pub host: String,
    /// The gateway's port; here and below, 0 takes a free one.
    pub gateway_port: u16,
    /// How many msg_servers there are, at least one.
    pub msg_servers: u16,
    /// The port of the first msg_server.
    pub msg_server_port: u16,
    /// How many routers there are, at least one.
    pub routers: u16,
    /// The port of the first router.
    pub router_port: u16,
    /// The manager's port.
    pub manager_port: u16,
    /// How many monitors there are: none, or one.
    pub monitors: u16,
    /// The monitor's port.
    pub monitor_port: u16,
    /// Where the monitor serves its page, as `ip:port`.
    pub web_listen: std::net::SocketAddr,
    /// The file with the mesh's secret; in `data` where unset.
    pub mesh_secret_file: Option<PathBuf>,
    /// How long a process may not answer before it is replaced; `None`: for ever.
    #[serde(rename = "SilentSeconds", deserialize_with = "time_or_never")]
    pub silence: Option<Duration>,
    /// Further keys of each role's config files, exactly as the mesh file has them.
    #[serde(skip)]
    pub set: Map<String, Value>,
}

impl MeshFile {
    /// Reads `file`.
    ///
    /// # Errors
    /// Where it is missing, cannot be read, or has mistakes: then all of them.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(file)
            .map_err(|cause| ConfigError::Unreadable { file: file.to_owned(), cause })?;
        Self::parse(&text, &file.display().to_string())
    }

    /// Reads `text`, which messages call `file`.
    ///
    /// # Errors
    /// All mistakes, where there are any.
    pub fn parse(text: &str, file: &str) -> Result<Self, ConfigError> {
        let set = set_as_written(text);
        let mut parsed = None;
        parse_keys(keys::KEYS, text, file, |values, conflicts| {
            match serde_json::from_value::<Self>(values.clone().into()) {
                Ok(mesh) => {
                    cross_check::check(&mesh, &set, conflicts);
                    parsed = Some(mesh);
                }
                Err(error) => conflicts.add(&[], format!("does not fit: {error}"), "please report this"),
            }
        })?;
        parsed
            .map(|mesh| Self { set, ..mesh })
            .ok_or_else(|| ConfigError::Mistakes { file: file.to_owned(), mistakes: Vec::new() })
    }

    /// The mesh of an empty file: gateway, two msg_servers, router, manager and monitor on their own ports.
    ///
    /// # Errors
    /// Never: the table's defaults are right, as a test shows.
    pub fn default_mesh() -> Result<Self, ConfigError> {
        Self::parse("{}", "the default mesh")
    }

    /// Further keys of `role`'s config files, exactly as the mesh file has them.
    pub fn set_of(&self, role: Role) -> Map<String, Value> {
        self.set.get(role.name()).and_then(Value::as_object).cloned().unwrap_or_default()
    }

    /// Makes every port one that is free at the start.
    pub fn take_free_ports(&mut self) {
        self.move_ports(|_| Some(0));
    }

    /// Adds `offset` to every port that is not 0; `false`, and nothing is changed, where one would be beyond 65535.
    pub fn shift_ports(&mut self, offset: u16) -> bool {
        let shifted = |port: u16| if port == 0 { Some(0) } else { port.checked_add(offset) };
        self.move_ports(shifted)
    }

    /// Why two of its processes cannot both have their port, where that is so; the file's check says it with its
    /// place, this is for what options made of it.
    pub fn ports_clash(&self) -> Option<String> {
        let (keys, wrong, _) = cross_check::port_clashes(self).into_iter().next()?;
        Some(format!("{} {wrong}", keys[0]))
    }

    fn move_ports(&mut self, moved: impl Fn(u16) -> Option<u16>) -> bool {
        let mut next = self.clone();
        let web = next.web_listen.port();
        let ports = [
            &mut next.gateway_port,
            &mut next.msg_server_port,
            &mut next.router_port,
            &mut next.manager_port,
            &mut next.monitor_port,
        ];
        for port in ports {
            match moved(*port) {
                Some(new) => *port = new,
                None => return false,
            }
        }
        let Some(web) = moved(web) else { return false };
        next.web_listen.set_port(web);
        *self = next;
        true
    }
}

/// Milliseconds, which is what the check makes of every time; 0 says "never".
fn time_or_never<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let milliseconds = u64::deserialize(from)?;
    Ok((milliseconds > 0).then(|| Duration::from_millis(milliseconds)))
}

/// What is known of every key, for the help.
pub fn key_list() -> String {
    let line = |(path, key): (String, &mesh::config::Key)| {
        let fallback = match key.fallback.json(Role::Gateway) {
            Some(json) => format!("default {json}"),
            None => "optional".to_owned(),
        };
        format!("  {path}: {}; {fallback}\n      {}\n", key.kind.form(), key.meaning)
    };
    describe::flat(keys::KEYS.iter()).map(line).collect()
}

/// Whether `key` is one that a mesh file has and no process's config file.
pub fn is_own_key(key: &str) -> bool {
    keys::KEYS.iter().any(|own| own.name == key) && !table::TABLE.iter().any(|other| other.name == key)
}

/// `Set` of the file, without defaults; empty where the file is not JSON, which the check then says.
fn set_as_written(text: &str) -> Map<String, Value> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match serde_json::from_str(text) {
        Ok(Value::Object(mut object)) => match object.remove("Set") {
            Some(Value::Object(set)) => set,
            _ => Map::new(),
        },
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn mistakes(text: &str) -> Vec<String> {
        match MeshFile::parse(text, "mesh.json") {
            Err(ConfigError::Mistakes { mistakes, .. }) => mistakes.iter().map(ToString::to_string).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_empty_file_is_the_mesh_of_the_field() {
        let mesh = MeshFile::default_mesh().unwrap();
        let ports =
            [mesh.gateway_port, mesh.msg_server_port, mesh.router_port, mesh.manager_port, mesh.monitor_port];
        assert_eq!(ports, [17000, 19000, 20000, 18000, 21000]);
        assert_eq!((mesh.msg_servers, mesh.routers, mesh.monitors), (2, 1, 1));
        assert_eq!(mesh.web_listen, "127.0.0.1:30000".parse().unwrap());
        assert_eq!((mesh.data, mesh.mesh_secret_file), (PathBuf::from("./data"), None));
        assert_eq!(mesh.silence, Some(Duration::from_secs(15)));
    }

    #[test]
    fn a_process_may_be_silent_for_ever_where_the_file_says_0() {
        let silence = |text| MeshFile::parse(text, "m").unwrap().silence;
        assert_eq!(silence(r#"{"SilentSeconds": 0}"#), None);
        assert_eq!(silence(r#"{"SilentSeconds": 2.5}"#), Some(Duration::from_millis(2500)));
    }

    #[test]
    fn every_mistake_is_told_at_once_with_its_place() {
        let text = "{\"MsgServer\": 3,\n \"Host\": \"a b\",\n \"RouterPort\": \"x\",\n \"Set\": {\"router\": {\"BeatTime\": -1}}}";
        let found = mistakes(text);
        assert_eq!(found.len(), 4, "{found:#?}");
        assert_eq!(found[0], "1:2: MsgServer is no key; did you mean \"MsgServers\"?");
        assert!(found[1].starts_with("2:10: Host "), "{found:#?}");
        assert_eq!(
            found[2],
            "3:16: RouterPort is \"x\"; write a port from 0 to 65535, as 20000 or \":20000\""
        );
        assert!(found[3].starts_with("4:33: Set.router.BeatTime "), "{found:#?}");
    }

    #[test]
    fn two_processes_on_one_port_are_refused() {
        let found = mistakes(r#"{"MsgServers": 3, "MsgServerPort": 19998, "RouterPort": 20000}"#);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].contains("port 20000"), "{found:#?}");
        assert!(mistakes(r#"{"MsgServers": 9, "MsgServerPort": 65530}"#)[0].contains("65535"));
        assert!(MeshFile::parse(r#"{"MsgServers": 9, "MsgServerPort": 0}"#, "m").is_ok());
    }

    #[test]
    fn what_shoal_decides_itself_is_not_for_set() {
        let found = mistakes(r#"{"Set": {"msg_server": {"LocalIP": "chat:1"}}}"#);
        assert_eq!(found, ["1:36: Set.msg_server.LocalIP is decided by shoal; use Host of the mesh file"]);
    }

    #[test]
    fn ports_move_together_or_not_at_all() {
        let mut mesh = MeshFile::default_mesh().unwrap();
        assert!(mesh.shift_ports(100));
        assert_eq!((mesh.gateway_port, mesh.web_listen.port()), (17100, 30100));
        let before = mesh.clone();
        assert!(!mesh.shift_ports(40_000));
        assert_eq!(mesh, before);
        mesh.take_free_ports();
        assert_eq!((mesh.router_port, mesh.web_listen.port()), (0, 0));
    }

    #[test]
    fn the_help_names_every_key() {
        let help = key_list();
        for key in keys::KEYS {
            assert!(help.contains(&format!("  {}: ", key.name)), "{} is not in {help}", key.name);
        }
    }
}
