//! Full disks, failed writes, failed syncs, short writes, while the process goes on.

use super::*;
use crate::embedded::files::{Fault, Survival};

#[test]
fn a_failed_sync_poisons_the_log() {
    let files = disk_with(3);
    let (mut log, reader, _) = open(&files);
    log.append(&[&payload(4)]).unwrap();
    files.inject(Fault::FailSync { nth: 1 });
    assert!(matches!(log.sync(), Err(LogError::Io { action: "cannot sync", .. })));
    for _ in 0..2 {
        let error = log.sync().unwrap_err();
        assert!(matches!(&error, LogError::Poisoned { cause } if cause.contains("00000001.log")), "{error}");
        assert!(matches!(log.append(&[b"more"]), Err(LogError::Poisoned { .. })));
    }
    assert_holds(&reader, 3);
}

#[test]
fn a_failed_write_poisons_the_log() {
    let files = disk_with(3);
    let (mut log, reader, _) = open(&files);
    files.inject(Fault::FailWrite { nth: 1 });
    assert!(matches!(log.append(&[&payload(4)]), Err(LogError::Io { action: "cannot write", .. })));
    assert!(matches!(log.append(&[&payload(4)]), Err(LogError::Poisoned { .. })));
    assert!(matches!(log.sync(), Err(LogError::Poisoned { .. })));
    assert_holds(&reader, 3);
    drop(log);
    files.power_cut(Survival::Everything);
    let (mut log, reader, recovered) = open(&files);
    assert!(recovered.records == 3 || recovered.records == 4);
    commit(&mut log, recovered.records + 1..=9);
    assert_holds(&reader, 9);
}

#[test]
fn a_failed_sync_while_rolling_poisons_the_log_too() {
    let files = SimFiles::new(1);
    let (mut log, _, _) = open(&files);
    log.append(&[&[1; 600]]).unwrap();
    files.inject(Fault::FailSync { nth: 1 });
    assert!(matches!(log.append(&[&[2; 600]]), Err(LogError::Io { .. })));
    assert!(matches!(log.append(&[b"small"]), Err(LogError::Poisoned { .. })));
}

#[test]
fn a_failed_sync_of_the_folder_while_rolling_poisons_the_log() {
    let files = SimFiles::new(1);
    let (mut log, _, _) = open(&files);
    log.append(&[&[1; 600]]).unwrap();
    log.sync().unwrap();
    // The next syncs are that of the new segment and that of its folder.
    files.inject(Fault::FailSync { nth: 2 });
    assert!(matches!(log.append(&[&[2; 600]]), Err(LogError::Io { .. })));
    assert!(matches!(log.append(&[b"small"]), Err(LogError::Poisoned { .. })));
}

#[test]
fn a_full_disk_refuses_what_needs_a_new_segment_and_nothing_else() {
    for room in [0, 1, 600, u64::from(segment::HEADER_BYTES), 5000] {
        let files = SimFiles::new(1);
        let (mut log, reader, _) = open(&files);
        log.append(&[&[1; 600]]).unwrap();
        files.inject(Fault::Full { bytes: room });
        for _ in 0..3 {
            let error = log.append(&[&[2; 600]]).unwrap_err();
            assert!(matches!(error, LogError::NoRoom { .. }), "{error}");
        }
        log.append(&[b"what fits is taken"]).unwrap();
        log.sync().unwrap();
        assert_eq!(contents(&reader).len(), 2);
        files.heal();
        log.append(&[&[2; 600]]).unwrap();
        log.sync().unwrap();
        drop(log);
        assert_eq!(contents(&open(&files).1).len(), 3);
    }
}

#[test]
fn a_full_disk_found_ahead_of_need_is_tried_again_in_need() {
    let files = SimFiles::new(1);
    let (mut log, reader, _) = open_with(&files, Options { prepare: Prepare::Ahead, ..options() }).unwrap();
    files.inject(Fault::Full { bytes: 100 });
    log.append(&[&[1; 600]]).unwrap();
    assert!(matches!(log.append(&[&[2; 600]]), Err(LogError::NoRoom { .. })));
    files.heal();
    log.append(&[&[2; 600]]).unwrap();
    log.sync().unwrap();
    assert_eq!(contents(&reader).len(), 2);
}

#[test]
fn a_full_disk_makes_no_new_log() {
    let files = SimFiles::new(1);
    files.inject(Fault::Full { bytes: 2000 });
    assert!(matches!(open_with(&files, options()), Err(LogError::NoRoom { .. })));
    files.heal();
    let (_log, reader, recovered) = open(&files);
    assert!(recovered.created);
    assert_holds(&reader, 0);
}

#[test]
fn short_writes_are_finished() {
    for bytes in 1..90 {
        let files = SimFiles::new(1);
        files.inject(Fault::ShortWrites { bytes });
        let (mut log, reader, _) = open(&files);
        commit(&mut log, 1..=12);
        assert_holds(&reader, 12);
        drop(log);
        assert_holds(&open(&files).1, 12);
    }
}
