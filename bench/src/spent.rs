//! What a process spent: CPU time and memory, from the kernel's accounting.

use serde::Serialize;
use testbed::{Mesh, Part};

/// What one process spent during the load.
#[derive(Debug, Serialize, Clone)]
pub struct Spent {
    /// Which process.
    pub role: String,
    /// Seconds of CPU, all threads, user and system.
    pub cpu_seconds: f64,
    /// Resident memory at the end, in bytes.
    pub resident_bytes: u64,
}

impl Spent {
    /// For people: with CPU per message sent and per delivery.
    pub fn line(&self, sent: u64, delivered: u64) -> String {
        let micros = self.cpu_seconds * 1e6;
        let mut line = format!(
            "CPU {:>7.2} s   memory {:>7.1} MiB",
            self.cpu_seconds,
            self.resident_bytes as f64 / 1048576.0
        );
        if sent > 0 {
            line += &format!("   {:>7.2} µs a message", micros / sent as f64);
        }
        if delivered > 0 {
            line += &format!("   {:>7.3} µs a delivery", micros / delivered as f64);
        }
        line
    }
}

/// CPU seconds that each process of a mesh has spent so far.
pub struct Meter {
    parts: Vec<(Part, f64)>,
}

impl Meter {
    /// Reads the meters.
    pub fn read(mesh: &Mesh) -> Self {
        Self { parts: mesh.parts().map(|part| (part, cpu_seconds(mesh.pid(part)))).collect() }
    }

    /// What was spent since.
    pub fn since(&self, mesh: &Mesh) -> Vec<Spent> {
        let spent = |(part, before): &(Part, f64)| Spent {
            role: part.to_string(),
            cpu_seconds: cpu_seconds(mesh.pid(*part)) - before,
            resident_bytes: mesh.resident_bytes(*part),
        };
        self.parts.iter().map(spent).collect()
    }
}

/// User and system time of a process (proc(5), fields 14 and 15 of `stat`), in seconds.
fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name, in parentheses, may hold spaces: fields are counted from behind it.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: f64 = [11, 12].iter().filter_map(|&field| fields.get(field)?.parse::<f64>().ok()).sum();
    ticks / rustix::param::clock_ticks_per_second() as f64
}
