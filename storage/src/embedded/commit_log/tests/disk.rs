//! The log on the machine's own files.

use super::*;
use crate::embedded::commit_log::{Repair, repair};
use crate::embedded::files::Disk;

fn small() -> Options {
    Options { prepare: Prepare::Ahead, ..options() }
}

fn open_at(dir: &Path) -> Result<(CommitLog, LogReader, Recovered), LogError> {
    CommitLog::open(Arc::new(Disk), dir, small())
}

#[test]
fn a_log_on_disk_is_read_back_over_many_openings() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("a/log");
    for round in 0..5 {
        let (mut log, reader, recovered) = open_at(&dir).unwrap();
        assert_eq!((recovered.records, recovered.torn), (round * 20, None));
        commit(&mut log, round * 20 + 1..=round * 20 + 20);
        assert_holds(&reader, round * 20 + 20);
    }
}

#[test]
fn a_log_on_disk_is_locked_naming_the_process() {
    let temp = tempfile::tempdir().unwrap();
    let first = open_at(temp.path()).unwrap();
    let error = open_at(temp.path()).unwrap_err();
    assert!(matches!(&error, LogError::Locked { .. }));
    assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
    drop(first);
    open_at(temp.path()).unwrap();
}

#[test]
fn a_torn_file_on_disk_is_cut_and_a_damaged_one_refused_and_repaired() {
    let temp = tempfile::tempdir().unwrap();
    let (mut log, reader, _) = open_at(temp.path()).unwrap();
    commit(&mut log, 1..=20);
    let records: Vec<_> = reader.scan(Mark::START).map(Result::unwrap).collect();
    drop(log);
    let last = records.last().unwrap();
    let path = temp.path().join(layout::Name::plain(last.position.segment).file());
    let end = u64::from(last.position.offset) + last.payload.len() as u64;
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(end - 1).unwrap();
    let (log, reader, recovered) = open_at(temp.path()).unwrap();
    assert_eq!(recovered.torn.unwrap().file, path);
    assert_holds(&reader, 19);
    drop(log);

    let path = temp.path().join(layout::Name::plain(1).file());
    let mut bytes = std::fs::read(&path).unwrap();
    let second = records[1].position.offset as usize;
    bytes[second] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let error = open_at(temp.path()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("00000001.log") && text.contains(&(second - 40).to_string()), "{text}");
    let files: Arc<dyn Files> = Arc::new(Disk);
    assert_eq!(repair(&files, temp.path(), Repair::Void).unwrap()[0].lost, Some(1));
    assert_eq!(contents(&open_at(temp.path()).unwrap().1).len(), 18);
}

#[test]
fn a_new_segment_is_as_long_as_it_is_to_become() {
    let temp = tempfile::tempdir().unwrap();
    let _open = open_at(temp.path()).unwrap();
    let length = std::fs::metadata(temp.path().join(layout::Name::plain(1).file())).unwrap().len();
    assert_eq!(length, u64::from(options().segment_bytes));
}
