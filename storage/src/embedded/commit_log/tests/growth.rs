//! Appending, rolling over segments, reading back, opening again.

use std::sync::Arc;

use super::*;
use crate::embedded::commit_log::Position;

#[test]
fn a_new_log_is_empty_and_gets_the_id_it_is_given() {
    let (log, reader, recovered) = open(&SimFiles::new(1));
    assert!(recovered.created);
    assert_eq!(recovered.store_id, [7; 16]);
    assert_eq!(log.end(), Mark::START);
    assert_holds(&reader, 0);
}

#[test]
fn a_new_log_without_an_id_makes_one_and_keeps_it() {
    let files = SimFiles::new(1);
    let without = Options { store_id: None, ..options() };
    let (log, _, first) = open_with(&files, without.clone()).unwrap();
    drop(log);
    let (_log, _, second) = open_with(&files, without).unwrap();
    assert_ne!(first.store_id, [0; 16]);
    assert_eq!(second.store_id, first.store_id);
}

#[test]
fn what_was_appended_is_read_back_after_reopening() {
    let files = disk_with(40);
    assert!(segments(&files) > 3);
    let (log, reader, recovered) = open(&files);
    assert!(!recovered.created);
    assert_eq!((recovered.records, recovered.torn, log.end().sequence), (40, None, 41));
    assert_holds(&reader, 40);
}

#[test]
fn a_log_goes_on_where_it_ended_however_often_it_is_opened() {
    let files = SimFiles::new(2);
    for round in 0..25 {
        let (mut log, reader, recovered) = open(&files);
        assert_eq!(recovered.records, round * 3);
        commit(&mut log, round * 3 + 1..=round * 3 + 3);
        assert_holds(&reader, round * 3 + 3);
    }
}

#[test]
fn a_record_is_made_of_all_its_slices() {
    let files = SimFiles::new(3);
    let (mut log, reader, _) = open(&files);
    let slices: Vec<Vec<u8>> = (0..200u8).map(|n| vec![n; usize::from(n % 4)]).collect();
    let slices: Vec<&[u8]> = slices.iter().map(Vec::as_slice).collect();
    let position = log.append(&slices).unwrap();
    assert_eq!(reader.record(position).unwrap().payload, slices.concat());
}

#[test]
fn a_scan_shows_only_what_is_durable_and_a_read_all_that_is_written() {
    let (mut log, reader, _) = open(&SimFiles::new(4));
    commit(&mut log, [1]);
    let position = log.append(&[b"not yet"]).unwrap();
    assert_holds(&reader, 1);
    assert_eq!(&reader.read(position, 7).unwrap()[..], b"not yet");
    assert_eq!(reader.record(position).unwrap().sequence, 2);
    log.sync().unwrap();
    assert_eq!(contents(&reader).len(), 2);
    assert_eq!(reader.durable(), log.end());
}

#[test]
fn a_scan_begins_at_any_record_and_nowhere_else() {
    let files = disk_with(30);
    let (_log, reader, _) = open(&files);
    let records: Vec<_> = reader.scan(Mark::START).map(Result::unwrap).collect();
    for (n, record) in records.iter().enumerate() {
        assert_eq!(reader.scan(record.mark()).map(Result::unwrap).collect::<Vec<_>>(), records[n..]);
        assert_eq!(reader.scan(record.next).map(Result::unwrap).collect::<Vec<_>>(), records[n + 1..]);
        let Position { segment, offset } = record.position;
        for wrong in [
            Mark { position: Position { segment, offset: offset + 8 }, sequence: record.sequence },
            Mark { position: record.position, sequence: record.sequence + 1 },
            Mark { position: Position { segment: segment + 9, offset }, sequence: record.sequence },
            Mark { position: Position { segment, offset: 3 }, sequence: record.sequence },
        ] {
            // At a segment's end a wrong offset may be harmless: the number says which record comes next.
            match reader.scan(wrong).next() {
                Some(Ok(found)) => assert_eq!(found.sequence, wrong.sequence),
                Some(Err(error)) => assert!(matches!(error, LogError::NoSuchMark { .. }), "{error}"),
                None => assert_eq!(wrong.sequence, 31),
            }
        }
    }
}

#[test]
fn a_read_outside_of_the_log_is_refused() {
    let files = disk_with(30);
    let (log, reader, _) = open(&files);
    let end = log.end().position;
    for (position, bytes) in [
        (end, 1),
        (Position { segment: 0, offset: 5000 }, 1),
        (Position { segment: end.segment + 1, offset: 5000 }, 1),
        (Position { segment: 1, offset: 5000 }, u32::MAX),
        (Position { segment: 1, offset: u32::MAX }, 1),
    ] {
        assert!(matches!(reader.read(position, bytes), Err(LogError::OutOfRange { .. })), "{position}");
    }
    assert!(reader.record(Position { segment: 1, offset: 10 }).is_err());
    assert!(reader.record(end).is_err());
}

#[test]
fn a_record_as_large_as_allowed_fits_and_a_larger_one_is_refused_harmlessly() {
    let files = SimFiles::new(5);
    let (mut log, reader, _) = open(&files);
    for _ in 0..3 {
        log.append(&[&[9; 450], &[9; 450]]).unwrap();
        let error = log.append(&[&[9; 901]]).unwrap_err();
        assert!(matches!(error, LogError::TooLarge { bytes: 901, limit: 900 }), "{error}");
    }
    log.sync().unwrap();
    assert_eq!(contents(&reader).len(), 3);
}

#[test]
fn options_under_which_a_record_might_not_fit_are_refused() {
    let files = SimFiles::new(6);
    for bad in [
        Options { max_record_bytes: ROOM, ..options() },
        Options { segment_bytes: u32::MAX, ..options() },
        Options { max_record_bytes: u32::MAX, ..options() },
    ] {
        assert!(matches!(open_with(&files, bad), Err(LogError::BadOptions(_))));
    }
}

#[test]
fn segments_may_get_another_size_at_any_opening() {
    let files = SimFiles::new(7);
    let mut last = 0;
    for room in [2000, 1024, 4096, 1024, 3000] {
        let options = Options { segment_bytes: segment::HEADER_BYTES + room, ..options() };
        let options = Options { max_record_bytes: room - 100, prepare: Prepare::Ahead, ..options };
        let (mut log, reader, _) = open_with(&files, options).unwrap();
        commit(&mut log, last + 1..=last + 9);
        last += 9;
        assert_holds(&reader, last);
    }
    open(&files);
}

#[test]
fn a_prepared_segment_is_used_after_reopening() {
    let files = SimFiles::new(8);
    let ahead = Options { prepare: Prepare::Ahead, ..options() };
    for round in 0..20 {
        let (mut log, reader, _) = open_with(&files, ahead.clone()).unwrap();
        commit(&mut log, round * 2 + 1..=round * 2 + 2);
        assert_holds(&reader, round * 2 + 2);
    }
    let (log, _, _) = open(&files);
    assert!(segments(&files) <= log.end().position.segment + 1);
}

#[test]
fn a_second_opening_is_refused_while_the_first_lives() {
    let files = SimFiles::new(9);
    let first = open(&files);
    let error = open_with(&files, options()).unwrap_err();
    assert!(matches!(&error, LogError::Locked { .. }));
    assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
    drop(first);
    open(&files);
}

#[test]
fn another_store_is_refused_naming_both() {
    let files = disk_with(5);
    let error = open_with(&files, Options { store_id: Some([0xab; 16]), ..options() }).unwrap_err();
    assert!(matches!(&error, LogError::WrongStore { .. }));
    let text = error.to_string();
    assert!(text.contains(&"07".repeat(16)) && text.contains(&"ab".repeat(16)), "{text}");
}

#[test]
fn a_segment_of_another_store_is_refused() {
    let (files, other) = (disk_with(20), SimFiles::new(10));
    let (mut log, _, _) = open_with(&other, Options { store_id: Some([8; 16]), ..options() }).unwrap();
    commit(&mut log, 1..=20);
    let foreign = other.bytes(&file(2)).unwrap();
    files.edit(&file(2), |bytes| *bytes = foreign).unwrap();
    let error = open_with(&files, options()).unwrap_err();
    assert!(matches!(&error, LogError::WrongStore { file: named, .. } if *named == file(2)), "{error}");
}

#[test]
fn opening_verifies_from_a_mark_of_the_log_and_refuses_others() {
    let files = disk_with(40);
    let (log, reader, _) = open(&files);
    let records: Vec<_> = reader.scan(Mark::START).map(Result::unwrap).collect();
    drop(log);
    for record in &records {
        for mark in [record.mark(), record.next] {
            let since = Options { verify: Verify::Since(mark), ..options() };
            let (_log, reader, recovered) = open_with(&files, since).unwrap();
            assert!(recovered.records >= 41 - mark.sequence);
            assert_holds(&reader, 40);
        }
        for wrong in [
            Mark { sequence: record.sequence + 1, ..record.mark() },
            Mark { sequence: 99, position: Position { segment: 50, ..record.position } },
        ] {
            let since = Options { verify: Verify::Since(wrong), ..options() };
            assert!(matches!(open_with(&files, since), Err(LogError::NoSuchMark { .. })), "{wrong}");
        }
    }
}

#[test]
fn a_log_that_no_longer_reaches_a_mark_is_refused_and_not_cut() {
    let files = disk_with(40);
    let (log, reader, _) = open(&files);
    let last = reader.scan(Mark::START).last().unwrap().unwrap();
    drop(log);
    let (number, at) = (last.position.segment, last.position.offset as usize - 1);
    files.edit(&file(number), |bytes| bytes[at] ^= 1).unwrap();
    let before = files.bytes(&file(number)).unwrap();
    let since = Options { verify: Verify::Since(last.next), ..options() };
    let error = open_with(&files, since).unwrap_err();
    assert!(matches!(error, LogError::NoSuchMark { wanted, .. } if wanted == last.next), "{error}");
    assert!(files.bytes(&file(number)).unwrap() == before);
}

#[test]
fn opening_by_the_last_segment_reads_few_records() {
    let files = disk_with(200);
    let (log, reader, recovered) =
        open_with(&files, Options { verify: Verify::LastSegment, ..options() }).unwrap();
    assert!(recovered.records < 30, "{}", recovered.records);
    assert_eq!(log.end().sequence, 201);
    assert_holds(&reader, 200);
}

#[test]
fn readers_follow_the_writer_from_other_threads() {
    let files = SimFiles::new(11);
    let (mut log, reader, _) = open_with(&files, Options { prepare: Prepare::Ahead, ..options() }).unwrap();
    let follow = {
        let reader = reader.clone();
        move || {
            let (mut from, mut seen) = (Mark::START, 0);
            while seen < 300 {
                for record in reader.scan(from) {
                    let record = record.unwrap();
                    seen += 1;
                    assert_eq!((record.sequence, &record.payload[..]), (seen, &payload(seen)[..]));
                    assert_eq!(reader.record(record.position).unwrap(), record);
                    from = record.next;
                }
            }
        }
    };
    let followers: Vec<_> = (0..2).map(|_| std::thread::spawn(follow.clone())).collect();
    commit(&mut log, 1..=300);
    for follower in followers {
        follower.join().unwrap();
    }
}

#[test]
fn a_log_of_more_segments_than_are_kept_open_is_read() {
    let files = SimFiles::new(12);
    let (mut log, reader, _) = open(&files);
    let mut positions = Vec::new();
    for n in 0..400u32 {
        positions.push(log.append(&[&n.to_le_bytes(), &[0; 800]]).unwrap());
    }
    log.sync().unwrap();
    assert_eq!(segments(&files), 400);
    for n in (0..400u32).rev().chain([7, 300]) {
        assert_eq!(reader.read(positions[n as usize], 4).unwrap()[..], n.to_le_bytes());
    }
    drop(log);
    assert_eq!(contents(&open(&files).1).len(), 400);
}

#[test]
fn a_file_that_is_no_segment_is_left_alone_and_half_made_ones_go() {
    let files = disk_with(5);
    let disk: Arc<dyn Files> = Arc::new(files.clone());
    for name in ["notes.txt", "1.log", "00000000x.log", "00000009.log.new"] {
        disk.create(&dir().join(name)).unwrap();
    }
    open(&files);
    let names = disk.list(dir()).unwrap();
    assert!(names.contains(&"notes.txt".to_owned()) && names.contains(&"1.log".to_owned()));
    assert!(!names.iter().any(|name| name.ends_with(".new")), "{names:?}");
}
