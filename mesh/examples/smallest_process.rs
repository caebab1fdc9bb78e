//! A whole process around a role that does nothing but tell its health, and end when it is told to: a router's config, log,
//! signals.
//!
//! `cargo run -p mesh --example smallest_process -- -conf_file=configs/field/router.json`

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use mesh::config::RouterConfig;
use mesh::health::{self, Health};
use mesh::process::Shutdown;
use mesh::report::Identity;
use serde_json::{Map, Value};
use tokio::net::TcpListener;

fn main() -> ExitCode {
    mesh::process::run(tell_health)
}

struct Well;

impl Health for Well {
    fn troubles(&self) -> Vec<String> {
        Vec::new()
    }

    fn figures(&self) -> Map<String, Value> {
        Map::new()
    }
}

/// For the tests there are two kinds of role that do worse, told by their `UUID`.
async fn tell_health(config: RouterConfig, listener: TcpListener, shutdown: Shutdown) -> io::Result<()> {
    let identity = Identity::new("router", &config.dial.uuid, listener.local_addr()?.to_string());
    let identity = Arc::new(identity.showing(&config.process.certificate));
    health::serve(listener, &config.process, identity, Arc::new(Well), &shutdown).await;
    match config.dial.uuid.as_str() {
        "stubborn" => std::future::pending().await,
        "faulty" => panic!("as it was told to"),
        _ => Ok(()),
    }
}
