//! All processes' figures in the text form that Prometheus reads.

use std::collections::BTreeMap;
use std::fmt::Write;

use mesh::health::snake_case;

use crate::view::{MeshView, ProcessView, State};

/// The samples of one name, by their labels: a name has one `# TYPE`, and no two samples have the same labels.
type Samples = BTreeMap<String, BTreeMap<String, f64>>;

/// `GET /metrics`. Of a silent process only `shoal_process_up 0` and the age of its report are left.
pub fn text(view: &MeshView) -> String {
    let mut samples = Samples::new();
    for process in &view.processes {
        add_process(&mut samples, process);
    }
    for link in &view.links {
        let labels = format!("addr=\"{}\"", escaped(&link.addr));
        put(&mut samples, "shoal_monitor_link_up".into(), labels, f64::from(u8::from(link.up)));
    }
    let mut text = String::new();
    for (name, samples) in samples {
        let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# TYPE {name} {kind}");
        for (labels, value) in samples {
            let _ = writeln!(text, "{name}{{{labels}}} {value}");
        }
    }
    text
}

fn add_process(samples: &mut Samples, process: &ProcessView) {
    let report = &process.report;
    let labels = format!(
        "process=\"{}\",uuid=\"{}\",addr=\"{}\"",
        escaped(&report.process),
        escaped(&report.uuid),
        escaped(&report.addr)
    );
    let up = process.state != State::Silent;
    let mut add = |name: &str, value: f64| put(samples, format!("shoal_{name}"), labels.clone(), value);
    add("process_up", f64::from(u8::from(up)));
    add("process_report_age_seconds", process.heard_ago as f64 / 1000.0);
    if !up {
        return;
    }
    add("process_ready", f64::from(u8::from(report.ready)));
    add("process_troubles", report.troubles.len() as f64);
    add("process_start_time_seconds", report.started as f64 / 1000.0);
    for (name, value) in &report.figures {
        if let Some(number) = value.as_f64() {
            add(&snake_case(name), number);
        }
    }
    let version = format!("{labels},version=\"{}\"", escaped(&report.version));
    put(samples, "shoal_process_info".into(), version, 1.0);
}

fn put(samples: &mut Samples, name: String, labels: String, value: f64) {
    samples.entry(name).or_default().entry(labels).or_insert(value);
}

/// As a label's value is written: <https://prometheus.io/docs/instrumenting/exposition_formats/>.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use serde_json::json;

    use super::*;
    use crate::collect::Collection;

    fn text_of(reports: serde_json::Value, later: Duration) -> String {
        let (mut collection, now) = (Collection::new(Duration::from_secs(5)), Instant::now());
        collection.link("a:1", true, now);
        for report in reports.as_array().unwrap() {
            collection.reported("a:1", serde_json::from_value(report.clone()).unwrap(), now);
        }
        text(&MeshView::new(&collection, now + later, 0))
    }

    fn report(uuid: &str) -> serde_json::Value {
        json!({"Process": "router", "Uuid": uuid, "Addr": "r:1", "Version": "0.1.0", "Pid": 1, "Started": 1500,
               "Ready": true, "Figures": {"MessagesInTotal": 7, "Links": 2, "Note": "x"}})
    }

    #[test]
    fn each_name_is_typed_once_and_each_process_labelled() {
        let text = text_of(json!([report("1"), report("2")]), Duration::ZERO);
        assert_eq!(text.matches("# TYPE shoal_messages_in_total counter\n").count(), 1);
        for uuid in [1, 2] {
            let labels = format!("process=\"router\",uuid=\"{uuid}\",addr=\"r:1\"");
            for sample in
                ["messages_in_total{} 7", "links{} 2", "process_up{} 1", "process_start_time_seconds{} 1.5"]
            {
                let line = format!("\nshoal_{}\n", sample.replace("{}", &format!("{{{labels}}}")));
                assert!(text.contains(&line), "no {line} in {text}");
            }
        }
        assert!(text.contains("shoal_monitor_link_up{addr=\"a:1\"} 1\n") && !text.contains("note"), "{text}");
    }

    #[test]
    fn a_silent_process_is_down_and_its_figures_are_gone() {
        let text = text_of(json!([report("1")]), Duration::from_secs(60));
        assert!(text.contains("shoal_process_up{process=\"router\",uuid=\"1\",addr=\"r:1\"} 0\n"), "{text}");
        assert!(!text.contains("messages_in"), "{text}");
    }

    #[test]
    fn labels_are_escaped() {
        assert!(text_of(json!([report("a\"b\\\n")]), Duration::ZERO).contains(r#"uuid="a\"b\\\n""#));
    }
}
