//! What the system says of a process: its CPU time and its memory. Linux only; elsewhere nothing is known.

use std::fs;
use std::time::Duration;

/// CPU time and memory of a process.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// In user space and in the kernel together.
    pub cpu: Duration,
    /// Resident memory, in bytes. What the kernel keeps for sockets is not in it.
    pub resident: u64,
}

/// What a process has used so far; `None` where the system does not say.
pub fn usage(pid: u32) -> Option<Usage> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(Usage {
        cpu: cpu(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?,
        resident: kibibytes * 1024,
    })
}

/// The 14th and 15th fields are user and system time in clock ticks. The 2nd may have spaces in it, and ends with a bracket.
fn cpu(stat: &str) -> Option<Duration> {
    let after_name = stat.rsplit_once(')')?.1;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
}

/// Lets this process, and those that it starts, have as many open files as the system allows.
pub fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // Refused only where it is as high already; too few are noticed when connecting.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_read_past_any_name() {
        let stat = "42 (a) b (c) S 1 1 1 0 -1 4194304 1 0 0 0 150 50 0 0 20 0 1 0 7 8 9";
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        assert_eq!(cpu(stat), Some(Duration::from_secs_f64(200.0 / ticks)));
        assert_eq!(cpu("42 (x"), None);
    }

    #[test]
    fn this_process_uses_memory() {
        assert!(usage(std::process::id()).is_some_and(|usage| usage.resident > 0));
    }
}
