//! What a run says in the end.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::check::{Harm, Verdict, story};
use crate::history::{History, How};
use crate::run::{End, Outcome};
use crate::settings::Settings;
use crate::stage::Stage;

/// Of a broken promise's faults, so many are told with their history.
const STORIES: usize = 2;

/// A run in figures.
#[derive(Debug, Clone, Serialize, Default)]
#[serde(rename_all = "snake_case")]
pub struct Summary {
    /// Whether every promise was kept.
    pub passed: bool,
    /// By which the same run can be made again.
    pub seed: u64,
    /// Clients.
    pub clients: usize,
    /// Through what they talked.
    pub via: String,
    /// How long there was traffic, in seconds.
    pub traffic_seconds: f64,
    /// Messages that were sent, each counted once.
    pub sent: usize,
    /// Acknowledged.
    pub acked: usize,
    /// Acknowledged messages a second.
    pub acked_per_second: f64,
    /// Refused as not stored, and given up.
    pub refused: usize,
    /// Answers that a message may have been stored.
    pub maybe: u64,
    /// Sent again, each time counted.
    pub resent: usize,
    /// Pushes to clients.
    pub pushed: usize,
    /// Own sends that were pushed as well.
    pub echoes: u64,
    /// Entries that the logs hold in the end.
    pub stored: usize,
    /// What was done to each process.
    pub kills: BTreeMap<String, usize>,
    /// Sessions after each client's first.
    pub reconnects: usize,
    /// The longest time that one client was without a session, in seconds.
    pub longest_outage_seconds: f64,
    /// From the first sending of a message to its acknowledgement, in milliseconds: half of them, 99 of 100, and all.
    pub ack_p50_ms: f64,
    /// See `ack_p50_ms`.
    pub ack_p99_ms: f64,
    /// See `ack_p50_ms`.
    pub ack_max_ms: f64,
    /// How long after the end of the traffic everyone was connected and answered, in seconds.
    pub settled_after_seconds: Option<f64>,
    /// How long after that everyone had everything, in seconds.
    pub level_after_seconds: Option<f64>,
    /// Who did not get there.
    pub lacking: Vec<String>,
    /// Faults by which somebody lacks something.
    pub losses: usize,
    /// Faults by which somebody has something twice.
    pub repeats: usize,
    /// Other faults.
    pub other_faults: usize,
    /// Faults by promise.
    pub promises: Vec<Promise>,
}

/// How often a promise was broken.
#[derive(Debug, Clone, Serialize)]
pub struct Promise {
    /// What was promised.
    pub promise: &'static str,
    /// How often it was broken.
    pub faults: usize,
    /// The first faults.
    pub first: Vec<String>,
}

impl Summary {
    pub(crate) fn of(
        settings: &Settings,
        stage: &Stage,
        history: &History,
        verdicts: &[Verdict],
        traffic: Duration,
        end: End,
    ) -> Self {
        let mut summary = Self {
            passed: verdicts.iter().all(|verdict| verdict.count == 0),
            seed: settings.seed,
            clients: settings.clients,
            via: settings.via.to_string(),
            traffic_seconds: traffic.as_secs_f64(),
            level_after_seconds: end.level_after.map(|after| after.as_secs_f64()),
            lacking: end.lacking,
            stored: history.logs.iter().map(|log| log.stored.len()).sum(),
            ..Self::default()
        };
        summary.count_sends(history);
        summary.count_sessions(stage, history);
        summary.count_faults(verdicts);
        summary
    }

    fn count_sends(&mut self, history: &History) {
        // Three digits of any time up to an hour, in microseconds.
        let mut latencies = Histogram::<u64>::new_with_max(3_600_000_000, 3).ok();
        for (_, send) in history.sends() {
            self.sent += 1;
            self.resent += send.again.len();
            self.refused += usize::from(send.refused);
            if let Some((at, _)) = send.acked {
                self.acked += 1;
                let micros = at.since(send.at).as_micros() as u64;
                latencies.iter_mut().for_each(|latencies| latencies.saturating_record(micros));
            }
        }
        self.acked_per_second = self.acked as f64 / self.traffic_seconds.max(f64::EPSILON);
        if let Some(latencies) = latencies {
            let ms = |micros: u64| micros as f64 / 1000.0;
            self.ack_p50_ms = ms(latencies.value_at_quantile(0.5));
            self.ack_p99_ms = ms(latencies.value_at_quantile(0.99));
            self.ack_max_ms = ms(latencies.max());
        }
    }

    fn count_sessions(&mut self, stage: &Stage, history: &History) {
        for record in &stage.records {
            let record = record.lock();
            self.maybe += record.maybes;
            self.echoes += record.echoes;
        }
        for client in &history.clients {
            self.pushed += client.seen.iter().filter(|seen| seen.how == How::Pushed).count();
            self.reconnects += client.sessions.len().saturating_sub(1);
            for pair in client.sessions.windows(2) {
                if let Some((ended, _)) = &pair[0].ended {
                    let outage = pair[1].began.since(*ended).as_secs_f64();
                    self.longest_outage_seconds = self.longest_outage_seconds.max(outage);
                }
            }
        }
        for incident in &history.incidents {
            if let Some(part) =
                incident.what.strip_suffix(" is killed").or(incident.what.strip_suffix(" is paused"))
            {
                *self.kills.entry(part.to_owned()).or_default() += 1;
            }
        }
        let hushed = history.incidents.iter().find(|incident| incident.what == "the traffic ends");
        if let (Some(hushed), Some(settled)) = (hushed, history.settled) {
            self.settled_after_seconds = Some(settled.since(hushed.at).as_secs_f64());
        }
    }

    fn count_faults(&mut self, verdicts: &[Verdict]) {
        let harm = |harm| verdicts.iter().filter(|verdict| verdict.harm == harm).map(|one| one.count).sum();
        (self.losses, self.repeats, self.other_faults) =
            (harm(Harm::Loss), harm(Harm::Repeat), harm(Harm::Other));
        self.promises = verdicts
            .iter()
            .map(|verdict| Promise {
                promise: verdict.promise,
                faults: verdict.count,
                first: verdict.faults.iter().map(|fault| fault.what.clone()).collect(),
            })
            .collect();
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let seconds =
            |some: Option<f64>| some.map_or("never".to_owned(), |seconds| format!("{seconds:.3} s"));
        let kills: Vec<_> = self.kills.iter().map(|(part, count)| format!("{part} {count}")).collect();
        let (p50, p99, max) = (self.ack_p50_ms, self.ack_p99_ms, self.ack_max_ms);
        vec![
            ("clients", format!("{} via {}", self.clients, self.via)),
            ("traffic", format!("{:.1} s", self.traffic_seconds)),
            ("sent", self.sent.to_string()),
            ("acked", format!("{} ({:.0}/s)", self.acked, self.acked_per_second)),
            ("refused (not stored)", self.refused.to_string()),
            ("maybe", self.maybe.to_string()),
            ("resent", self.resent.to_string()),
            ("pushed", format!("{} ({} of them own sends)", self.pushed, self.echoes)),
            ("entries stored", self.stored.to_string()),
            ("kills", kills.join(", ")),
            ("reconnects", self.reconnects.to_string()),
            ("longest outage", format!("{:.3} s", self.longest_outage_seconds)),
            ("ack latency", format!("p50 {p50:.1} ms, p99 {p99:.1} ms, max {max:.1} ms")),
            ("connected and answered", format!("{} after the traffic", seconds(self.settled_after_seconds))),
            ("everyone has everything", format!("{} later", seconds(self.level_after_seconds))),
            ("losses", self.losses.to_string()),
            ("repeats", self.repeats.to_string()),
            ("other faults", self.other_faults.to_string()),
            ("seed", self.seed.to_string()),
        ]
    }
}

impl Outcome {
    /// A table for people; where a promise was broken, with the history of the first faults.
    pub fn text(&self) -> String {
        let mut lines = Vec::new();
        for (name, value) in self.summary.rows() {
            lines.push(format!("{name:<26} {value}"));
        }
        for verdict in &self.verdicts {
            let mark = if verdict.count == 0 { "ok  ".to_owned() } else { format!("{:<4}", verdict.count) };
            lines.push(format!("{mark} {}", verdict.promise));
        }
        lines.extend(self.summary.lacking.iter().map(|who| format!("lacking: {who}")));
        for verdict in self.verdicts.iter().filter(|verdict| verdict.count > 0) {
            lines.push(format!("\nBROKEN ({}): {}", verdict.count, verdict.promise));
            for fault in verdict.faults.iter().take(STORIES) {
                lines.push(format!("  {}", fault.what));
                lines.extend(story::tell(&self.history, fault).iter().map(|line| format!("    {line}")));
            }
        }
        lines.join("\n")
    }

    /// The summary as one JSON object.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(&self.summary)
            .unwrap_or_else(|error| unreachable!("figures and texts are JSON: {error}"))
    }
}
