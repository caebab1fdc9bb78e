//! How fast a process's counters rise.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

/// What the name of a figure that only ever rises ends in.
const COUNTER: &str = "Total";

/// What the name of its rate ends in.
const RATE: &str = "PerSecond";

/// The rates of one process. Its reports come over several links, a moment apart: so a rate is never taken over
/// less than `window`, and a repeat changes nothing.
#[derive(Debug, Default)]
pub struct Rates {
    since: Option<(Instant, BTreeMap<String, f64>)>,
    per_second: BTreeMap<String, f64>,
}

impl Rates {
    /// Takes the figures of a report that came at `now`.
    pub fn take(&mut self, figures: &Map<String, Value>, now: Instant, window: Duration) {
        let Some((then, before)) = &self.since else {
            self.since = Some((now, counters(figures)));
            return;
        };
        let elapsed = now.saturating_duration_since(*then);
        if elapsed < window || elapsed.is_zero() {
            return;
        }
        let after = counters(figures);
        self.per_second = rise(before, &after, elapsed);
        self.since = Some((now, after));
    }

    /// Forgets all: the process began anew, and its counters with it.
    pub fn restart(&mut self) {
        *self = Self::default();
    }

    /// By name, as `MessagesInPerSecond` from `MessagesInTotal`; empty until two reports have come.
    pub fn per_second(&self) -> &BTreeMap<String, f64> {
        &self.per_second
    }
}

fn counters(figures: &Map<String, Value>) -> BTreeMap<String, f64> {
    let counter = |(name, value): (&String, &Value)| {
        let name = name.strip_suffix(COUNTER).filter(|name| !name.is_empty())?;
        Some((name.to_owned(), value.as_f64()?))
    };
    figures.iter().filter_map(counter).collect()
}

/// A counter that fell has no rate: it says nothing of what happened.
fn rise(
    before: &BTreeMap<String, f64>,
    after: &BTreeMap<String, f64>,
    elapsed: Duration,
) -> BTreeMap<String, f64> {
    let rate = |(name, after): (&String, &f64)| {
        let rise = after - before.get(name)?;
        (rise >= 0.0).then(|| (format!("{name}{RATE}"), rise / elapsed.as_secs_f64()))
    };
    after.iter().filter_map(rate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(4);

    fn figures(messages: u64) -> Map<String, Value> {
        let figures =
            serde_json::json!({"MessagesInTotal": messages, "Connections": 7, "Total": 1, "NoteTotal": "x"});
        figures.as_object().unwrap().clone()
    }

    #[test]
    fn a_rate_is_the_rise_of_a_counter_between_two_reports() {
        let (mut rates, start) = (Rates::default(), Instant::now());
        rates.take(&figures(100), start, WINDOW);
        assert!(rates.per_second().is_empty());
        rates.take(&figures(150), start + Duration::from_secs(5), WINDOW);
        assert_eq!(*rates.per_second(), BTreeMap::from([("MessagesInPerSecond".to_owned(), 10.0)]));
    }

    #[test]
    fn the_same_report_over_a_second_link_changes_nothing() {
        let (mut rates, start) = (Rates::default(), Instant::now());
        rates.take(&figures(100), start, WINDOW);
        rates.take(&figures(150), start + Duration::from_secs(5), WINDOW);
        rates.take(&figures(150), start + Duration::from_millis(5_003), WINDOW);
        rates.take(&figures(250), start + Duration::from_secs(10), WINDOW);
        assert_eq!(rates.per_second()["MessagesInPerSecond"], 20.0);
    }

    #[test]
    fn a_counter_that_fell_has_no_rate_until_it_rises_again() {
        let (mut rates, start) = (Rates::default(), Instant::now());
        for (seconds, count) in [(0, 100), (5, 10)] {
            rates.take(&figures(count), start + Duration::from_secs(seconds), WINDOW);
        }
        assert!(rates.per_second().is_empty());
        rates.take(&figures(60), start + Duration::from_secs(10), WINDOW);
        assert_eq!(rates.per_second()["MessagesInPerSecond"], 10.0);
        rates.restart();
        assert!(rates.per_second().is_empty());
    }
}
