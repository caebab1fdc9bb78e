//! The machine stops in each call of a run of appends: what was answered holds afterwards.

use std::collections::BTreeMap;

use bytes::Bytes;
use protocol::content::Content;
use protocol::ids::{LogName, UserId, Version};

use super::{Death, Simulated};
use crate::conformance::Subject;
use crate::conformance::crashes::{Stoppable, run_names};
use crate::embedded::files::Fault;
use crate::{AppendError, Certainty, PairAppended, ReadRange, Store};

/// Messages in a run, and how many are called before the first is answered.
const MESSAGES: usize = 24;
const AT_ONCE: usize = 4;

type Told = Result<PairAppended, AppendError>;

fn message(n: usize) -> Bytes {
    let text = "x".repeat(n * 40);
    Content::text("amy", &format!("m{n}"), Some("bob"), &text).to_bytes()
}

fn inbox(name: &str) -> LogName {
    LogName::inbox(&UserId::new(name).unwrap())
}

async fn run(store: &dyn Store) -> Vec<Told> {
    let mut told = Vec::new();
    for part in (0..MESSAGES).collect::<Vec<_>>().chunks(AT_ONCE) {
        let calls: Vec<_> = part.iter().map(|&n| store.append_pair(vec![message(n)])).collect();
        for call in calls {
            told.extend(call.await);
        }
    }
    told
}

async fn stored(store: &dyn Store, log: LogName) -> BTreeMap<Bytes, Version> {
    let range = ReadRange { log, after: Version(0), max_entries: 1_000, max_bytes: 1 << 30 };
    let page = store.read(range).await.unwrap();
    let versions: Vec<_> = page.entries.iter().map(|entry| entry.version.0).collect();
    assert_eq!(versions, (1..=page.head.0).collect::<Vec<_>>(), "versions have no hole");
    let stored: BTreeMap<_, _> =
        page.entries.into_iter().map(|entry| (entry.content, entry.version)).collect();
    assert_eq!(stored.len(), versions.len(), "each message is there once");
    stored
}

async fn begin(seed: u64) -> Simulated {
    let subject = Simulated::new(32 << 10, Death::PowerCut(Some(seed)));
    for name in ["amy", "bob"] {
        subject.store().log_in(UserId::new(name).unwrap(), None).await.unwrap();
    }
    subject
}

/// Whether the run was stopped at all.
async fn stopped_at(nth: u64, seed: u64) -> bool {
    let mut subject = begin(seed).await;
    subject.files.inject(Fault::Stop { nth });
    let told = run(subject.store()).await;
    let stopped = told.iter().any(Result::is_err);
    subject.restart().await;
    let (amys, bobs) =
        (stored(subject.store(), inbox("amy")).await, stored(subject.store(), inbox("bob")).await);
    assert!(amys.keys().eq(bobs.keys()), "stopped at {nth}: a message is in one inbox only");
    for (n, told) in told.iter().enumerate() {
        let there = bobs.get(&message(n));
        match told {
            Ok(pair) => {
                assert_eq!(there, Some(&pair.recipient.version), "stopped at {nth}: {n} was answered")
            }
            Err(AppendError::Failed { certainty: Certainty::Maybe, .. }) => {}
            Err(AppendError::Failed { certainty: Certainty::Not, .. }) => {
                assert_eq!(there, None, "stopped at {nth}: {n} was refused for certain");
            }
            Err(refusal) => panic!("stopped at {nth}: {n} was refused by {refusal}"),
        }
    }
    assert!(run(subject.store()).await.iter().all(Result::is_ok), "stopped at {nth}: sending again");
    assert_eq!(stored(subject.store(), inbox("bob")).await.len(), MESSAGES);
    stopped
}

#[tokio::test]
async fn whatever_call_the_machine_stops_in_the_answers_hold() {
    for seed in 0..6 {
        let mut nth = 1;
        while stopped_at(nth, seed * 1_000).await {
            nth += 1;
        }
        assert!(nth > 10, "the run makes more than {nth} calls");
    }
}

impl Stoppable for Simulated {
    fn stop_after(&self, calls: u64) {
        self.files.inject(Fault::Stop { nth: calls + 1 });
    }

    fn stopped(&self) -> bool {
        self.store().health().is_err()
    }
}

#[tokio::test]
async fn whatever_call_the_machine_stops_in_a_name_that_is_given_again_has_nothing() {
    for seed in 0..3 {
        run_names(|| Simulated::new(32 << 10, Death::PowerCut(Some(seed * 1_000)))).await;
    }
}
