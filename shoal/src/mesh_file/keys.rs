//! The one table of the mesh file's keys: checks, hints and `shoal up --help` are made from it.

use mesh::config::{Fallback, Fate, Key, Kind, Role, Roles, TimeUnit};

/// The most msg_servers or routers of one mesh file.
pub const MOST_OF_A_ROLE: u64 = 100;

/// The keys, in the order in which the help shows them.
pub static KEYS: &[Key] = &[
    key("Data", Kind::Path, "\"./data\"", "The folder for store, secret, config files and logs."),
    key(
        "Host",
        Kind::Text { min: 1, max: 253 },
        "\"127.0.0.1\"",
        "The name or address by which clients reach this machine; beyond loopback, gateway and msg_servers listen on every address of it.",
    ),
    key(
        "GatewayPort",
        Kind::Port { usual: 17000 },
        "17000",
        "The gateway's port; here and below, 0 takes a free one.",
    ),
    key("MsgServers", count("msg_servers"), "2", "How many msg_servers there are."),
    key(
        "MsgServerPort",
        Kind::Port { usual: 19000 },
        "19000",
        "The port of the first msg_server; each next has the next one.",
    ),
    key("Routers", count("routers"), "1", "How many routers there are."),
    key(
        "RouterPort",
        Kind::Port { usual: 20000 },
        "20000",
        "The port of the first router; each next has the next one.",
    ),
    key("ManagerPort", Kind::Port { usual: 18000 }, "18000", "The manager's port."),
    key(
        "Monitors",
        Kind::Whole { unit: "monitors", min: 0, max: 1 },
        "1",
        "Whether there is a monitor, which serves the web page.",
    ),
    key("MonitorPort", Kind::Port { usual: 21000 }, "21000", "The monitor's port."),
    key("WebListen", Kind::Listen, "\"127.0.0.1:30000\"", "Where the web page is served."),
    Key {
        fallback: Fallback::Nothing("mesh-secret in Data, made at the first start"),
        ..key(
            "MeshSecretFile",
            Kind::Path,
            "",
            "The file with the MeshSecret, which every process proves to know.",
        )
    },
    key(
        "SilentSeconds",
        Kind::Time { unit: TimeUnit::Seconds, min_ms: 0, max_ms: 86_400_000 },
        "15",
        "How long a process that has answered before may not answer until it is killed and started again; 0 waits for ever.",
    ),
    key(
        "Set",
        Kind::Object(SET),
        "{}",
        "Further keys for the config files of each role, as {\"router\": {\"LogLevel\": \"debug\"}}.",
    ),
];

static SET: &[Key] = &[
    config_of("gateway", Role::Gateway),
    config_of("msg_server", Role::MsgServer),
    config_of("router", Role::Router),
    config_of("manager", Role::Manager),
    config_of("monitor", Role::Monitor),
];

/// Keys of role files that are not for `Set`, and what to use in their place.
pub static DECIDED_HERE: &[(&str, &str)] = &[
    ("Listen", "use Host and the role's port key of the mesh file"),
    ("LocalIP", "use Host of the mesh file"),
    ("UUID", "remove it: each process has a fixed one"),
    ("MsgServerList", "remove it: every process is told of all msg_servers of this mesh"),
    ("MeshSecret", "use MeshSecretFile of the mesh file"),
    ("MeshSecretFile", "use MeshSecretFile of the mesh file"),
    ("LogFile", "use Data of the mesh file: logs are in its folder log"),
    ("WebListen", "use WebListen of the mesh file"),
];

const fn count(unit: &'static str) -> Kind {
    Kind::Whole { unit, min: 1, max: MOST_OF_A_ROLE }
}

const fn config_of(name: &'static str, role: Role) -> Key {
    key(name, Kind::ConfigOf(role), "{}", "Further keys of its config file.")
}

const fn key(name: &'static str, kind: Kind, json: &'static str, meaning: &'static str) -> Key {
    Key { name, kind, fallback: Fallback::Json(json), roles: Roles::ALL, meaning, fate: Fate::AtStart }
}
