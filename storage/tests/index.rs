//! The index is thrown away and built anew from the log whenever it does not fit.

#![allow(clippy::unwrap_used, reason = "what is set up for the tests fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use storage::conformance::{Dump, dump, history};
use storage::embedded::{EmbeddedStore, OpenError, Options};

async fn run(dir: &Path, steps: std::ops::Range<u64>) {
    let store = EmbeddedStore::open(dir, options()).unwrap();
    for at in steps {
        history::Step::random(7, at).call(&store).await;
    }
}

fn options() -> Options {
    Options { segment_bytes: 1 << 20, ..Options::default() }
}

async fn held(dir: &Path) -> Dump {
    dump(&EmbeddedStore::open(dir, options()).unwrap()).await
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(files(&entry.path())),
            false => found.push(entry.path()),
        }
    }
    found
}

#[tokio::test]
async fn a_missing_index_is_built_anew() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), 0..60).await;
    let was = held(dir.path()).await;
    assert!(was.logs.len() > 1);
    fs::remove_dir_all(dir.path().join("index")).unwrap();
    assert_eq!(held(dir.path()).await, was);
}

#[tokio::test]
async fn a_log_that_has_lost_its_end_is_refused_until_the_index_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let (store, earlier) = (dir.path().join("store"), dir.path().join("earlier"));
    run(&store, 0..40).await;
    let was = held(&store).await;
    copy(&store.join("log"), &earlier);
    run(&store, 40..80).await;
    assert_ne!(held(&store).await, was);
    fs::remove_dir_all(store.join("log")).unwrap();
    fs::rename(&earlier, store.join("log")).unwrap();
    for _ in 0..2 {
        let error = EmbeddedStore::open(&store, options()).err().unwrap();
        assert!(matches!(error, OpenError::Shortened { .. }), "{error}");
        assert!(error.to_string().contains("remove the folder `index`"), "{error}");
    }
    fs::remove_dir_all(store.join("index")).unwrap();
    assert_eq!(held(&store).await, was);
}

#[tokio::test]
async fn the_index_of_another_store_is_built_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) = (dir.path().join("one"), dir.path().join("other"));
    run(&one, 0..40).await;
    run(&other, 40..60).await;
    let was = held(&one).await;
    fs::remove_dir_all(one.join("index")).unwrap();
    copy(&other.join("index"), &one.join("index"));
    assert_eq!(held(&one).await, was);
    // And one that has seen less than this log holds.
    fs::remove_dir_all(other.join("index")).unwrap();
    copy(&one.join("index"), &other.join("index"));
    let was = held(&other).await;
    fs::remove_dir_all(other.join("index")).unwrap();
    assert_eq!(held(&other).await, was);
}

#[tokio::test]
async fn an_index_of_which_files_are_cut_or_overwritten_does_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, broken) = (dir.path().join("whole"), dir.path().join("broken"));
    run(&whole, 0..60).await;
    let was = held(&whole).await;
    for file in files(&whole.join("index")) {
        let name = file.strip_prefix(&whole).unwrap();
        for bytes in [Vec::new(), vec![0x5a; 300]] {
            copy(&whole, &broken);
            fs::write(broken.join(name), &bytes).unwrap();
            assert_eq!(held(&broken).await, was, "{} overwritten with {} bytes", name.display(), bytes.len());
            fs::remove_dir_all(&broken).unwrap();
        }
    }
}
