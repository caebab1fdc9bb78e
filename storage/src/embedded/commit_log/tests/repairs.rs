//! Repairing a damaged log, by voids and by a cut.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::embedded::commit_log::{Checked, Repair, Repaired, check, repair};
use crate::embedded::files::{Fault, Survival};

fn mend(files: &SimFiles, how: Repair) -> Result<Vec<Repaired>, LogError> {
    repair(&(Arc::new(files.clone()) as Arc<dyn Files>), dir(), how)
}

fn inspect(files: &SimFiles) -> Result<Checked, LogError> {
    check(&(Arc::new(files.clone()) as Arc<dyn Files>), dir())
}

/// Where the payload of each record lies.
fn payloads(files: &SimFiles) -> Vec<(u32, usize)> {
    let (_log, reader, _) = open(files);
    let records = reader.scan(Mark::START).map(Result::unwrap);
    records.map(|record| (record.position.segment, record.position.offset as usize)).collect()
}

fn flip(files: &SimFiles, number: u32, at: usize) {
    files.edit(&file(number), |bytes| bytes[at] ^= 0x10).unwrap();
}

/// Fails unless the log holds the records 1 to `last` but for those lost, and takes more.
#[track_caller]
fn assert_holds_but(files: &SimFiles, last: u64, lost: &BTreeSet<u64>) {
    let (mut log, reader, recovered) = open(files);
    let wanted: Vec<_> = (1..=last).filter(|n| !lost.contains(n)).map(|n| (n, payload(n))).collect();
    assert_eq!(contents(&reader), wanted);
    assert_eq!(recovered.voided, lost.len() as u64);
    commit(&mut log, last + 1..=last + 12);
    drop(log);
    assert_eq!(contents(&open(files).1).len(), wanted.len() + 12);
}

#[test]
fn a_log_without_damage_is_left_alone() {
    let files = disk_with(30);
    assert_eq!(mend(&files, Repair::Void).unwrap(), []);
    assert_eq!(mend(&files, Repair::Cut).unwrap(), []);
    assert_holds(&open(&files).1, 30);
}

#[test]
fn any_single_bad_record_is_voided_and_the_others_stay() {
    let files = disk_with(30);
    for (n, (segment, offset)) in (1..30).zip(payloads(&files)) {
        // Byte 0 of the payload (where it has one), then a byte of the header.
        for at in [offset, offset - 20] {
            if at == offset && payload(n).is_empty() {
                continue;
            }
            let files = files.fork();
            flip(&files, segment, at);
            assert!(matches!(open_with(&files, options()), Err(LogError::Damaged(_))));
            let repaired = mend(&files, Repair::Void).unwrap();
            assert_eq!(repaired.len(), 1);
            assert_eq!(repaired[0].lost, Some(1));
            assert!(files.bytes(&repaired[0].kept[0]).unwrap().len() >= 40);
            assert_holds_but(&files, 30, &BTreeSet::from([n]));
        }
    }
}

#[test]
fn several_bad_records_are_each_voided() {
    let files = disk_with(40);
    let places = payloads(&files);
    let lost = BTreeSet::from([1, 2, 9, 17, 18, 19, 33]);
    for n in &lost {
        let (segment, offset) = places[*n as usize - 1];
        flip(&files, segment, offset - 1);
    }
    let calls = files.calls();
    let checked = inspect(&files).unwrap();
    assert_eq!(files.calls(), calls, "a check changes nothing");
    assert_eq!((checked.records, checked.end.sequence), (33, 41));
    let found: Vec<_> = checked.damage.iter().map(|damage| damage.next_sequence).collect();
    assert_eq!(found, [3, 10, 20, 34]);

    let repaired = mend(&files, Repair::Void).unwrap();
    let checked = inspect(&files).unwrap();
    assert_eq!((checked.records, checked.voided, checked.damage), (33, 7, Vec::new()));
    assert_eq!(repaired.iter().filter_map(|one| one.lost).sum::<u64>(), lost.len() as u64);
    assert_holds_but(&files, 40, &lost);
}

#[test]
fn a_cut_gives_up_what_follows_and_keeps_the_bytes() {
    let files = disk_with(30);
    let (segment, offset) = payloads(&files)[6];
    flip(&files, segment, offset - 1);
    let repaired = mend(&files, Repair::Cut).unwrap();
    assert_eq!(repaired.len(), 1);
    assert!(repaired[0].kept.len() > 1);
    for kept in &repaired[0].kept {
        assert!(!files.bytes(kept).unwrap().is_empty());
    }
    let (mut log, reader, _) = open(&files);
    assert_holds(&reader, 6);
    commit(&mut log, 7..=20);
    assert_holds(&reader, 20);
}

#[test]
fn half_a_header_is_mended_by_the_other_without_loss() {
    for at in [0, 9, 17, 35, 2047, 2048, 2060, 4095] {
        let files = disk_with(20);
        flip(&files, 2, at);
        assert_eq!(inspect(&files).unwrap().damage.len(), 1);
        let repaired = mend(&files, Repair::Void).unwrap();
        assert_eq!((repaired.len(), repaired[0].lost), (1, Some(0)));
        assert_holds_but(&files, 20, &BTreeSet::new());
    }
}

#[test]
fn a_lost_segment_is_voided_and_the_others_stay() {
    let files = disk_with(30);
    let places = payloads(&files);
    for number in 1..segments(&files) {
        let lost: BTreeSet<u64> =
            (1..).zip(&places).filter(|(_, place)| place.0 == number).map(|(n, _)| n).collect();
        let missing = files.fork();
        missing.remove(&file(number)).unwrap();
        mend(&missing, Repair::Void).unwrap();
        assert_holds_but(&missing, 30, &lost);

        let headless = files.fork();
        headless.edit(&file(number), |bytes| bytes[..4096].fill(0xee)).unwrap();
        let repaired = mend(&headless, Repair::Void).unwrap();
        assert_eq!(headless.bytes(&repaired[0].kept[0]).unwrap(), {
            let mut bytes = files.bytes(&file(number)).unwrap();
            bytes[..4096].fill(0xee);
            bytes
        });
        assert_holds_but(&headless, 30, &lost);
    }
}

#[test]
fn a_log_with_no_good_segment_is_refused() {
    let files = disk_with(3);
    files.edit(&file(1), |bytes| bytes[..4096].fill(1)).unwrap();
    assert!(matches!(mend(&files, Repair::Void), Err(LogError::Damaged(_))));
}

#[test]
fn a_log_in_use_is_not_repaired() {
    let files = disk_with(3);
    let _open = open(&files);
    assert!(matches!(mend(&files, Repair::Void), Err(LogError::Locked { .. })));
    assert!(matches!(inspect(&files), Err(LogError::Locked { .. })));
}

#[test]
fn a_repair_that_was_broken_off_can_be_made_again() {
    for how in [Repair::Void, Repair::Cut] {
        let damaged = disk_with(30);
        for n in [4, 5, 20] {
            let (segment, offset) = payloads(&disk_with(30))[n];
            flip(&damaged, segment, offset - 1);
        }
        for nth in 1.. {
            let files = damaged.fork();
            files.inject(Fault::Stop { nth });
            let finished = mend(&files, how).is_ok();
            files.power_cut(Survival::Some(nth));
            mend(&files, how).unwrap();
            let held = contents(&open(&files).1);
            assert!(held.iter().all(|(n, bytes)| *bytes == payload(*n)));
            assert_eq!(
                held.len(),
                if how == Repair::Void { 27 } else { 4 },
                "{how:?}, stopped in call {nth}"
            );
            if finished {
                break;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever went bad, a log that could be repaired opens, and gives back only what was put in.
    #[test]
    fn a_repaired_log_opens_and_holds_only_what_was_appended(
        records in 1u64..40,
        edits in prop::collection::vec((0usize..8, 0usize..5120, any::<u8>(), 1usize..300), 1..8),
        how in prop::sample::select(vec![Repair::Void, Repair::Cut]),
    ) {
        let files = disk_with(records);
        for (number, at, value, length) in edits {
            let number = number as u32 % segments(&files) + 1;
            files.edit(&file(number), |bytes| {
                let end = (at + length).min(bytes.len());
                bytes[at..end].fill(value);
            }).unwrap();
        }
        match mend(&files, how) {
            Err(error) => prop_assert!(segments(&files) <= 2 || matches!(error, LogError::Damaged(_)), "{}", error),
            Ok(_) => {
                let (mut log, reader, recovered) = open(&files);
                for (n, bytes) in contents(&reader) {
                    prop_assert_eq!(bytes, payload(n));
                }
                prop_assert!(recovered.records + recovered.voided <= records);
                let next = log.end().sequence;
                commit(&mut log, next..next + 10);
            }
        }
    }
}
