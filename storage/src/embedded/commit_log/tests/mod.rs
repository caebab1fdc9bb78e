//! The promises of the commit log, held against a disk that tears, loses, fails and lies.

mod compacted_damage;
mod compactions;
mod crashes;
mod cuts;
mod disk;
mod faults;
mod growth;
mod repairs;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{CommitLog, LogError, LogReader, Mark, Options, Prepare, Recovered, Verify, layout, segment};
use crate::embedded::files::{Files, SimFiles};

/// Room for records in the small segments of these tests, in bytes.
const ROOM: u32 = 1024;

fn dir() -> &'static Path {
    Path::new("/log")
}

fn file(number: u32) -> PathBuf {
    dir().join(layout::Name::plain(number).file())
}

fn options() -> Options {
    Options {
        segment_bytes: segment::HEADER_BYTES + ROOM,
        max_record_bytes: 900,
        store_id: Some([7; 16]),
        verify: Verify::Everything,
        prepare: Prepare::WhenNeeded,
    }
}

fn open_with(files: &SimFiles, options: Options) -> Result<(CommitLog, LogReader, Recovered), LogError> {
    CommitLog::open(Arc::new(files.clone()), dir(), options)
}

fn open(files: &SimFiles) -> (CommitLog, LogReader, Recovered) {
    open_with(files, options()).unwrap()
}

/// The nth payload: its length and bytes follow from its number.
fn payload(n: u64) -> Vec<u8> {
    let length = (n * 37 % 230) as usize;
    (0..length).map(|i| (n as usize * 31 + i * 7) as u8).collect()
}

/// Appends the payloads of these numbers, each with a sync of its own.
fn commit(log: &mut CommitLog, numbers: impl IntoIterator<Item = u64>) {
    for n in numbers {
        assert_eq!(log.end().sequence, n);
        log.append(&[&payload(n)]).unwrap();
        log.sync().unwrap();
    }
}

/// A disk with a closed log of so many records.
fn disk_with(records: u64) -> SimFiles {
    let files = SimFiles::new(records);
    let (mut log, _, _) = open(&files);
    commit(&mut log, 1..=records);
    drop(log);
    files
}

/// Every record in the log, by its number and bytes, through one scan.
fn contents(reader: &LogReader) -> Vec<(u64, Vec<u8>)> {
    let records = reader.scan(Mark::START).map(|record| record.unwrap());
    records.map(|record| (record.sequence, record.payload.to_vec())).collect()
}

/// Fails unless the log holds the records 1 to `last`, byte for byte, and nothing else.
#[track_caller]
fn assert_holds(reader: &LogReader, last: u64) {
    let wanted: Vec<_> = (1..=last).map(|n| (n, payload(n))).collect();
    assert_eq!(contents(reader), wanted);
}

/// How many segment files there are.
fn segments(files: &SimFiles) -> u32 {
    files.list(dir()).unwrap().iter().filter(|name| name.ends_with(".log")).count() as u32
}
