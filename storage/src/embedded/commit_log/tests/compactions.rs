//! Segments replaced by smaller ones: what is read, what is removed, and what is left wherever that is broken off.

use std::collections::BTreeMap;

use super::*;
use crate::embedded::commit_log::{LogFile, Position, check};
use crate::embedded::files::{Fault, Survival};

/// Begins the payload of a merged record of these tests, which holds some of the records that it stands for.
const MERGED: &[u8] = b"merged";

/// Every third record is worth keeping.
pub(super) fn is_kept(n: u64) -> bool {
    n.is_multiple_of(3)
}

fn put(out: &mut Vec<u8>, n: u64, bytes: &[u8]) {
    out.extend_from_slice(&n.to_le_bytes());
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// The records that a record holds or is, by number.
fn unmerged(n: u64, mut payload: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let Some(mut rest) = payload.strip_prefix(MERGED) else { return vec![(n, payload.to_vec())] };
    let mut found = Vec::new();
    while let Some((n, after)) = rest.split_first_chunk::<8>() {
        let (length, after) = after.split_first_chunk::<4>().unwrap();
        (payload, rest) = after.split_at(u32::from_le_bytes(*length) as usize);
        found.push((u64::from_le_bytes(*n), payload.to_vec()));
    }
    found
}

pub(super) fn held(reader: &LogReader) -> BTreeMap<u64, Vec<u8>> {
    contents(reader).iter().flat_map(|(n, payload)| unmerged(*n, payload)).collect()
}

/// Fails unless the log holds records 1 to `last`, but perhaps those up to `compacted` that are not worth keeping.
#[track_caller]
pub(super) fn assert_holds_what_is_kept(reader: &LogReader, compacted: u64, last: u64) {
    let held = held(reader);
    for n in 1..=last {
        match held.get(&n) {
            Some(bytes) => assert_eq!(*bytes, payload(n), "{n}"),
            None => assert!(n <= compacted && !is_kept(n), "{n} is gone"),
        }
    }
    assert_eq!(held.keys().max(), Some(&last));
}

/// Compacts these files of the log.
fn compact(reader: &LogReader, run: &[LogFile]) -> Result<LogFile, LogError> {
    let mut compaction = reader.compact(run)?;
    let (mut merged, mut count) = (MERGED.to_vec(), 0);
    while let Some(record) = compaction.read()? {
        if count == 3 {
            compaction.put(&merged, record.sequence)?;
            (merged, count) = (MERGED.to_vec(), 0);
        }
        count += 1;
        let kept = unmerged(record.sequence, &record.payload).into_iter().filter(|(n, _)| is_kept(*n));
        kept.for_each(|(n, bytes)| put(&mut merged, n, &bytes));
    }
    compaction.put(&merged, compaction.end())?;
    compaction.publish(7)
}

/// Compacts the files that hold these segments, and removes them.
fn compact_segments(reader: &LogReader, first: u32, last: u32) -> Result<LogFile, LogError> {
    let files = reader.files()?;
    let run: Vec<_> = files
        .into_iter()
        .filter(|file| first <= file.stands_for().0 && file.stands_for().1 <= last)
        .collect();
    let made = compact(reader, &run)?;
    reader.remove_superseded()?;
    Ok(made)
}

pub(super) fn names(files: &SimFiles) -> Vec<String> {
    let mut names: Vec<_> =
        files.list(dir()).unwrap().into_iter().filter(|name| name.contains(".log")).collect();
    names.sort();
    names
}

/// The sequence number of the last record in a plain segment.
fn last_in(reader: &LogReader, segment: u32) -> u64 {
    let records = reader.scan(Mark::START).map(Result::unwrap);
    records.filter(|record| record.position.segment == segment).last().unwrap().sequence
}

/// A disk with a closed log of 40 records, segments 2 and 3 of which are compacted, and the number of the last record that was.
pub(super) fn compacted_disk() -> (SimFiles, u64) {
    let files = disk_with(40);
    let (log, reader, _) = open(&files);
    let last = last_in(&reader, 3);
    compact_segments(&reader, 2, 3).unwrap();
    drop(log);
    (files, last)
}

#[test]
fn a_compacted_segment_stands_for_the_run_and_the_log_goes_on() {
    let files = disk_with(40);
    let (mut log, reader, _) = open(&files);
    let compacted = last_in(&reader, 3);
    let made = compact_segments(&reader, 1, 3).unwrap();
    assert_eq!((made.stands_for(), made.note, made.is_sealed), ((1, 3), Some(7), true));
    assert_eq!(names(&files)[..2], ["00000001-00000003.00000001.log", "00000004.log"]);
    assert_eq!(files.bytes(&dir().join(&names(&files)[0])).unwrap().len() as u64, made.bytes);
    assert_holds_what_is_kept(&reader, compacted, 40);
    assert!(held(&reader).len() < 40);
    commit(&mut log, 41..=45);
    drop(log);
    for verify in [Verify::Everything, Verify::LastSegment] {
        let (mut log, reader, recovered) = open_with(&files, Options { verify, ..options() }).unwrap();
        assert_eq!((recovered.torn, recovered.voided), (None, 0));
        let next = log.end().sequence;
        commit(&mut log, next..=next + 9);
        assert_holds_what_is_kept(&reader, compacted, next + 9);
    }
    let checked = check(&(Arc::new(files) as Arc<dyn Files>), dir()).unwrap();
    assert_eq!((checked.damage, checked.records), (Vec::new(), 65));
}

#[test]
fn compacted_segments_are_compacted_again_with_their_neighbours() {
    let (files, _) = compacted_disk();
    let (mut log, reader, _) = open(&files);
    let compacted = last_in(&reader, 5);
    compact_segments(&reader, 1, 5).unwrap();
    assert_eq!(names(&files)[..2], ["00000001-00000005.00000002.log", "00000006.log"]);
    assert_holds_what_is_kept(&reader, compacted, 40);
    compact_segments(&reader, 1, 5).unwrap();
    assert_eq!(names(&files)[0], "00000001-00000005.00000003.log", "a number is never given twice");
    commit(&mut log, 41..=80);
    drop(log);
    let (_log, reader, _) = open(&files);
    compact_segments(&reader, 6, 7).unwrap();
    let two: Vec<_> = reader.files().unwrap().iter().map(|file| file.note.is_some()).take(3).collect();
    assert_eq!(two, [true, true, false], "compacted segments follow one another");
    drop(_log);
    let (_log, reader, _) = open(&files);
    assert_holds_what_is_kept(&reader, last_in(&reader, 8), 80);
}

#[test]
fn what_is_in_use_is_not_compacted() {
    let files = disk_with(40);
    let (log, reader, _) = open(&files);
    let all = reader.files().unwrap();
    let in_use = log.end().position.segment;
    assert_eq!(all.iter().filter(|file| !file.is_sealed).map(LogFile::number).collect::<Vec<_>>(), [in_use]);
    assert!(matches!(reader.compact(&all), Err(LogError::BadOptions(_))));
    assert!(matches!(reader.compact(&[]), Err(LogError::BadOptions(_))));
    let (mut log, reader, _) = open(&SimFiles::new(1));
    assert!(reader.files().unwrap().iter().all(|file| !file.is_sealed));
    log.append(&[&[1; 800]]).unwrap();
    log.append(&[&[2; 800]]).unwrap();
    assert!(reader.files().unwrap().iter().all(|file| !file.is_sealed), "nothing durable lies behind it");
    log.sync().unwrap();
    assert_eq!(reader.files().unwrap().iter().filter(|file| file.is_sealed).count(), 1);
}

#[test]
fn old_positions_are_good_until_the_files_are_removed() {
    let files = disk_with(40);
    let (_log, reader, _) = open(&files);
    let record =
        reader.scan(Mark::START).map(Result::unwrap).find(|record| record.position.segment == 2).unwrap();
    let read = |bytes| reader.read(record.position, bytes);
    let run: Vec<_> = reader.files().unwrap()[..3].to_vec();
    let made = compact(&reader, &run).unwrap();
    assert_eq!(read(record.payload.len() as u32).unwrap(), record.payload);
    assert_eq!(reader.remove_superseded().unwrap(), 3 * u64::from(options().segment_bytes));
    assert!(read(1).is_err());
    for record in reader.records(&made).unwrap().map(Result::unwrap) {
        assert_eq!(reader.read(record.position, record.payload.len() as u32).unwrap(), record.payload);
        assert_eq!(reader.record(record.position).unwrap(), record);
    }
    assert!(reader.read(Position { segment: made.number(), offset: made.bytes as u32 }, 1).is_err());
    assert!(reader.read(Position { segment: made.number() + 1, offset: 5_000 }, 1).is_err());
}

#[test]
fn a_compaction_that_is_given_up_leaves_nothing() {
    let files = disk_with(40);
    let (_log, reader, _) = open(&files);
    let before = names(&files);
    let mut compaction = reader.compact(&reader.files().unwrap()[..2]).unwrap();
    while compaction.read().unwrap().is_some() {}
    compaction.put(b"half of it", 3).unwrap();
    assert!(matches!(compaction.publish(0), Err(LogError::BadOptions(_))), "it does not stand for all");
    assert_eq!(names(&files), before);
    assert_holds(&reader, 40);
}

#[test]
fn a_run_with_a_bad_record_is_not_compacted() {
    let files = disk_with(40);
    let places: Vec<_> = {
        let (_log, reader, _) = open(&files);
        reader.scan(Mark::START).map(|record| record.unwrap().position).collect()
    };
    for position in places.iter().filter(|position| position.segment <= 3) {
        let files = files.fork();
        let (_log, reader, _) = open(&files);
        files.edit(&file(position.segment), |bytes| bytes[position.offset as usize - 1] ^= 1).unwrap();
        let run: Vec<_> = reader.files().unwrap()[..3].to_vec();
        let error = compact(&reader, &run).unwrap_err();
        assert!(matches!(error, LogError::Damaged(_)), "{position}: {error}");
        assert_eq!(names(&files).len() as u32, segments(&files));
    }
}

#[test]
fn power_lost_in_any_call_of_a_compaction_leaves_the_run_or_what_stands_for_it() {
    for nth in 1.. {
        let files = disk_with(40);
        let (log, reader, _) = open(&files);
        let compacted = last_in(&reader, 4);
        files.inject(Fault::Stop { nth });
        let made = compact_segments(&reader, 2, 4);
        drop(log);
        let survivals = [Survival::Everything, Survival::Nothing];
        for survival in (0..20).map(Survival::Some).chain(survivals) {
            let files = files.fork();
            files.power_cut(survival);
            for _ in 0..2 {
                let (mut log, reader, recovered) = open(&files);
                assert_eq!(
                    (recovered.torn, recovered.records),
                    (None, 40),
                    "stopped in call {nth}, {survival:?}"
                );
                assert_holds_what_is_kept(&reader, compacted, 40);
                reader.remove_superseded().unwrap();
                assert_holds_what_is_kept(&reader, compacted, 40);
                log.append(&[b"not synced"]).unwrap();
                files.power_cut(Survival::Nothing);
            }
        }
        if made.is_ok() {
            assert!(nth > 10, "a compaction makes several calls");
            return;
        }
    }
}

#[test]
fn power_lost_while_an_opening_settles_a_compaction_loses_nothing() {
    let whole = disk_with(40);
    let (log, reader, _) = open(&whole);
    let compacted = last_in(&reader, 4);
    let run: Vec<_> = reader.files().unwrap()[1..4].to_vec();
    compact(&reader, &run).unwrap();
    drop(log);
    whole.power_cut(Survival::Everything);
    for nth in 1..40 {
        for seed in 0..10 {
            let files = whole.fork();
            files.inject(Fault::Stop { nth });
            if let Ok((_log, reader, _)) = open_with(&files, options()) {
                let _ = reader.remove_superseded();
            }
            files.power_cut(Survival::Some(seed));
            let (_log, reader, _) = open(&files);
            assert_holds_what_is_kept(&reader, compacted, 40);
        }
    }
}

#[test]
fn a_name_that_may_not_be_durable_removes_nothing() {
    let files = disk_with(40);
    let (mut log, reader, _) = open(&files);
    let run: Vec<_> = reader.files().unwrap()[..3].to_vec();
    let syncs_before = 2;
    files.inject(Fault::FailSync { nth: syncs_before });
    let error = compact(&reader, &run).unwrap_err();
    assert!(matches!(error, LogError::Unpublished { .. }), "{error}");
    assert_eq!(reader.remove_superseded().unwrap(), 0);
    commit(&mut log, 41..=43);
    let compacted = last_in(&reader, 3);
    drop(log);
    for seed in 0..20 {
        let files = files.fork();
        files.power_cut(Survival::Some(seed));
        for _ in 0..2 {
            let (log, reader, _) = open(&files);
            reader.remove_superseded().unwrap();
            assert_holds_what_is_kept(&reader, compacted, 43);
            drop(log);
            files.power_cut(Survival::Nothing);
        }
    }
}

#[test]
fn a_mark_in_a_segment_that_was_compacted_since_is_told_from_a_log_that_lost_its_end() {
    let files = disk_with(40);
    let (log, reader, _) = open(&files);
    let marks: Vec<_> = reader.scan(Mark::START).map(|record| record.unwrap().mark()).collect();
    let compacted = last_in(&reader, 3);
    compact_segments(&reader, 2, 3).unwrap();
    drop(log);
    for mark in marks {
        let since = open_with(&files, Options { verify: Verify::Since(mark), ..options() });
        match mark.position.segment {
            2 | 3 => assert!(matches!(since, Err(LogError::Compacted { wanted }) if wanted == mark)),
            _ => assert_holds_what_is_kept(&since.unwrap().1, compacted, 40),
        }
    }
}
