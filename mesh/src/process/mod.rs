//! The story of every `main`: arguments, config, log, file limit, listener, role, signals, end.
//!
//! Invariants:
//! - the exit code says what happened: see [`exit`];
//! - the first line on stdout is `listening on <ip:port>`, when clients may connect: a script can wait for it
//!   (left out where stdout is a terminal that shows the log anyway);
//! - a drain that was begun ends within `DrainSeconds`, and a second signal ends the process at once.

mod arguments;
mod bind;
pub mod exit;
mod exposure;
mod reload;
mod shutdown;
mod signals;
mod supervise;
mod terminal;
mod tls_files;

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tracing::{debug, error, info, warn};

use crate::config::{Loaded, RoleConfig};
use crate::{limits, logging};
use arguments::Order;
use reload::Reloader;
use signals::Signals;
use supervise::Supervisor;
use terminal::complain;
use tls_files::TlsFiles;

pub use bind::{BindError, bind};
pub use shutdown::Shutdown;
pub(crate) use terminal::wants_colour;

/// Runs a process from its arguments to its end; `main` is this call alone.
///
/// `role` gets its config, the bound listener and the [`Shutdown`]. It is to return once it has drained; where it
/// returns earlier, the process drains and ends; where it fails, the process ends at once.
///
/// ```no_run
/// use mesh::config::RouterConfig;
/// use mesh::process::Shutdown;
///
/// async fn route(_: RouterConfig, _: tokio::net::TcpListener, shutdown: Shutdown) -> std::io::Result<()> {
///     shutdown.draining().await;
///     Ok(())
/// }
///
/// fn main() -> std::process::ExitCode {
///     mesh::process::run(route)
/// }
/// ```
pub fn run<C, Role, Running, E>(role: Role) -> ExitCode
where
    C: RoleConfig,
    Role: FnOnce(C, TcpListener, Shutdown) -> Running + 'static,
    Running: Future<Output = Result<(), E>> + Send + 'static,
    E: fmt::Display,
{
    let start: Start<C> = Box::new(|config, listener, shutdown| {
        let running = role(config, listener, shutdown);
        tokio::spawn(async { running.await.map_err(|error| format!("{error:#}")) })
    });
    let order = match arguments::read(C::ROLE, std::env::args_os()) {
        Ok(order) => order,
        Err(code) => return code,
    };
    let (Order::Run(file) | Order::Check(file)) = &order;
    match (C::load(file), order) {
        (Err(error), _) => complain(exit::USAGE, &error),
        (Ok(loaded), Order::Check(file)) => report(&file, &loaded),
        (Ok(loaded), Order::Run(file)) => begin(file, loaded, start),
    }
}

/// Spawns the role; what it fails with is text by then.
type Start<C> = Box<dyn FnOnce(C, TcpListener, Shutdown) -> JoinHandle<Result<(), String>>>;

/// What `--check` says of a file without mistakes.
fn report<C: RoleConfig>(file: &Path, loaded: &Loaded<C>) -> ExitCode {
    let listen = loaded.config.process().listen;
    let mut text = format!("{} is good: a {} that listens on {listen}\n", file.display(), C::ROLE);
    for warning in exposure::warnings(&loaded.config) {
        text += &format!("  warning: {warning}\n");
    }
    for key in &loaded.ignored {
        text += &format!("  ignored: {}: {}\n", key.path, key.why);
    }
    // A reader that went away has seen enough.
    let _ = io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn begin<C: RoleConfig>(file: PathBuf, loaded: Loaded<C>, start: Start<C>) -> ExitCode {
    if let Err(error) = logging::start(loaded.config.process()) {
        return complain(exit::FAILURE, &error);
    }
    let open_files = limits::raise_open_files();
    announce(&file, &loaded, open_files);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("no threads to run on: {error}")),
    };
    let code = runtime.block_on(live(file, loaded, start));
    runtime.shutdown_timeout(supervise::LAST_WORDS);
    code
}

async fn live<C: RoleConfig>(file: PathBuf, loaded: Loaded<C>, start: Start<C>) -> ExitCode {
    let config = loaded.config.clone();
    let signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => return fail(&format!("signals cannot be heard: {error}")),
    };
    let listener = match bind(config.process().listen, "Listen") {
        Ok(listener) => listener,
        Err(error) => return fail(&error),
    };
    if let Ok(address) = listener.local_addr() {
        say_listening(&format!("listening on {address}"), config.process().log_file.is_some());
    }
    let shutdown = Shutdown::new(config.process().drain);
    let running = start(config, listener, shutdown.clone());
    let tls_files = TlsFiles::of(&loaded.config);
    Supervisor { shutdown, signals, reloader: Reloader::new(file, loaded), tls_files }.watch(running).await
}

/// Logs what this process is about to be.
fn announce<C: RoleConfig>(file: &Path, loaded: &Loaded<C>, open_files: u64) {
    let process = loaded.config.process();
    let connections = process.connection_limit();
    info!(
        version = env!("CARGO_PKG_VERSION"),
        pid = std::process::id(),
        connections,
        open_files,
        "{} starts",
        C::ROLE
    );
    for key in &loaded.ignored {
        debug!("{}: {} is ignored: {}", file.display(), key.path, key.why);
    }
    for warning in exposure::warnings(&loaded.config) {
        warn!("{warning}");
    }
    if process.configured_connections().is_some_and(|wanted| wanted > limits::derived_connections()) {
        warn!(
            "MaxConnections is {connections}, but the limit of open files is {open_files}; raise it (ulimit -n)"
        );
    }
}

/// For people in the log, for scripts on stdout.
fn say_listening(line: &str, log_is_a_file: bool) {
    info!("{line}");
    let mut stdout = io::stdout();
    if log_is_a_file || !stdout.is_terminal() {
        let _ = writeln!(stdout, "{line}");
    }
}

/// Ends a process that could not begin: said in the log, and to whoever started it.
fn fail(error: &dyn fmt::Display) -> ExitCode {
    error!("{error}");
    complain(exit::FAILURE, error)
}
