//! What is to be measured.

use std::net::SocketAddr;
use std::time::Duration;

/// What is to be measured.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// What is measured; several may be given
    #[arg(long, value_delimiter = ',', default_value = "p2p")]
    pub scenario: Vec<Scenario>,
    /// Connections that say nothing (idle)
    #[arg(long, default_value_t = 10_000)]
    pub connections: usize,
    /// Sessions that send [default: p2p 64, fanout 1, append 64]
    #[arg(long)]
    pub senders: Option<usize>,
    /// Messages of one sender that are not acknowledged, or not delivered to all, at one time [default: 8; fanout 32, append 1]
    #[arg(long)]
    pub in_flight: Option<usize>,
    /// Sends so many messages a second over all senders, instead of as many as possible
    #[arg(long)]
    pub rate: Option<f64>,
    /// Members of the topic that is fanned out to
    #[arg(long, default_value_t = 100)]
    pub members: usize,
    /// Bytes of a message's text
    #[arg(long, default_value_t = 100)]
    pub size: usize,
    /// How long is measured, after a warm-up
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
    /// How long there is load before it is measured
    #[arg(long, default_value_t = 2)]
    pub warm_up: u64,
    /// msg_servers of the mesh
    #[arg(long, default_value_t = 2)]
    pub msg_servers: usize,
    /// Routers of the mesh
    #[arg(long, default_value_t = 1)]
    pub routers: usize,
    /// Measures the mesh behind this gateway instead of one of its own; CPU and memory are not known then
    #[arg(long)]
    pub gateway: Option<SocketAddr>,
    /// Prints one JSON object for each scenario
    #[arg(long)]
    pub json: bool,
    /// Waits for Enter before and after the measurement, for a profiler: prints the process ids
    #[arg(long)]
    pub hold: bool,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Scenario {
    /// Durable messages between pairs, half of them on two msg_servers
    P2p,
    /// The same, volatile
    P2pVolatile,
    /// Durable messages to a topic whose members are all online
    Fanout,
    /// The same, volatile
    FanoutVolatile,
    /// Durable messages to topics that nobody follows
    Append,
    /// Connections that are logged in and say nothing
    Idle,
}

impl Scenario {
    /// Whether its messages are volatile.
    pub fn is_volatile(self) -> bool {
        matches!(self, Self::P2pVolatile | Self::FanoutVolatile)
    }
}

impl Options {
    /// Sessions that send.
    pub fn senders(&self, scenario: Scenario) -> usize {
        self.senders.unwrap_or(match scenario {
            Scenario::Fanout | Scenario::FanoutVolatile => 1,
            _ => 64,
        })
    }

    /// Messages of one sender in flight.
    pub fn in_flight(&self, scenario: Scenario) -> usize {
        let usual = match scenario {
            Scenario::Fanout | Scenario::FanoutVolatile => 32,
            Scenario::Append => 1,
            _ => 8,
        };
        self.in_flight.unwrap_or(usual).max(1)
    }

    /// How long is measured.
    pub fn measured(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// How long there is load before.
    pub fn warm_up(&self) -> Duration {
        Duration::from_secs(self.warm_up)
    }
}
