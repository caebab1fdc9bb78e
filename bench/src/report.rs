//! What was measured, as a table and as JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::figures::{Figures, Latency};
use crate::mesh::Snapshot;

/// What was measured.
#[derive(Debug, Clone, Serialize, Default)]
pub struct Measured {
    /// Which scenario.
    pub scenario: String,
    /// Sessions.
    pub connections: usize,
    /// How many sessions a second could connect, log in, enter topics and resume.
    pub entered_per_second: f64,
    /// Messages of one sender in flight.
    pub in_flight: usize,
    /// Bytes of a text.
    pub size: usize,
    /// How many got each message.
    pub receivers: u32,
    /// How long was measured, in seconds.
    pub seconds: f64,
    /// Acknowledged messages a second.
    pub messages_per_second: f64,
    /// Deliveries a second.
    pub deliveries_per_second: f64,
    /// From sending to `OK`.
    pub to_ok: Option<Latency>,
    /// From sending to delivery.
    pub to_delivery: Option<Latency>,
    /// CPU time by role, in seconds a second.
    pub cpu_cores: BTreeMap<&'static str, f64>,
    /// CPU time of this tool, in seconds a second.
    pub tool_cpu_cores: f64,
    /// CPU time by role, in microseconds for each acknowledged message.
    pub cpu_us_per_message: BTreeMap<&'static str, f64>,
    /// The same of all roles together.
    pub mesh_cpu_us_per_message: Option<f64>,
    /// CPU time of all roles, in microseconds for each delivery.
    pub mesh_cpu_us_per_delivery: Option<f64>,
    /// What idle connections cost.
    pub memory: Option<Memory>,
    /// How many things were wrong; 0, or the other figures mean nothing.
    pub wrong: u64,
    /// The first of them.
    pub first_wrong: Vec<String>,
}

/// What connections cost, in bytes. What the kernel keeps for sockets is not in it.
#[derive(Debug, Clone, Serialize)]
pub struct Memory {
    /// By process, before anybody connected.
    pub resident_empty: BTreeMap<String, u64>,
    /// By process, with all connected.
    pub resident_full: BTreeMap<String, u64>,
    /// What the msg_servers grew by, for each connection.
    pub msg_server_bytes_per_connection: f64,
    /// What all processes grew by, for each connection.
    pub mesh_bytes_per_connection: f64,
}

impl Measured {
    /// The figures of a measurement that took so long.
    pub fn of(figures: &Figures, took: Duration, before: &Snapshot, after: &Snapshot) -> Self {
        let seconds = took.as_secs_f64().max(f64::EPSILON);
        let cpu = after.cpu_since(before);
        let all: f64 = cpu.values().map(Duration::as_secs_f64).sum();
        let per = |count: u64| (count > 0 && !cpu.is_empty()).then(|| all * 1e6 / count as f64);
        let each = |cpu: f64| if figures.acked > 0 { cpu * 1e6 / figures.acked as f64 } else { 0.0 };
        Self {
            seconds,
            messages_per_second: figures.acked as f64 / seconds,
            deliveries_per_second: figures.delivered as f64 / seconds,
            to_ok: Latency::of(&figures.to_ok),
            to_delivery: Latency::of(&figures.to_delivery),
            cpu_cores: cpu.iter().map(|(role, cpu)| (*role, cpu.as_secs_f64() / seconds)).collect(),
            tool_cpu_cores: after.tool.cpu.saturating_sub(before.tool.cpu).as_secs_f64() / seconds,
            cpu_us_per_message: cpu.iter().map(|(role, cpu)| (*role, each(cpu.as_secs_f64()))).collect(),
            mesh_cpu_us_per_message: per(figures.acked),
            mesh_cpu_us_per_delivery: per(figures.delivered),
            wrong: figures.wrong,
            first_wrong: figures.first_wrong.clone(),
            ..Self::default()
        }
    }

    /// A table for people.
    pub fn text(&self) -> String {
        let mut rows = vec![
            (
                "scenario",
                format!("{} ({} connections, {} bytes)", self.scenario, self.connections, self.size),
            ),
            ("entered", format!("{:.0} sessions/s", self.entered_per_second)),
        ];
        if self.messages_per_second > 0.0 {
            rows.extend(self.load_rows());
        }
        let cpu = |(role, cores): (&&str, &f64)| format!("{role} {:.0} %", cores * 100.0);
        let cores: Vec<_> = self.cpu_cores.iter().map(cpu).collect();
        rows.push(("CPU", format!("{}; this tool {:.0} %", cores.join(", "), self.tool_cpu_cores * 100.0)));
        if let Some(memory) = &self.memory {
            rows.extend(memory.rows());
        }
        rows.push(("wrong", self.wrong.to_string()));
        let mut lines: Vec<_> = rows.into_iter().map(|(name, value)| format!("{name:<22} {value}")).collect();
        lines.extend(self.first_wrong.iter().map(|what| format!("  {what}")));
        lines.join("\n")
    }

    fn load_rows(&self) -> Vec<(&'static str, String)> {
        let latency = |some: Option<Latency>| match some {
            Some(one) => {
                format!("p50 {:.0} µs, p99 {:.0} µs, max {:.0} µs", one.p50_us, one.p99_us, one.max_us)
            }
            None => "none measured".into(),
        };
        let us = |some: Option<f64>| some.map_or("not known".into(), |us| format!("{us:.2} µs"));
        let role = |(role, us): (&&str, &f64)| format!("{role} {us:.2}");
        let roles: Vec<_> = self.cpu_us_per_message.iter().map(role).collect();
        vec![
            ("in flight", format!("{} a sender, {} receivers each", self.in_flight, self.receivers)),
            ("messages", format!("{:.0}/s", self.messages_per_second)),
            ("deliveries", format!("{:.0}/s", self.deliveries_per_second)),
            ("send to OK", latency(self.to_ok)),
            ("send to delivery", latency(self.to_delivery)),
            ("CPU per message", format!("{} ({})", us(self.mesh_cpu_us_per_message), roles.join(", "))),
            ("CPU per delivery", us(self.mesh_cpu_us_per_delivery)),
        ]
    }

    /// The figures as one JSON object.
    pub fn json(&self) -> String {
        serde_json::to_string(self)
            .unwrap_or_else(|error| unreachable!("figures and texts are JSON: {error}"))
    }
}

impl Memory {
    fn rows(&self) -> Vec<(&'static str, String)> {
        let grown = |(part, full): (&String, &u64)| {
            let empty = self.resident_empty.get(part).copied().unwrap_or(0);
            format!("{part} {:.1} → {:.1} MiB", mebibytes(empty), mebibytes(*full))
        };
        let resident: Vec<_> = self.resident_full.iter().map(grown).collect();
        vec![
            ("resident", resident.join(", ")),
            (
                "bytes per connection",
                format!(
                    "{:.0} in the msg_servers, {:.0} in all processes",
                    self.msg_server_bytes_per_connection, self.mesh_bytes_per_connection
                ),
            ),
        ]
    }
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
