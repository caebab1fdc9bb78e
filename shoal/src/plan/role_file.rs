//! The config file of one process, as people may read it.

use std::time::Duration;

use mesh::config::{
    ConfigError, GatewayConfig, ManagerConfig, MonitorConfig, MsgServerConfig, Role, RoleConfig, RouterConfig,
};
use serde_json::{Map, Value, json};

use super::{Seat, Shared};

/// What the config file of the process on `seat` says.
pub fn config(shared: Shared<'_>, seats: &[Seat], seat: &Seat) -> Value {
    let mut config = Map::new();
    let mut set = |key: &str, value: Value| _ = config.insert(key.to_owned(), value);
    set("Listen", seat.listen.to_string().into());
    match seat.role {
        Role::MsgServer => set("LocalIP", seat.address.to_string().into()),
        _ => {
            set("UUID", uuid(seat).into());
            set("MsgServerList", msg_servers(seats));
        }
    }
    if seat.role == Role::Manager {
        set("Store", json!({ "Path": shared.folder.store() }));
    }
    if let Some(web) = seat.web {
        set("WebListen", web.to_string().into());
    }
    set("LogFile", json!(shared.folder.log_file(&seat.name)));
    if let Some(level) = shared.log_level {
        set("LogLevel", level.into());
    }
    if let Some(file) = shared.secret_file {
        set("MeshSecretFile", json!(file));
    }
    merge(&mut config, shared.mesh.set_of(seat.role));
    config.into()
}

/// Checks `text`, the config file of `role`, which messages call `file`; gives how long such a process may drain.
///
/// # Errors
/// All mistakes, where there are any.
pub fn check_text(role: Role, text: &str, file: &str) -> Result<Duration, ConfigError> {
    fn drain<C: RoleConfig>(text: &str, file: &str) -> Result<Duration, ConfigError> {
        C::parse(text, file).map(|loaded| loaded.config.process().drain)
    }
    match role {
        Role::Gateway => drain::<GatewayConfig>(text, file),
        Role::MsgServer => drain::<MsgServerConfig>(text, file),
        Role::Router => drain::<RouterConfig>(text, file),
        Role::Manager => drain::<ManagerConfig>(text, file),
        Role::Monitor => drain::<MonitorConfig>(text, file),
    }
}

/// A name that stays when ports move: who owns a log follows from it.
fn uuid(seat: &Seat) -> String {
    (u32::from(seat.role.port()) + u32::from(seat.index)).to_string()
}

fn msg_servers(seats: &[Seat]) -> Value {
    let all = seats.iter().filter(|seat| seat.role == Role::MsgServer);
    all.map(|seat| Value::from(seat.address.to_string())).collect()
}

/// Puts `from` over `into`, object into object.
fn merge(into: &mut Map<String, Value>, from: Map<String, Value>) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => merge(old, new),
            (_, value) => _ = into.insert(key, value),
        }
    }
}
