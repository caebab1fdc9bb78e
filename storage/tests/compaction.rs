//! Space is given back on this machine's disk, and an older program's store is read and compacted.

// What is set up for the tests fails by panicking.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use protocol::content::Content;
use protocol::ids::{LogName, TopicName, UserId, Version};
use storage::conformance::dump;
use storage::embedded::commit_log::{LogError, check};
use storage::embedded::files::{Disk, Files};
use storage::embedded::{EmbeddedStore, OpenError, Options};
use storage::{Append, NewTopic, Store};

fn options() -> Options {
    Options { segment_bytes: 64 << 10, compact_bytes_per_second: u64::MAX, ..Options::default() }
}

fn garden() -> LogName {
    LogName::topic(&TopicName::new("garden").unwrap())
}

async fn say(store: &EmbeddedStore, numbers: std::ops::Range<u64>) {
    let amy = UserId::new("amy").unwrap();
    store.create_topic(NewTopic::new(TopicName::new("garden").unwrap(), amy)).await.unwrap();
    for n in numbers {
        let content = Content::text("amy", &n.to_string(), None, &"x".repeat(1_000)).to_bytes();
        let said = Append { log: garden(), content, open: false };
        assert_eq!(store.append(vec![said]).await.pop().unwrap().unwrap().version, Version(n));
    }
}

/// The segments' files, and their bytes on disk.
fn segments(store: &Path) -> (Vec<PathBuf>, u64) {
    let files = fs::read_dir(store.join("log")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "log")).collect();
    files.sort();
    let bytes = files.iter().map(|path| path.metadata().unwrap().len()).sum();
    (files, bytes)
}

#[tokio::test]
async fn the_files_shrink_and_what_is_missing_is_still_named() {
    let dir = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(dir.path(), options()).unwrap();
    say(&store, 1..1_000).await;
    let before = segments(dir.path()).1;
    store.trim(garden(), Version(990)).await.unwrap();
    let given_back = store.compact().await.unwrap();
    let (files, bytes) = segments(dir.path());
    assert!(bytes + given_back <= before && bytes < before / 5, "{before} bytes became {bytes}");
    let space = store.space().unwrap();
    assert!(space.bytes <= bytes && space.dead.unwrap() < bytes / 2, "{space:?} of {bytes}");
    say(&store, 1_000..1_100).await;
    let held = dump(&store).await;
    drop(store);
    let checked = check(&(Arc::new(Disk) as Arc<dyn Files>), &dir.path().join("log")).unwrap();
    assert_eq!((checked.damage, checked.records), (Vec::new(), 1_101));
    for rebuild in [false, true] {
        let store = EmbeddedStore::open(dir.path(), Options { rebuild, ..options() }).unwrap();
        assert_eq!(dump(&store).await, held);
    }
    for file in &files[..files.len() - 2] {
        let aside = dir.path().join("aside");
        fs::rename(file, &aside).unwrap();
        let error = EmbeddedStore::open(dir.path(), options()).err().unwrap();
        assert!(
            matches!(&error, OpenError::Log { error: LogError::MissingSegment { .. }, .. }),
            "{}: {error}",
            file.display()
        );
        fs::rename(&aside, file).unwrap();
    }
    assert_eq!(dump(&EmbeddedStore::open(dir.path(), options()).unwrap()).await, held);
}

/// A log as the first format had it: 40 messages from amy to bob, 40 of bob's in the garden, which begins at 11.
const OLD_LOG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/format_1");

#[tokio::test]
async fn a_store_of_the_first_format_is_opened_gone_on_with_and_compacted() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("log")).unwrap();
    for file in fs::read_dir(OLD_LOG).unwrap().map(|entry| entry.unwrap().path()) {
        fs::copy(&file, dir.path().join("log").join(file.file_name().unwrap())).unwrap();
    }
    let old = Options { segment_bytes: 12 << 10, ..options() };
    let store = EmbeddedStore::open(dir.path(), old.clone()).unwrap();
    let held = dump(&store).await;
    let bobs = &held.logs[&LogName::inbox(&UserId::new("bob").unwrap())];
    assert_eq!((bobs.0, bobs.1.len()), (Version(1), 40));
    let (first, left) = &held.logs[&garden()];
    assert_eq!((*first, left.len()), (Version(11), 30));
    assert_eq!(Content::parse(&left[0].1).unwrap().body, b"to all 10");
    assert_eq!((held.accounts.len(), held.cursors.len()), (2, 1));
    let again = Content::text("amy", "p3", Some("bob"), "to bob 3").to_bytes();
    assert!(store.append_pair(vec![again]).await.pop().unwrap().unwrap().recipient.duplicate);
    drop(store);
    let old = Options { dedupe: Some(Duration::ZERO), ..old };
    let store = EmbeddedStore::open(dir.path(), old.clone()).unwrap();
    for n in 40..50 {
        let more = Content::text("amy", &format!("p{n}"), Some("bob"), "and more").to_bytes();
        assert!(store.append_pair(vec![more]).await.pop().unwrap().is_ok());
    }
    for log in held.logs.keys() {
        store.trim(log.clone(), Version(40)).await.unwrap();
    }
    let short = dump(&store).await;
    assert!(store.compact().await.unwrap() > 0);
    assert_eq!(dump(&store).await, short);
    drop(store);
    let store = EmbeddedStore::open(dir.path(), Options { rebuild: true, ..old }).unwrap();
    assert_eq!(dump(&store).await, short);
}
