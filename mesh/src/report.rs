//! What a process tells of itself every beat: over its links to the msg_servers, and from there on `/sysctrl/monitor`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::health::Health;
use crate::tls::Certificate;

/// One process's figures at one moment. Unknown keys are ignored, so a mesh of mixed versions reports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Report {
    /// `gateway`, `msg_server`, `router`, `manager` or `monitor`.
    pub process: String,
    /// The configured `UUID`; for a msg_server its address.
    pub uuid: String,
    /// Where it is reached: a msg_server's `LocalIP`, else where it listens.
    pub addr: String,
    /// Its version.
    pub version: String,
    /// Its process id, on its own machine.
    pub pid: u32,
    /// When it started, in milliseconds since 1970, by its own clock.
    pub started: u64,
    /// How often it reports, in milliseconds; 0: it does not say.
    #[serde(default)]
    pub beat: u64,
    /// Whether it takes work: false while it starts and while it drains.
    pub ready: bool,
    /// What is wrong; empty: nothing.
    #[serde(default)]
    pub troubles: Vec<String>,
    /// Figures by name; a msg_server has at least `Connections`.
    #[serde(default)]
    pub figures: Map<String, Value>,
}

/// Who a process is: what stays the same in all of its reports.
#[derive(Debug, Clone)]
pub struct Identity {
    process: &'static str,
    uuid: String,
    addr: String,
    started: u64,
    beat: Duration,
    certificate: Certificate,
}

impl Identity {
    /// A process that starts now.
    pub fn new(process: &'static str, uuid: impl Into<String>, addr: impl Into<String>) -> Self {
        let (uuid, addr, certificate) = (uuid.into(), addr.into(), Certificate::default());
        Self { process, uuid, addr, started: now(), beat: Duration::ZERO, certificate }
    }

    /// The same process, saying how often it reports: who reads its reports can tell when it is silent.
    pub fn with_beat(self, beat: Duration) -> Self {
        Self { beat, ..self }
    }

    /// The same process, telling among its figures when this certificate ends.
    pub fn showing(self, certificate: &Certificate) -> Self {
        Self { certificate: certificate.clone(), ..self }
    }

    /// The role's name.
    pub fn process(&self) -> &'static str {
        self.process
    }

    /// The configured `UUID`.
    pub fn uuid(&self) -> &str {
        &self.uuid
    }

    /// Where it is reached.
    pub fn addr(&self) -> &str {
        &self.addr
    }

    /// What it reports now.
    pub fn report(&self, health: &dyn Health) -> Report {
        Report {
            process: self.process.into(),
            uuid: self.uuid.clone(),
            addr: self.addr.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            started: self.started,
            beat: self.beat.as_millis() as u64,
            ready: health.ready(),
            troubles: health.troubles(),
            figures: self.figures(health),
        }
    }

    /// Its figures, and those that every process has.
    pub fn figures(&self, health: &dyn Health) -> Map<String, Value> {
        let mut figures = health.figures();
        if let Some(end) = self.certificate.not_after() {
            figures.insert("CertificateNotAfterSeconds".into(), end.into());
        }
        figures
    }

    /// The report as JSON.
    pub fn report_json(&self, health: &dyn Health) -> Vec<u8> {
        serde_json::to_vec(&self.report(health)).unwrap_or_default()
    }
}

/// Milliseconds since 1970, by this machine's clock.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_of_a_later_version_is_read() {
        let json = r#"{"Process":"router","Uuid":"20000","Addr":"a","Version":"9","Pid":1,"Started":5,"Ready":true,"Later":{}}"#;
        let report: Report = serde_json::from_str(json).unwrap();
        assert_eq!((report.process.as_str(), report.started, report.figures.len()), ("router", 5, 0));
    }
}
