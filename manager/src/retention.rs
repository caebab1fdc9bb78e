//! Retention: entries older than the configured age lose their bodies.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use mesh::process::Shutdown;
use mesh::report::now;
use protocol::ids::{LogName, Time, Version};
use storage::{ReadRange, Store, StoreError};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

/// An age is looked at so many times: nothing becomes much older than it may.
const PARTS: u32 = 10;
/// Logs are not looked through more often, nor less often, than this.
const EVERY: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);
/// So long after the start the first time: whoever comes back after a restart goes first.
const FIRST: Duration = Duration::from_secs(60);
/// Names of logs that are asked for at once.
const LOGS_AT_ONCE: usize = 1_000;

/// Trims every log again and again, until the process drains.
pub async fn keep_trimming(store: Arc<dyn Store>, age: Duration, shutdown: Shutdown) {
    let every = rhythm(age);
    let mut ticks = interval_at(Instant::now() + every.min(FIRST), every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.draining() => return,
            _ = ticks.tick() => {}
        }
        let before = Time(now().saturating_sub(age.as_millis().try_into().unwrap_or(u64::MAX)));
        let trimmed = tokio::select! {
            () = shutdown.draining() => return,
            trimmed = trim_all(&*store, before) => trimmed,
        };
        match trimmed {
            Ok(0) => {}
            Ok(logs) => tracing::info!(logs, "retention took what was too old"),
            Err(error) => tracing::warn!(%error, again = ?every, "retention cannot go on: tried again later"),
        }
    }
}

/// How often logs are looked through for what is older than this.
fn rhythm(age: Duration) -> Duration {
    (age / PARTS).clamp(*EVERY.start(), *EVERY.end())
}

/// Trims every log to what is not older than `before`. Returns how many logs had something to trim.
async fn trim_all(store: &dyn Store, before: Time) -> Result<usize, StoreError> {
    let (mut trimmed, mut after) = (0, None);
    loop {
        let logs = store.logs(after.take(), LOGS_AT_ONCE).await?;
        let Some(last) = logs.last().cloned() else { return Ok(trimmed) };
        for log in logs {
            trimmed += usize::from(trim(store, log, before).await?);
        }
        after = Some(last);
    }
}

/// Trims one log; whether there was something to trim.
async fn trim(store: &dyn Store, log: LogName, before: Time) -> Result<bool, StoreError> {
    let bounds = store.bounds(vec![log.clone()]).await?;
    let Some(bounds) = bounds.first() else { return Ok(false) };
    let mut search = Search::new(bounds.first, bounds.head);
    while let Some(version) = search.next() {
        let time = time_of(store, &log, version).await?;
        search.answer(version, time.is_some_and(|time| time < before));
    }
    if search.kept == bounds.first {
        return Ok(false);
    }
    store.trim(log, search.kept).await?;
    Ok(true)
}

async fn time_of(store: &dyn Store, log: &LogName, version: Version) -> Result<Option<Time>, StoreError> {
    let after = Version(version.0.saturating_sub(1));
    let range = ReadRange { log: log.clone(), after, max_entries: 1, max_bytes: 1 };
    Ok(store.read(range).await?.entries.first().map(|entry| entry.time))
}

/// Looks for the first version that is kept: times do not fall from one version to the next. The newest entry is
/// always kept. Nearly every log has nothing to trim, so its oldest entry is looked at first.
#[derive(Debug)]
struct Search {
    /// Everything before this is old.
    kept: Version,
    /// This one is kept.
    young: Version,
    looked: bool,
}

impl Search {
    fn new(first: Version, head: Version) -> Self {
        Self { kept: first, young: head.max(first), looked: false }
    }

    /// The version whose age is to be looked at next; `None` when the search has ended.
    fn next(&mut self) -> Option<Version> {
        let open = self.young.0 - self.kept.0;
        let step = if self.looked { open / 2 } else { 0 };
        self.looked = true;
        (open > 0).then(|| Version(self.kept.0 + step))
    }

    fn answer(&mut self, version: Version, is_old: bool) {
        if is_old {
            self.kept = version.next();
        } else {
            self.young = version;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use protocol::content::Content;
    use protocol::ids::UserId;
    use storage::embedded::{EmbeddedStore, Options};

    use super::*;

    #[tokio::test]
    async fn a_log_loses_what_is_older_than_the_limit_and_keeps_its_newest_entry() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(AtomicU64::new(0));
        let now = Arc::clone(&clock);
        let options = Options {
            segment_bytes: 4 << 20,
            clock: Arc::new(move || Time(now.load(Ordering::Relaxed))),
            ..Options::default()
        };
        let store = EmbeddedStore::open(folder.path(), options).unwrap();
        for (user, times) in [("amy", 100..110), ("bob", 100..103), ("eve", 108..110)] {
            store.log_in(UserId::new(user).unwrap(), None).await.unwrap();
            for time in times {
                clock.store(time, Ordering::Relaxed);
                let message = Content::text(user, &time.to_string(), Some(user), "hi").to_bytes();
                store.append_pair(vec![message]).await.remove(0).unwrap();
            }
        }
        assert_eq!(trim_all(&store, Time(105)).await, Ok(1));
        let logs = ["u/amy", "u/bob", "u/eve"].map(|log| LogName::new(log).unwrap());
        let bounds = store.bounds(logs.to_vec()).await.unwrap();
        let bounds: Vec<_> = bounds.iter().map(|bounds| (bounds.first.0, bounds.head.0)).collect();
        // The clock of a store never goes back: bob's and eve's entries are all of the time of amy's last.
        assert_eq!(bounds, [(6, 10), (1, 3), (1, 2)]);
        assert_eq!(trim_all(&store, Time(105)).await, Ok(0));
        assert_eq!(trim_all(&store, Time(1000)).await, Ok(3));
        let bounds = store.bounds(logs.to_vec()).await.unwrap();
        assert!(bounds.iter().all(|bounds| bounds.first == bounds.head), "{bounds:?}");
    }

    #[test]
    fn exactly_what_is_old_is_trimmed_but_never_the_newest() {
        for first in [1u64, 4] {
            for head in first..first + 40 {
                for old_upto in 0..=head + 1 {
                    let mut search = Search::new(Version(first), Version(head));
                    let mut looks = 0;
                    while let Some(version) = search.next() {
                        assert!((first..head).contains(&version.0));
                        search.answer(version, version.0 <= old_upto);
                        looks += 1;
                    }
                    let expected = (old_upto + 1).clamp(first, head);
                    assert_eq!(search.kept, Version(expected), "{first} {head} {old_upto}");
                    assert!(looks <= 8);
                }
            }
        }
    }

    #[test]
    fn a_log_with_nothing_old_is_looked_at_once() {
        let mut search = Search::new(Version(1), Version(1_000_000));
        let version = search.next().unwrap();
        search.answer(version, false);
        assert_eq!((version, search.next(), search.kept), (Version(1), None, Version(1)));
    }

    #[test]
    fn nothing_becomes_older_than_it_may_by_more_than_a_tenth_or_an_hour() {
        let second = Duration::from_secs(1);
        for (age, every) in
            [(second, second), (600 * second, 60 * second), (86_400 * 30 * second, 3_600 * second)]
        {
            assert_eq!(rhythm(age), every);
        }
    }

    #[test]
    fn an_empty_log_is_left_alone() {
        assert_eq!(Search::new(Version(1), Version(0)).next(), None);
    }
}
