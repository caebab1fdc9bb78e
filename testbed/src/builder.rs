//! What a mesh is to be: how many of each role, with which keys in their config files.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Mutex;

use serde_json::{Map, Value, json};

use crate::mesh::Mesh;
use crate::part::{Part, Role};
use crate::ports::Ports;
use crate::process::Process;
use crate::programs;

/// How often processes report, and links show that they live, in seconds: a test is not to wait long for either.
const BEAT: f64 = 0.5;

/// What a mesh is to be.
pub struct Builder {
    counts: [(Role, usize); 5],
    secret: Option<String>,
    keys: Vec<(Scope, String, Value)>,
    files: BTreeMap<Part, Map<String, Value>>,
    addresses_of_files: bool,
}

enum Scope {
    All,
    Role(Role),
    Part(Part),
}

impl Scope {
    fn holds(&self, part: Part) -> bool {
        match self {
            Self::All => true,
            Self::Role(role) => *role == part.role(),
            Self::Part(one) => *one == part,
        }
    }
}

impl Builder {
    /// See [`Mesh::builder`].
    pub(crate) fn new() -> Self {
        let count = |role| match role {
            Role::MsgServer => 2,
            Role::Monitor => 0,
            Role::Gateway | Role::Router | Role::Manager => 1,
        };
        Self {
            counts: Role::ALL.map(|role| (role, count(role))),
            secret: Some("the secret of a mesh under test".into()),
            keys: Vec::new(),
            files: BTreeMap::new(),
            addresses_of_files: false,
        }
    }

    fn count(mut self, role: Role, count: usize) -> Self {
        self.counts.iter_mut().filter(|(other, _)| *other == role).for_each(|(_, old)| *old = count);
        self
    }

    /// How many msg_servers there are; 2 unless set.
    pub fn msg_servers(self, count: usize) -> Self {
        self.count(Role::MsgServer, count)
    }

    /// How many routers there are; 1 unless set.
    pub fn routers(self, count: usize) -> Self {
        self.count(Role::Router, count)
    }

    /// How many managers there are, each with a store of its own; 1 unless set.
    pub fn managers(self, count: usize) -> Self {
        self.count(Role::Manager, count)
    }

    /// How many gateways there are; 1 unless set.
    pub fn gateways(self, count: usize) -> Self {
        self.count(Role::Gateway, count)
    }

    /// Whether there is a monitor; none unless set.
    pub fn monitor(self, there: bool) -> Self {
        self.count(Role::Monitor, usize::from(there))
    }

    /// The `MeshSecret` of all processes; `None`: none. Unless set, there is one.
    pub fn secret(mut self, secret: Option<&str>) -> Self {
        self.secret = secret.map(str::to_owned);
        self
    }

    /// Sets a key in the config file of every process of `role`. A later call wins; `null` leaves the key out.
    pub fn set(mut self, role: Role, key: &str, value: impl Into<Value>) -> Self {
        self.keys.push((Scope::Role(role), key.into(), value.into()));
        self
    }

    /// Sets a key in the config file of one process.
    pub fn set_for(mut self, part: Part, key: &str, value: impl Into<Value>) -> Self {
        self.keys.push((Scope::Part(part), key.into(), value.into()));
        self
    }

    /// Sets a key in every config file.
    pub fn set_all(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.keys.push((Scope::All, key.into(), value.into()));
        self
    }

    /// Runs a process from this config file instead of the testbed's own: only addresses are put in their place, and keys
    /// that were set.
    pub fn file(mut self, part: Part, json: &str) -> Self {
        let config = serde_json::from_str(json).unwrap_or_else(|error| panic!("the file of {part}: {error}"));
        self.files.insert(part, config);
        self
    }

    /// Leaves the addresses in the given files as they are: one such mesh runs at a time, others of tests wait for it.
    pub fn keep_addresses(mut self) -> Self {
        self.addresses_of_files = true;
        self
    }

    /// The mesh, with its files written and none of its processes started.
    pub fn build(self) -> Mesh {
        programs::folder();
        let folder =
            tempfile::Builder::new().prefix("shoal-testbed-").tempdir().expect("a folder for the mesh");
        let mut ports = Ports::new();
        if self.addresses_of_files {
            ports.take_named();
        }
        let addresses: BTreeMap<Part, SocketAddr> = self
            .parts()
            .map(|part| (part, SocketAddr::from((Ipv4Addr::LOCALHOST, self.port(part, &mut ports)))))
            .collect();
        let msg_servers: Vec<String> = addresses
            .iter()
            .filter(|(part, _)| part.role() == Role::MsgServer)
            .map(|(_, address)| address.to_string())
            .collect();
        let web = SocketAddr::from((Ipv4Addr::LOCALHOST, ports.take()));
        let process = |(part, address): (&Part, &SocketAddr)| {
            let config = self.config(*part, *address, &msg_servers, web);
            (*part, Mutex::new(Process::new(*part, *address, config, folder.path())))
        };
        let processes: BTreeMap<_, _> = addresses.iter().map(process).collect();
        processes.values().for_each(|process| process.lock().expect("nobody panicked").write_config());
        Mesh { processes, web, folder, _ports: ports }
    }

    /// The mesh, all of its processes started, ready, and linked with each other.
    pub async fn start(self) -> Mesh {
        let mesh = self.build();
        mesh.parts().for_each(|part| mesh.spawn(part));
        mesh.settled().await;
        mesh
    }

    fn parts(&self) -> impl Iterator<Item = Part> {
        self.counts.iter().flat_map(|(role, count)| (0..*count).map(|index| Part::of(*role, index)))
    }

    fn port(&self, part: Part, ports: &mut Ports) -> u16 {
        let listen = self.files.get(&part).filter(|_| self.addresses_of_files).map(|file| &file["Listen"]);
        match listen.and_then(Value::as_str).and_then(|listen| listen.parse::<SocketAddr>().ok()) {
            Some(listen) => listen.port(),
            None => ports.take(),
        }
    }

    fn config(
        &self,
        part: Part,
        address: SocketAddr,
        msg_servers: &[String],
        web: SocketAddr,
    ) -> Map<String, Value> {
        let mut config = match self.files.get(&part) {
            Some(file) if self.addresses_of_files => file.clone(),
            Some(file) => {
                let mut config = file.clone();
                for (key, value) in addresses(part, address, msg_servers, web) {
                    config.insert(key, value);
                }
                config
            }
            None => self.own_config(part, address, msg_servers, web),
        };
        for (_, key, value) in self.keys.iter().filter(|(scope, _, _)| scope.holds(part)) {
            config.insert(key.clone(), value.clone());
        }
        config.retain(|_, value| !value.is_null());
        config
    }

    fn own_config(
        &self,
        part: Part,
        address: SocketAddr,
        msg_servers: &[String],
        web: SocketAddr,
    ) -> Map<String, Value> {
        let mut config = addresses(part, address, msg_servers, web);
        let beat = if part.role() == Role::MsgServer { "MonitorBeatTime" } else { "BeatTime" };
        config.insert(beat.into(), BEAT.into());
        if part.role() != Role::MsgServer {
            config.insert("UUID".into(), part.to_string().into());
        }
        if part.role() == Role::Manager {
            let path = format!("store-{}", part.index());
            config.insert("Store".into(), json!({"Kind": "embedded", "Path": path, "SegmentBytes": 4 << 20}));
        }
        if let Some(secret) = &self.secret {
            config.insert("MeshSecret".into(), secret.as_str().into());
        }
        config
    }
}

/// The keys that say where a process listens, and whom it dials.
fn addresses(part: Part, address: SocketAddr, msg_servers: &[String], web: SocketAddr) -> Map<String, Value> {
    let mut keys = Map::from_iter([("Listen".to_owned(), address.to_string().into())]);
    if part.role() == Role::MsgServer {
        keys.insert("LocalIP".into(), address.to_string().into());
    } else {
        keys.insert("MsgServerList".into(), msg_servers.into());
    }
    if part.role() == Role::Monitor {
        keys.insert("WebListen".into(), web.to_string().into());
    }
    keys
}
