//! The config files that are in the field load as they are.

#![allow(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use mesh::config::{
    GatewayConfig, Loaded, ManagerConfig, MonitorConfig, MsgServerConfig, RoleConfig, RouterConfig,
    StoreConfig,
};

fn load<C: RoleConfig>(name: &str) -> Loaded<C> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/field").join(name);
    C::load(&file).unwrap_or_else(|error| panic!("{error}"))
}

fn ignored<C>(loaded: &Loaded<C>) -> Vec<&str> {
    loaded.ignored.iter().map(|key| key.path.as_str()).collect()
}

#[test]
fn the_gateway_s_file_loads() {
    let loaded = load::<GatewayConfig>("gateway.json");
    let config = &loaded.config;
    assert_eq!(config.process.listen, "0.0.0.0:17000".parse().unwrap());
    assert_eq!(config.process.log_file, Some(PathBuf::from("gateway.log")));
    let servers = config.dial.msg_server_list.get();
    assert_eq!(
        servers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["127.0.0.1:19000", "127.0.0.1:19001"]
    );
    assert_eq!(ignored(&loaded), ["TransportProtocols", "MsgServerNum"]);
}

#[test]
fn both_msg_servers_files_load_and_name_one_log_file() {
    let both = [19000, 19001].map(|port| (port, load::<MsgServerConfig>(&format!("msg_server.{port}.json"))));
    for (port, loaded) in &both {
        let config = &loaded.config;
        assert_eq!(config.process.listen.port(), *port);
        assert_eq!(config.public_address(config.process.listen).to_string(), format!("127.0.0.1:{port}"));
        assert_eq!(config.process.log_file, Some(PathBuf::from("msg_server.log")));
        assert_eq!(config.scan_dead_session_timeout, Duration::from_secs(50));
        assert_eq!(config.expire, Duration::from_secs(100));
        assert_eq!(config.monitor_beat_time, Duration::from_secs(5));
        assert_eq!(ignored(loaded), ["TransportProtocols", "SessionManagerServerList", "Redis", "Mongo"]);
    }
}

#[test]
fn the_router_s_the_manager_s_and_the_monitor_s_files_load() {
    let router = load::<RouterConfig>("router.json");
    assert_eq!(router.config.dial.uuid, "20000");
    assert_eq!(ignored(&router), ["TransportProtocols", "Redis", "Mongo"]);
    let manager = load::<ManagerConfig>("manager.json");
    assert_eq!(manager.config.dial.uuid, "18000");
    let StoreConfig::Embedded { path, segment_bytes } = &manager.config.store;
    assert_eq!((path.as_path(), *segment_bytes), (Path::new("data/store"), 64 << 20));
    let monitor = load::<MonitorConfig>("monitor.json");
    assert_eq!(monitor.config.web_listen, "127.0.0.1:30000".parse().unwrap());
    assert_eq!(ignored(&monitor), ["TransportProtocols", "Redis"]);
}
