//! Space is given back, and nothing that anybody may ask for is lost by it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use proptest::prelude::*;
use protocol::content::Content;
use protocol::ids::{LogName, TopicName, UserId, Version};
use protocol::link::request::Mark;

use super::{Death, Simulated};
use crate::conformance::{DEDUPE, Subject, dump, history};
use crate::embedded::files::Fault;
use crate::embedded::state::keys;
use crate::embedded::state::view::Pairs;
use crate::pair::complete_open_pairs;
use crate::{Append, CursorMove, NewTopic, ReadRange, Store};

/// Small segments, of which a few messages fill one.
const SEGMENT: u32 = 16 << 10;
const TEXT: usize = 400;

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn inbox(name: &str) -> LogName {
    LogName::inbox(&user(name))
}

fn garden() -> TopicName {
    TopicName::new("garden").unwrap()
}

fn message(n: u64) -> bytes::Bytes {
    Content::text("amy", &format!("m{n}"), Some("bob"), &"x".repeat(TEXT / 4)).to_bytes()
}

fn said(n: u64) -> Append {
    let content = Content::text("bob", &format!("m{n}"), None, &"y".repeat(TEXT)).to_bytes();
    Append { log: LogName::topic(&garden()), content, open: false }
}

/// Messages to bob and to the garden, with numbers of this range; bob has received and read each.
async fn talk(store: &dyn Store, range: std::ops::Range<u64>) {
    for name in ["amy", "bob"] {
        store.log_in(user(name), Some(protocol::ids::DeviceId::new("phone").unwrap())).await.unwrap();
    }
    store.create_topic(NewTopic::new(garden(), user("amy"))).await.unwrap();
    store.join_topic(garden(), user("bob"), None).await.unwrap();
    for n in range {
        let version = store.append_pair(vec![message(n)]).await.pop().unwrap().unwrap().recipient.version;
        store.append(vec![said(n)]).await.pop().unwrap().unwrap();
        for mark in [Mark::Received, Mark::Read] {
            let moved = CursorMove { user: user("bob"), device: None, log: inbox("bob"), mark, version };
            store.move_cursors(vec![moved]).await.pop().unwrap().unwrap();
        }
    }
}

async fn trim(store: &dyn Store, before: u64) {
    for log in [inbox("amy"), inbox("bob"), LogName::topic(&garden())] {
        store.trim(log, Version(before)).await.unwrap();
    }
}

/// All keys and values but how far the index is.
async fn everything(subject: &Simulated) -> Pairs {
    let all = subject.embedded().everything().await.unwrap();
    all.into_iter().filter(|(key, _)| key != keys::CHECKPOINT).collect()
}

fn bytes(subject: &Simulated) -> u64 {
    subject.embedded().space().unwrap().bytes
}

async fn compact(subject: &Simulated) -> u64 {
    subject.embedded().compact().await.unwrap()
}

#[tokio::test]
async fn what_retention_took_gives_its_space_back_and_the_rest_stays() {
    for index in [false, true] {
        let mut subject = Simulated::new(4 * SEGMENT, Death::PowerCut(None));
        if index {
            subject = subject.with_index();
        }
        talk(subject.store(), 0..600).await;
        assert_eq!(compact(&subject).await, 0, "nothing is dead");
        let before = bytes(&subject);
        assert!(before > 200_000);
        trim(subject.store(), 590).await;
        let (held, given_back) = (dump(subject.store()).await, compact(&subject).await);
        assert_eq!(bytes(&subject), before - given_back);
        assert!(bytes(&subject) < before / 4, "{} of {before} bytes are left", bytes(&subject));
        assert_eq!(compact(&subject).await, 0, "there is no more to be gained");
        for _ in 0..2 {
            assert_eq!(dump(subject.store()).await, held);
            let all = everything(&subject).await;
            subject.restart().await;
            assert_eq!(everything(&subject).await, all, "built anew from what is left it is the same");
        }
        // Repeats of what was taken are known by its stubs, until they need not be.
        let again = subject.store().append_pair(vec![message(3), message(595)]).await;
        let versions = again
            .iter()
            .map(|pair| pair.as_ref().map(|pair| (pair.recipient.version.0, pair.recipient.duplicate)));
        assert!(versions.eq([Ok((4, true)), Ok((596, true))].iter().map(|pair| pair.as_ref().copied())));
        let stubs = bytes(&subject);
        subject.pass(DEDUPE * 2);
        talk(subject.store(), 600..601).await;
        compact(&subject).await;
        assert!(bytes(&subject) < stubs, "stubs go too");
        let all = everything(&subject).await;
        subject.restart().await;
        assert_eq!(everything(&subject).await, all);
        let late = subject.store().append_pair(vec![message(3)]).await.pop().unwrap().unwrap();
        assert!(!late.sender.duplicate);
    }
}

#[tokio::test]
async fn cursors_that_were_moved_on_give_their_space_back_and_memberships_stay_as_they_were_counted() {
    let mut subject = Simulated::new(4 * SEGMENT, Death::Kill);
    talk(subject.store(), 0..1).await;
    for n in 0..500 {
        let content = Content::text("bob", &format!("s{n}"), None, "").to_bytes();
        let short = Append { log: LogName::topic(&garden()), content, open: false };
        let version = subject.store().append(vec![short]).await.pop().unwrap().unwrap().version;
        for name in ["amy", "bob", "eve"] {
            let (user, log, mark) = (user(name), LogName::topic(&garden()), Mark::Read);
            let moved = CursorMove { user, device: None, log, mark, version };
            subject.store().move_cursors(vec![moved]).await.pop().unwrap().unwrap();
        }
        if n < 20 {
            subject.store().join_topic(garden(), user("eve"), None).await.unwrap();
            subject.store().leave_topic(garden(), user("eve")).await.unwrap();
        }
    }
    let revision = subject.store().log_in(user("eve"), None).await.unwrap().revision;
    assert_eq!(revision, 40);
    let (before, held) = (bytes(&subject), dump(subject.store()).await);
    let given_back = compact(&subject).await;
    assert!(given_back > before / 2, "{given_back} of {before} bytes");
    for _ in 0..2 {
        assert_eq!(dump(subject.store()).await, held);
        assert_eq!(subject.store().log_in(user("eve"), None).await.unwrap().revision, revision);
        let all = everything(&subject).await;
        subject.restart().await;
        assert_eq!(everything(&subject).await, all);
    }
}

#[tokio::test]
async fn wherever_the_machine_stops_while_space_is_given_back_nothing_is_lost() {
    let mut whole = Simulated::new(SEGMENT, Death::PowerCut(None));
    talk(whole.store(), 0..120).await;
    trim(whole.store(), 117).await;
    let held = dump(whole.store()).await;
    whole.store = None;
    for (index, seed) in [(false, 1), (false, 2), (true, 3)] {
        for nth in 1.. {
            let mut subject = Simulated::new(SEGMENT, Death::PowerCut(Some(seed * 1_000 + nth)));
            subject.store = None;
            subject.files = whole.files.fork();
            subject.options.files = Arc::new(subject.files.clone());
            subject.open().unwrap();
            if index {
                subject = subject.with_index();
            }
            subject.files.inject(Fault::Stop { nth });
            let stopped = subject.embedded().compact().await.is_err();
            subject.restart().await;
            assert_eq!(dump(subject.store()).await, held, "stopped in call {nth}");
            compact(&subject).await;
            let after = everything(&subject).await;
            subject.index = None;
            subject.restart().await;
            assert_eq!(everything(&subject).await, after, "stopped in call {nth}, built anew");
            assert_eq!(dump(subject.store()).await, held, "stopped in call {nth}, built anew");
            if !stopped {
                assert!(nth > 15, "giving space back makes many calls");
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn whoever_reads_and_writes_meanwhile_notices_nothing() {
    let mut subject = Simulated::new(SEGMENT, Death::Kill).with_index();
    subject.store = None;
    subject.options.readers = 2;
    subject.open().unwrap();
    talk(subject.store(), 0..200).await;
    let (subject, done) = (Arc::new(subject), Arc::new(AtomicBool::new(false)));
    let reading: Vec<_> = (0..2)
        .map(|_| {
            let (subject, done) = (Arc::clone(&subject), Arc::clone(&done));
            tokio::spawn(async move {
                while !done.load(Ordering::SeqCst) {
                    let range = ReadRange {
                        log: inbox("bob"),
                        after: Version(0),
                        max_entries: 1_000,
                        max_bytes: 1 << 20,
                    };
                    let page = subject.store().read(range).await.unwrap();
                    for entry in page.entries {
                        assert_eq!(entry.content, message(entry.version.0 - 1));
                    }
                }
            })
        })
        .collect();
    for round in 0..8 {
        let from = 200 + round * 20;
        // What bob reads lies between what is taken, and so is moved each time.
        subject.store().trim(LogName::topic(&garden()), Version(from - 30)).await.unwrap();
        let (_, given_back) = tokio::join!(talk(subject.store(), from..from + 20), compact(&subject));
        assert!(round > 0 || given_back > 0);
    }
    done.store(true, Ordering::SeqCst);
    for reading in reading {
        reading.await.unwrap();
    }
}

#[tokio::test]
async fn the_open_half_of_a_pair_stays_whatever_retention_takes() {
    let mut subject = Simulated::new(SEGMENT, Death::Kill);
    talk(subject.store(), 0..1).await;
    let half = Append { log: inbox("amy"), content: message(1_000), open: true };
    subject.store().append(vec![half]).await.pop().unwrap().unwrap();
    talk(subject.store(), 1..60).await;
    trim(subject.store(), 58).await;
    assert!(compact(&subject).await > 0);
    subject.restart().await;
    let done = complete_open_pairs(subject.store(), protocol::ids::Time(u64::MAX), 9).await.unwrap();
    assert_eq!(done.whole, 1);
    let bobs = dump(subject.store()).await.logs[&inbox("bob")].1.clone();
    assert_eq!(bobs.last().unwrap().1, message(1_000));
}

#[tokio::test]
async fn an_index_from_before_is_brought_up_to_date_or_built_anew() {
    let mut subject = Simulated::new(SEGMENT, Death::Kill).with_index();
    talk(subject.store(), 0..60).await;
    subject.store = None;
    let old = tempfile::tempdir().unwrap();
    copy(subject.index.as_ref().unwrap().path(), old.path());
    subject.open().unwrap();
    trim(subject.store(), 30).await;
    compact(&subject).await;
    let (held, all) = (dump(subject.store()).await, everything(&subject).await);
    subject.store = None;
    subject.index = Some(old);
    subject.open().unwrap();
    assert_eq!(dump(subject.store()).await, held);
    assert_eq!(everything(&subject).await, all);
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}

#[tokio::test]
async fn damage_found_meanwhile_is_left_as_it_is() {
    let subject = Simulated::new(SEGMENT, Death::Kill);
    talk(subject.store(), 0..60).await;
    trim(subject.store(), 58).await;
    let file = super::log_dir().join("00000002.log");
    subject.files.edit(&file, |bytes| bytes[5_000] ^= 1).unwrap();
    let before = subject.files.bytes(&file).unwrap();
    let refused = subject.embedded().compact().await.unwrap_err().to_string();
    assert!(refused.contains("00000002.log is damaged"), "{refused}");
    assert_eq!(subject.files.bytes(&file).unwrap(), before);
    subject.embedded().compact().await.unwrap();
    assert_eq!(subject.files.bytes(&file).unwrap(), before, "the rest is compacted without it");
}

/// A store that gives its space back before and after each restart.
struct Compacting(Simulated);

impl Subject for Compacting {
    fn store(&self) -> &dyn Store {
        self.0.store()
    }

    fn restart(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            compact(&self.0).await;
            let was = everything(&self.0).await;
            self.0.restart().await;
            assert_eq!(everything(&self.0).await, was);
            compact(&self.0).await;
        })
    }

    fn pass(&self, time: Duration) {
        self.0.pass(time);
    }
}

fn steps() -> impl Strategy<Value = Vec<history::Step>> {
    let step = any::<u64>().prop_map(|number| history::Step::random(number, 0));
    // Many trims and restarts, so that much dies and much is compacted.
    let step = prop_oneof![
        8 => step,
        1 => (any::<u8>(), any::<u8>()).prop_map(|(log, before)| history::Step::Trim(log, before)),
        1 => Just(history::Step::Restart),
    ];
    prop::collection::vec(step, 0..300)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_history_is_answered_as_by_the_model_however_often_space_is_given_back(
        steps in steps(), seed in any::<u32>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let subject = Simulated::new(10 << 10, Death::PowerCut(Some(seed.into())));
            history::run(&mut Compacting(subject), steps).await;
        });
    }
}
