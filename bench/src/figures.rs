//! What was measured, and how it is shown.

use std::fmt::Write as _;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::spent::Spent;

/// Latencies in microseconds, up to a minute, to three digits.
pub type Latencies = Histogram<u64>;

/// An empty histogram.
pub fn latencies() -> Latencies {
    // Constant bounds that the type allows.
    Histogram::new_with_bounds(1, 60_000_000, 3).unwrap_or_else(|error| unreachable!("{error}"))
}

/// Percentiles in microseconds.
#[derive(Debug, Serialize, Clone, Copy)]
pub struct Percentiles {
    /// Half were faster.
    pub p50: u64,
    /// 99 of 100 were faster.
    pub p99: u64,
    /// The slowest.
    pub max: u64,
}

impl From<&Latencies> for Percentiles {
    fn from(of: &Latencies) -> Self {
        Self { p50: of.value_at_quantile(0.5), p99: of.value_at_quantile(0.99), max: of.max() }
    }
}

/// The outcome of one run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What was run.
    pub scenario: String,
    /// How long the load lasted, in seconds.
    pub seconds: f64,
    /// Messages sent and answered.
    pub sent: u64,
    /// Messages that arrived at a reader.
    pub delivered: u64,
    /// From send to answer.
    pub answer_micros: Option<Percentiles>,
    /// From send to arrival.
    pub delivery_micros: Option<Percentiles>,
    /// What each role of the mesh spent during the load.
    pub spent: Vec<Spent>,
    /// Connections that stood.
    pub connections: usize,
    /// Bytes of the msg_servers' memory for one more connection; idle only.
    pub bytes_per_connection: Option<f64>,
}

impl Report {
    /// As one line of JSON.
    pub fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// For people.
    pub fn table(&self) -> String {
        let mut out = format!("{}: {} connections, {:.1} s\n", self.scenario, self.connections, self.seconds);
        if self.sent > 0 {
            self.rates(&mut out);
        }
        if let Some(bytes) = self.bytes_per_connection {
            let _ = writeln!(out, "  memory of the msg_servers per connection  {bytes:>10.0} bytes");
        }
        for spent in &self.spent {
            let _ = writeln!(out, "  {:<11} {}", spent.role, spent.line(self.sent, self.delivered));
        }
        out
    }

    fn rates(&self, out: &mut String) {
        let per_second = |count: u64| count as f64 / self.seconds;
        let _ = writeln!(out, "  sent and answered  {:>10}  {:>10.0} /s", self.sent, per_second(self.sent));
        let _ = writeln!(
            out,
            "  delivered          {:>10}  {:>10.0} /s",
            self.delivered,
            per_second(self.delivered)
        );
        for (what, percentiles) in [("answer", self.answer_micros), ("delivery", self.delivery_micros)] {
            if let Some(of) = percentiles {
                let ms = |micros: u64| Duration::from_micros(micros).as_secs_f64() * 1000.0;
                let _ = writeln!(
                    out,
                    "  {what:<9} p50 {:>8.3} ms   p99 {:>8.3} ms   max {:>8.3} ms",
                    ms(of.p50),
                    ms(of.p99),
                    ms(of.max)
                );
            }
        }
    }
}
