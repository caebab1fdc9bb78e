//! A load tool for Shoal: starts a mesh of its own, or takes one that runs, loads it over the wire, checks every message that
//! comes back (nothing lost, nothing twice, in order), and prints rates, latencies, and what the servers spent.
//!
//! It speaks only the wire, with a client of its own that does as little as possible: what is measured is the mesh.

mod connection;
mod figures;
mod mesh;
mod scenario;
mod spent;
mod wire;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// Loads a mesh and says what it costs.
#[derive(Parser, Debug, Clone)]
#[command(after_help = "Examples:
  cargo run --release -p bench -- --scenario p2p --senders 64 --in-flight 16
  cargo run --release -p bench -- --scenario fanout-volatile --members 1000
  cargo run --release -p bench -- --scenario idle --connections 10000 --msg-servers 2

Figures are worth something only on a machine that does nothing else, and only beside figures of the same run.")]
pub struct Options {
    /// What to do.
    #[arg(long, value_enum, default_value = "p2p")]
    pub scenario: Scenario,
    /// Connections in all.
    #[arg(long, default_value_t = 1000)]
    pub connections: usize,
    /// Connections that send.
    #[arg(long, default_value_t = 64)]
    pub senders: usize,
    /// Messages that one sender has unanswered.
    #[arg(long, default_value_t = 16)]
    pub in_flight: usize,
    /// Members of the topic in a fan-out.
    #[arg(long, default_value_t = 100)]
    pub members: usize,
    /// Bytes of a message's text.
    #[arg(long, default_value_t = 128)]
    pub size: usize,
    /// How long to load, in seconds.
    #[arg(long, default_value_t = 10.0)]
    pub seconds: f64,
    /// msg_servers of the mesh that is started.
    #[arg(long, default_value_t = 1)]
    pub msg_servers: usize,
    /// A msg_server that runs already, instead of a mesh of our own: its CPU and memory are not known then.
    #[arg(long)]
    pub msg_server: Vec<SocketAddr>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What to do.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// Durable messages from the senders to the other connections.
    P2p,
    /// The same, volatile.
    P2pVolatile,
    /// One sender, a durable topic with members.
    Fanout,
    /// The same, volatile.
    FanoutVolatile,
    /// Durable messages to topics that nobody reads: one topic a sender.
    Append,
    /// Connections that are logged in, and say nothing.
    Idle,
}

impl Options {
    /// How long to load.
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    testbed::raise_open_files();
    // The mesh's handles want a runtime with threads; the load itself runs on one thread, so that it has a core and no more.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    let local = tokio::task::LocalSet::new();
    match local.block_on(&runtime, scenario::run(&options)) {
        Ok(report) if options.json => println!("{}", report.json()),
        Ok(report) => print!("{}", report.table()),
        Err(error) => return fail(&error),
    }
    ExitCode::SUCCESS
}

fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("bench: {error:#}");
    ExitCode::FAILURE
}
