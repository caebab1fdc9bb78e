//! Compacted segments that go bad or get lost.

use super::compactions::{assert_holds_what_is_kept, compacted_disk, held, is_kept, names};
use super::*;
use crate::embedded::commit_log::{Record, Repair, repair};

/// The records of the disk's compacted segment.
fn merged_records(files: &SimFiles) -> Vec<Record> {
    let (_log, reader, _) = open(files);
    let made = reader.files().unwrap()[1];
    reader.records(&made).unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_missing_segment_that_was_not_compacted_is_named_and_so_is_a_missing_compacted_one() {
    let (files, _) = compacted_disk();
    for (name, missing) in [("00000001.log", 1), ("00000002-00000003.00000001.log", 2), ("00000004.log", 4)] {
        let files = files.fork();
        files.remove(&dir().join(name)).unwrap();
        let error = open_with(&files, options()).unwrap_err();
        assert!(
            matches!(&error, LogError::MissingSegment { file: named } if *named == file(missing)),
            "{name}: {error}"
        );
    }
}

#[test]
fn a_flipped_byte_of_a_compacted_segment_is_always_named() {
    let (files, _) = compacted_disk();
    let path = dir().join(&names(&files)[1]);
    for at in 0..files.bytes(&path).unwrap().len() {
        let files = files.fork();
        files.edit(&path, |bytes| bytes[at] ^= 0x40).unwrap();
        match open_with(&files, options()) {
            Err(LogError::Damaged(damage)) => assert_eq!(damage.file, path, "byte {at}"),
            Ok((_log, reader, _)) => {
                assert_eq!(held(&reader), held(&open(&compacted_disk().0).1), "byte {at}: padding")
            }
            Err(other) => panic!("byte {at}: {other}"),
        }
    }
    for cut in 0..files.bytes(&path).unwrap().len() {
        let files = files.fork();
        files.edit(&path, |bytes| bytes.truncate(cut)).unwrap();
        if let Ok((_log, reader, _)) = open_with(&files, options()) {
            assert_eq!(held(&reader), held(&open(&compacted_disk().0).1), "cut at {cut}: padding");
        }
    }
}

#[test]
fn a_compacted_segment_under_another_name_is_refused() {
    let (files, _) = compacted_disk();
    let name = names(&files)[1].clone();
    files.rename(&dir().join(&name), &dir().join("00000002-00000003.00000009.log")).unwrap();
    let error = open_with(&files, options()).unwrap_err();
    assert!(matches!(&error, LogError::Damaged(damage) if damage.what.contains(&name)), "{error}");
}

#[test]
fn damage_in_a_compacted_segment_is_mended_and_the_rest_stays() {
    let (files, compacted) = compacted_disk();
    let path = dir().join(&names(&files)[1]);
    let records = merged_records(&files);
    assert!(records.len() > 3);
    for how in [Repair::Void, Repair::Cut] {
        for record in &records {
            let files = files.fork();
            files.edit(&path, |bytes| bytes[record.position.offset as usize - 1] ^= 1).unwrap();
            let lost = record.sequence..record.next.sequence;
            assert_eq!(mend(&files, how), 1);
            assert_eq!(mend(&files, how), 0);
            let (mut log, reader, _) = open(&files);
            let found = held(&reader);
            let wanted = |n: u64| match how {
                Repair::Void => !lost.contains(&n),
                Repair::Cut => n < lost.start,
            };
            for n in (1..=40).filter(|n| is_kept(*n) || *n > compacted) {
                assert_eq!(found.contains_key(&n), wanted(n), "{how:?} of {lost:?}: {n}");
            }
            let next = log.end().sequence;
            for n in next..next + 20 {
                log.append(&[&payload(n)]).unwrap();
                log.sync().unwrap();
            }
            drop(log);
            let (_log, reader, _) = open(&files);
            assert_eq!(held(&reader).keys().max(), Some(&(next + 19)));
        }
    }
}

fn mend(files: &SimFiles, how: Repair) -> usize {
    repair(&(Arc::new(files.clone()) as Arc<dyn Files>), dir(), how).unwrap().len()
}

#[test]
fn a_lost_compacted_segment_is_voided_and_the_others_stay() {
    let (files, compacted) = compacted_disk();
    let path = dir().join(&names(&files)[1]);
    let first = merged_records(&files)[0].sequence;
    let gone = files.fork();
    gone.remove(&path).unwrap();
    let headless = files.fork();
    headless.edit(&path, |bytes| bytes[..4096].fill(0xee)).unwrap();
    for files in [gone, headless] {
        mend(&files, Repair::Void);
        let (mut log, reader, _) = open(&files);
        let found = held(&reader);
        for n in (1..=40).filter(|n| is_kept(*n) || !(first..=compacted).contains(n)) {
            assert_eq!(found.contains_key(&n), !(first..=compacted).contains(&n), "{n}");
        }
        commit(&mut log, 41..=60);
    }
}

#[test]
fn half_a_header_of_a_compacted_segment_is_mended_by_the_other() {
    for at in [0, 13, 45, 60, 90, 2047, 2048, 2100, 4095] {
        let (files, compacted) = compacted_disk();
        files.edit(&dir().join(&names(&files)[1]), |bytes| bytes[at] ^= 0x10).unwrap();
        assert_eq!(mend(&files, Repair::Void), 1);
        assert_holds_what_is_kept(&open(&files).1, compacted, 40);
    }
}
