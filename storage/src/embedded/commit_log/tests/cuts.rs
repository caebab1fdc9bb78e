//! Files cut short and bytes gone bad, at every place of a small log.

use proptest::prelude::*;

use super::*;

/// Where each record's header begins and its bytes end, in its segment.
fn extents(reader: &LogReader) -> Vec<(u32, usize, usize)> {
    let records = reader.scan(Mark::START).map(Result::unwrap);
    records
        .map(|record| {
            let begin = record.position.offset as usize;
            (record.position.segment, begin - 40, begin + record.payload.len())
        })
        .collect()
}

#[test]
fn a_log_cut_anywhere_keeps_exactly_its_whole_records() {
    let files = disk_with(4);
    let (log, reader, _) = open(&files);
    let extents = extents(&reader);
    drop(log);
    assert_eq!(segments(&files), 1);
    let length = files.bytes(&file(1)).unwrap().len();
    for cut in segment::HEADER_BYTES as usize..length {
        let files = files.fork();
        files.edit(&file(1), |bytes| bytes.truncate(cut)).unwrap();
        // Bytes of a payload that are zeros are not missed: the file is zeros from there on.
        let end = extents.iter().filter(|(_, _, end)| *end <= cut).count() as u64;
        let (mut log, reader, recovered) = open(&files);
        let torn = recovered.torn.unwrap();
        assert_eq!(torn.missing_bytes, (length - cut) as u64);
        let held = recovered.records;
        assert!(held == end || (held == end + 1 && payload(held).ends_with(&[0])), "cut at {cut}");
        assert_holds(&reader, held);
        commit(&mut log, held + 1..=held + 3);
        drop(log);
        let (_log, reader, recovered) = open(&files);
        assert_eq!(recovered.torn, None);
        assert_holds(&reader, held + 3);
    }
}

#[test]
fn a_log_cut_in_its_header_is_damaged() {
    for cut in 0..segment::HEADER_BYTES as usize {
        let files = disk_with(2);
        files.edit(&file(1), |bytes| bytes.truncate(cut)).unwrap();
        let error = open_with(&files, options()).unwrap_err();
        assert!(matches!(&error, LogError::Damaged(damage) if damage.file == file(1)), "{error}");
    }
}

#[test]
fn a_segment_before_the_last_that_is_cut_is_damaged() {
    let files = disk_with(20);
    let (log, reader, _) = open(&files);
    let extents = extents(&reader);
    drop(log);
    let end = extents.iter().filter(|(segment, ..)| *segment == 2).map(|(.., end)| *end).max().unwrap();
    let first = extents.iter().find(|(segment, ..)| *segment == 2).unwrap().1;
    for cut in first..end {
        let files = files.fork();
        files.edit(&file(2), |bytes| bytes.truncate(cut)).unwrap();
        match open_with(&files, options()) {
            // Cut at the first record's first byte, the file looks like an unused one: the record may as well have
            // stood at the end of the segment before.
            Err(LogError::Damaged(damage)) => assert!([file(1), file(2)].contains(&damage.file), "{damage}"),
            Ok((_log, reader, _)) => assert_holds(&reader, 20),
            Err(other) => panic!("cut at {cut}: {other}"),
        }
    }
}

#[test]
fn a_flipped_byte_anywhere_is_named_or_cuts_the_last_record() {
    let files = disk_with(14);
    let (log, reader, _) = open(&files);
    let extents = extents(&reader);
    drop(log);
    assert!(segments(&files) >= 2);
    for number in 1..=segments(&files) {
        let length = files.bytes(&file(number)).unwrap().len();
        for at in 0..length {
            let files = files.fork();
            files.edit(&file(number), |bytes| bytes[at] ^= 0x40).unwrap();
            check_flipped(&files, number, at, &extents);
        }
    }
}

/// What may follow from one bad byte: an error that names the place, or the loss of the last record, or nothing where
/// the byte is part of no record.
fn check_flipped(files: &SimFiles, number: u32, at: usize, extents: &[(u32, usize, usize)]) {
    let hit =
        extents.iter().position(|(segment, begin, end)| *segment == number && (*begin..*end).contains(&at));
    match (open_with(files, options()), hit) {
        (Err(LogError::Damaged(damage)), Some(hit)) => {
            assert_ne!(hit, extents.len() - 1);
            assert_eq!((&damage.file, damage.offset), (&file(number), extents[hit].1 as u64));
            assert_eq!(damage.next_sequence, hit as u64 + 2);
        }
        (Err(LogError::Damaged(damage)), None) => {
            assert!(at < segment::HEADER_BYTES as usize);
            assert_eq!((&damage.file, damage.offset), (&file(number), at as u64 / 2048 * 2048));
        }
        (Ok((_log, reader, recovered)), Some(hit)) => {
            assert_eq!(hit, extents.len() - 1, "byte {at} of segment {number}");
            assert!(recovered.torn.is_some());
            assert_holds(&reader, hit as u64);
        }
        (Ok((_log, reader, _)), None) => {
            assert!(at >= segment::HEADER_BYTES as usize);
            assert_holds(&reader, extents.len() as u64);
        }
        (Err(error), _) => panic!("byte {at} of segment {number}: {error}"),
    }
}

#[test]
fn refusing_a_damaged_log_changes_nothing() {
    let files = disk_with(20);
    files.edit(&file(1), |bytes| bytes[4200] ^= 1).unwrap();
    let before: Vec<_> = (1..=segments(&files)).map(|n| files.bytes(&file(n)).unwrap()).collect();
    assert!(open_with(&files, options()).is_err());
    let after: Vec<_> = (1..=segments(&files)).map(|n| files.bytes(&file(n)).unwrap()).collect();
    assert!(before == after);
}

#[test]
fn a_missing_segment_is_named() {
    for missing in 1..=2 {
        let files = disk_with(20);
        files.remove(&file(missing)).unwrap();
        let error = open_with(&files, options()).unwrap_err();
        assert!(
            matches!(&error, LogError::MissingSegment { file: named } if *named == file(missing)),
            "{error}"
        );
    }
}

#[test]
fn segments_that_were_swapped_are_refused() {
    let files = disk_with(20);
    let (first, second) = (files.bytes(&file(1)).unwrap(), files.bytes(&file(2)).unwrap());
    files.edit(&file(1), |bytes| *bytes = second).unwrap();
    files.edit(&file(2), |bytes| *bytes = first).unwrap();
    assert!(matches!(open_with(&files, options()), Err(LogError::Damaged(_))));
}

#[test]
fn a_newer_format_is_refused_naming_both_versions() {
    let files = disk_with(3);
    let newer = |bytes: &mut Vec<u8>| {
        bytes[8] = 9;
        let check = xxhash_rust::xxh3::xxh3_64(&bytes[..2040]);
        bytes[2040..2048].copy_from_slice(&check.to_le_bytes());
        bytes.copy_within(..2048, 2048);
    };
    files.edit(&file(1), newer).unwrap();
    let error = open_with(&files, options()).unwrap_err();
    assert!(matches!(error, LogError::NewerFormat { found: 9, known: 2, .. }), "{error}");
}

#[test]
fn a_payload_that_holds_records_of_a_log_is_no_record() {
    // The torn record's payload is a copy of a segment's records, as a client could send it.
    let bait = disk_with(6).bytes(&file(1)).unwrap()[4096..4096 + 800].to_vec();
    let files = disk_with(3);
    let (mut log, _, _) = open(&files);
    let position = log.append(&[&bait]).unwrap();
    log.sync().unwrap();
    drop(log);
    files.edit(&file(position.segment), |bytes| bytes[position.offset as usize - 1] ^= 1).unwrap();
    let (_log, reader, recovered) = open(&files);
    assert!(recovered.torn.is_some());
    assert_holds(&reader, 3);
}

#[test]
fn damage_that_comes_while_the_log_is_open_is_told_by_scan_and_record() {
    let files = disk_with(20);
    let (_log, reader, _) = open(&files);
    let second = reader.scan(Mark::START).nth(1).unwrap().unwrap();
    let at = second.position.offset as usize;
    files.edit(&file(1), |bytes| bytes[at + 3] ^= 1).unwrap();
    for from in [Mark::START, second.mark()] {
        let error = reader.scan(from).find_map(Result::err).unwrap();
        assert!(matches!(&error, LogError::Damaged(damage) if damage.offset == at as u64 - 40), "{error}");
    }
    assert!(matches!(reader.record(second.position), Err(LogError::Damaged(_))));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// However many bytes go bad, whatever a log gives back is a prefix of what was put in.
    #[test]
    fn bad_bytes_never_become_a_payload(
        records in 1u64..30,
        edits in prop::collection::vec((0usize..6, 4096usize..5120, any::<u8>(), 1usize..40), 1..6),
        verify in prop::sample::select(vec![Verify::Everything, Verify::LastSegment]),
    ) {
        let files = disk_with(records);
        for (number, at, value, length) in edits {
            let number = number as u32 % segments(&files) + 1;
            files.edit(&file(number), |bytes| {
                let end = (at + length).min(bytes.len());
                bytes[at..end].fill(value);
            }).unwrap();
        }
        if let Ok((mut log, reader, _)) = open_with(&files, Options { verify, ..options() }) {
            let last = log.end().sequence - 1;
            prop_assert!(last <= records);
            for record in reader.scan(Mark::START).map_while(Result::ok) {
                prop_assert_eq!(&record.payload[..], &payload(record.sequence)[..]);
            }
            commit(&mut log, last + 1..=last + 2);
        }
    }
}
