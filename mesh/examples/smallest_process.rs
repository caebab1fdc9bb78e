//! A whole process around a role that does nothing but end when it is told to: a router's config, log, signals.
//!
//! `cargo run -p mesh --example smallest_process -- -conf_file=configs/field/router.json`

use std::convert::Infallible;
use std::process::ExitCode;

use mesh::config::RouterConfig;
use mesh::process::Shutdown;
use tokio::net::TcpListener;

fn main() -> ExitCode {
    mesh::process::run(do_nothing)
}

/// For the tests there are two kinds of role that do worse, told by their `UUID`.
async fn do_nothing(config: RouterConfig, _: TcpListener, shutdown: Shutdown) -> Result<(), Infallible> {
    shutdown.draining().await;
    match config.dial.uuid.as_str() {
        "stubborn" => std::future::pending().await,
        "faulty" => panic!("as it was told to"),
        _ => Ok(()),
    }
}
