//! A damaged log is refused, and mended only when asked.

#![allow(clippy::unwrap_used, reason = "what is set up for the tests fails by panicking")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use protocol::content::{Content, Kind};
use protocol::ids::{LogName, UserId, Version};
use storage::embedded::commit_log::Repair;
use storage::embedded::files::{Disk, Files};
use storage::embedded::{EmbeddedStore, OpenError, Options, repair};
use storage::{Append, Page, ReadRange, Store, StoreError};

fn inbox() -> LogName {
    LogName::inbox(&UserId::new("amy").unwrap())
}

fn message(n: usize) -> Bytes {
    Content::text("bob", &format!("m{n}"), Some("amy"), &format!("this is message number {n}")).to_bytes()
}

fn options() -> Options {
    Options { segment_bytes: 1 << 20, ..Options::default() }
}

async fn append(store: &EmbeddedStore, n: usize) -> Version {
    let append = Append { log: inbox(), content: message(n), open: false };
    store.append(vec![append]).await.pop().unwrap().unwrap().version
}

async fn read(store: &EmbeddedStore) -> Result<Page, StoreError> {
    let range = ReadRange { log: inbox(), after: Version(0), max_entries: 100, max_bytes: 1 << 20 };
    store.read(range).await
}

/// Changes a byte of message 5.
fn damage(dir: &Path) -> usize {
    let file = dir.join("log").join("00000001.log");
    let mut bytes = fs::read(&file).unwrap();
    let at = bytes.windows(24).position(|window| window == b"this is message number 5").unwrap();
    bytes[at] ^= 1;
    fs::write(&file, bytes).unwrap();
    at
}

#[tokio::test]
async fn a_damaged_store_is_refused_and_after_a_repair_only_the_damaged_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    {
        let store = EmbeddedStore::open(dir.path(), options()).unwrap();
        for n in 1..=10 {
            append(&store, n).await;
        }
    }
    damage(dir.path());
    let error = EmbeddedStore::open(dir.path(), options()).err().unwrap();
    assert!(matches!(error, OpenError::Log { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("00000001.log is damaged at byte ") && text.contains("shoal store repair"),
        "{text}"
    );

    let files: Arc<dyn Files> = Arc::new(Disk);
    assert_eq!(repair(&files, dir.path(), Repair::Void).unwrap().len(), 1);
    assert!(repair(&files, dir.path(), Repair::Void).unwrap().is_empty());
    let store = EmbeddedStore::open(dir.path(), options()).unwrap();
    let page = read(&store).await.unwrap();
    assert_eq!(page.head, Version(10));
    for (n, entry) in (1..).zip(&page.entries) {
        assert_eq!(entry.version, Version(n as u64));
        match n {
            5 => assert_eq!(Content::parse(&entry.content).unwrap().kind, Kind::VOID),
            _ => assert_eq!(entry.content, message(n)),
        }
    }
    assert_eq!(append(&store, 5).await, Version(11), "what was lost may be sent again");
}

#[tokio::test]
async fn a_content_that_goes_bad_while_the_store_is_open_is_not_given_out() {
    let dir = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(dir.path(), options()).unwrap();
    for n in 1..=10 {
        append(&store, n).await;
    }
    damage(dir.path());
    let error = read(&store).await.unwrap_err();
    assert!(matches!(&error, StoreError::Unreadable(text) if text.contains("do not check")), "{error}");
}
