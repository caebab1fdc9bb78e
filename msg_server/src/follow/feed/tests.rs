//! A feed, event by event, and under random ones.

use std::collections::HashMap;

use bytes::Bytes;
use proptest::prelude::*;
use protocol::ids::Time;

use super::*;

const WAIT: Duration = Duration::from_millis(50);

#[derive(Default)]
struct Seen {
    pushed: HashMap<u32, Vec<u64>>,
    /// So many entries are taken yet, where that is bounded.
    room: HashMap<u32, usize>,
    gaps: Vec<(u32, u64, u64)>,
    asks: usize,
    reads: Vec<(Whom<u32>, u64)>,
    wakes: Vec<Instant>,
}

impl Steps<u32> for Seen {
    fn push(&mut self, reader: &u32, entry: &Entry) -> bool {
        match self.room.get_mut(reader) {
            Some(0) => return false,
            Some(room) => *room -= 1,
            None => {}
        }
        self.pushed.entry(*reader).or_default().push(entry.version.0);
        true
    }
    fn gap(&mut self, reader: &u32, after: Version, upto: Version) {
        self.gaps.push((*reader, after.0, upto.0));
    }
    fn ask(&mut self) {
        self.asks += 1;
    }
    fn read(&mut self, whom: Whom<u32>, after: Version) {
        self.reads.push((whom, after.0));
    }
    fn wake(&mut self, at: Instant) {
        self.wakes.push(at);
    }
}

fn entry(version: u64) -> Entry {
    Entry { version: Version(version), time: Time(0), content: Bytes::new() }
}

fn entries(versions: std::ops::RangeInclusive<u64>) -> Vec<Entry> {
    versions.map(entry).collect()
}

fn live(head: u64, now: Instant, seen: &mut Seen) -> Feed<u32> {
    let mut feed = Feed::new(WAIT, 0, seen);
    feed.join(1, From::Head, seen);
    feed.bounds(Version(head), now, seen);
    feed
}

#[test]
fn the_owner_is_asked_only_after_every_router_confirmed() {
    let (now, mut seen) = (Instant::now(), Seen::default());
    let mut feed = Feed::new(WAIT, 2, &mut seen);
    feed.join(1, From::After(Version(3)), &mut seen);
    feed.confirmed(&mut seen);
    feed.arrived(entry(6), None, now, &mut seen);
    assert_eq!(seen.asks, 0);
    feed.confirmed(&mut seen);
    assert_eq!(seen.asks, 1);
    feed.bounds(Version(5), now, &mut seen);
    assert_eq!(seen.reads, [(Whom::Reader(1), 3)]);
    feed.page(Whom::Reader(1), &entries(4..=6), Version(6), now, &mut seen);
    feed.arrived(entry(7), None, now, &mut seen);
    assert_eq!(seen.pushed[&1], [4, 5, 6, 7]);
}

#[test]
fn a_hole_is_read_after_its_wait_and_before_anything_later_is_pushed() {
    let (now, mut seen) = (Instant::now(), Seen::default());
    let mut feed = live(2, now, &mut seen);
    feed.arrived(entry(4), None, now, &mut seen);
    feed.tick(now, &mut seen);
    assert!(seen.pushed.is_empty() && seen.reads.is_empty());
    feed.tick(now + WAIT, &mut seen);
    feed.tick(now + WAIT, &mut seen);
    assert_eq!(seen.reads, [(Whom::Feed, 2)]);
    feed.page(Whom::Feed, &entries(3..=5), Version(5), now, &mut seen);
    feed.arrived(entry(5), None, now, &mut seen);
    assert_eq!(seen.pushed[&1], [3, 4, 5]);
}

#[test]
fn what_was_before_a_reader_joined_is_neither_pushed_nor_a_gap() {
    let (now, mut seen) = (Instant::now(), Seen::default());
    let mut feed = live(6, now, &mut seen);
    feed.join(2, From::After(Version(1)), &mut seen);
    feed.begins_after(&2, Version(4));
    feed.page(Whom::Reader(2), &entries(5..=6), Version(6), now, &mut seen);
    assert_eq!(seen.pushed[&2], [5, 6]);
    assert!(seen.gaps.is_empty());
    feed.join(3, From::After(Version(2)), &mut seen);
    feed.begins_after(&3, Version(6));
    feed.page(Whom::Reader(3), &[], Version(6), now, &mut seen);
    feed.arrived(entry(7), None, now, &mut seen);
    assert_eq!(seen.pushed[&3], [7], "it was level at once");
}

#[test]
fn one_alarm_stands_at_a_time_however_often_a_hole_opens_and_closes() {
    let (now, mut seen) = (Instant::now(), Seen::default());
    let mut feed = live(0, now, &mut seen);
    for hole in 0..100 {
        let later = now + Duration::from_micros(hole);
        feed.arrived(entry(hole * 2 + 2), None, later, &mut seen);
        feed.arrived(entry(hole * 2 + 1), None, later, &mut seen);
    }
    assert_eq!((seen.wakes.len(), feed.alarm()), (1, Some(now + WAIT)));
    feed.tick(now + WAIT, &mut seen);
    assert_eq!((seen.wakes.len(), feed.alarm()), (1, None));
    feed.arrived(entry(300), None, now + WAIT, &mut seen);
    feed.tick(now + WAIT, &mut seen);
    assert_eq!((seen.wakes.len(), feed.alarm()), (2, Some(now + WAIT * 2)));
}

#[test]
fn an_own_send_is_not_pushed_to_its_session_but_to_others() {
    let (now, mut seen) = (Instant::now(), Seen::default());
    let mut feed = live(0, now, &mut seen);
    feed.join(2, From::Head, &mut seen);
    feed.arrived(entry(2), Some(1), now, &mut seen);
    feed.arrived(entry(1), Some(2), now, &mut seen);
    assert_eq!(seen.pushed, HashMap::from([(1, vec![1]), (2, vec![2])]));
}

#[test]
fn one_that_is_behind_is_not_pushed_what_it_sent_meanwhile() {
    let (now, mut seen) = (Instant::now(), Seen::default());
    let mut feed = live(2, now, &mut seen);
    feed.join(2, From::After(Version(0)), &mut seen);
    feed.arrived(entry(3), Some(2), now, &mut seen);
    feed.arrived(entry(4), Some(1), now, &mut seen);
    feed.page(Whom::Reader(2), &entries(1..=3), Version(4), now, &mut seen);
    feed.page(Whom::Reader(2), &entries(4..=4), Version(4), now, &mut seen);
    feed.arrived(entry(5), None, now, &mut seen);
    assert_eq!(seen.pushed, HashMap::from([(1, vec![3, 5]), (2, vec![1, 2, 4, 5])]));
}

#[test]
fn an_own_send_that_a_router_brings_as_well_is_still_its_sender_s() {
    for answer_first in [true, false] {
        let (now, mut seen) = (Instant::now(), Seen::default());
        let mut feed = live(0, now, &mut seen);
        for origin in if answer_first { [Some(1), None] } else { [None, Some(1)] } {
            feed.arrived(entry(2), origin, now, &mut seen);
        }
        feed.arrived(entry(1), None, now, &mut seen);
        assert_eq!(seen.pushed[&1], [1]);
    }
}

#[test]
fn one_that_has_no_room_is_behind_until_it_has_read_what_it_missed() {
    let (now, mut seen) = (Instant::now(), Seen::default());
    let mut feed = live(0, now, &mut seen);
    feed.join(2, From::Head, &mut seen);
    seen.room.insert(2, 1);
    for version in 1..=3 {
        feed.arrived(entry(version), None, now, &mut seen);
    }
    assert_eq!(seen.reads, [(Whom::Reader(2), 1)]);
    seen.room.insert(2, 1);
    feed.page(Whom::Reader(2), &entries(2..=3), Version(3), now, &mut seen);
    assert_eq!(seen.reads.pop(), Some((Whom::Reader(2), 2)));
    seen.room.remove(&2);
    feed.arrived(entry(4), None, now, &mut seen);
    feed.page(Whom::Reader(2), &entries(3..=4), Version(4), now, &mut seen);
    feed.arrived(entry(5), None, now, &mut seen);
    assert_eq!(seen.pushed, HashMap::from([(1, vec![1, 2, 3, 4, 5]), (2, vec![1, 2, 3, 4, 5])]));
}

#[test]
fn a_gap_is_told_once_to_one_that_has_no_room_for_what_follows_it() {
    let (now, mut seen) = (Instant::now(), Seen::default());
    let mut feed = live(9, now, &mut seen);
    feed.join(2, From::After(Version(0)), &mut seen);
    seen.room.insert(2, 0);
    feed.page(Whom::Reader(2), &entries(5..=9), Version(9), now, &mut seen);
    assert_eq!(seen.reads, [(Whom::Reader(2), 0), (Whom::Reader(2), 4)]);
    seen.room.remove(&2);
    feed.page(Whom::Reader(2), &entries(5..=9), Version(9), now, &mut seen);
    assert_eq!((&seen.gaps[..], &seen.pushed[&2][..]), (&[(2, 0, 4)][..], &[5, 6, 7, 8, 9][..]));
}

#[test]
fn what_retention_took_is_told_as_a_gap() {
    let (now, mut seen) = (Instant::now(), Seen::default());
    let mut feed = live(2, now, &mut seen);
    feed.join(2, From::After(Version(0)), &mut seen);
    feed.page(Whom::Reader(2), &entries(2..=2), Version(2), now, &mut seen);
    feed.arrived(entry(9), None, now, &mut seen);
    feed.tick(now + WAIT, &mut seen);
    feed.page(Whom::Feed, &entries(7..=9), Version(9), now, &mut seen);
    assert_eq!(seen.gaps, [(2, 0, 1), (1, 2, 6), (2, 2, 6)]);
    assert_eq!(seen.pushed[&1], [7, 8, 9]);
}

#[test]
fn a_question_asked_before_something_happened_is_asked_again() {
    let (now, mut seen) = (Instant::now(), Seen::default());
    let mut feed = live(2, now, &mut seen);
    feed.recheck(&mut seen);
    feed.recheck(&mut seen);
    assert_eq!(seen.asks, 2);
    feed.bounds(Version(2), now, &mut seen);
    assert_eq!(seen.asks, 3);
    feed.bounds(Version(4), now, &mut seen);
    feed.tick(now + WAIT, &mut seen);
    assert_eq!(seen.reads, [(Whom::Feed, 2)]);
}

#[test]
fn one_who_is_not_resumed_gets_nothing_durable() {
    let (now, mut seen) = (Instant::now(), Seen::default());
    let mut feed = live(1, now, &mut seen);
    feed.join(2, From::Later, &mut seen);
    feed.arrived(entry(2), None, now, &mut seen);
    assert!(!seen.pushed.contains_key(&2));
    feed.resume(&2, From::After(Version(1)), &mut seen);
    assert_eq!(seen.reads, [(Whom::Reader(2), 1)]);
    assert_eq!(feed.readers().count(), 2);
    assert!(!feed.leave(&1) && feed.leave(&2));
}

proptest! {
    /// Pushes are lost, repeated and reordered; the owner is asked now and then. In the end everybody has everything once.
    #[test]
    fn every_reader_sees_every_version_once_and_in_order(
        total in 1u64..40, starts in prop::collection::vec(0u64..40, 1..4),
        events in prop::collection::vec((0u8..8, 1u64..40), 0..120), lookahead in 1u64..6,
    ) {
        let (mut now, mut seen) = (Instant::now(), Seen::default());
        let mut feed = Feed::new(WAIT, 1, &mut seen);
        for (id, start) in starts.iter().enumerate() {
            feed.join(id as u32, From::After(Version((*start).min(total))), &mut seen);
        }
        let mut stored = *starts.iter().max().unwrap_or(&0);
        stored = stored.min(total);
        feed.confirmed(&mut seen);
        let answer = |feed: &mut Feed<u32>, seen: &mut Seen, stored: u64, now: Instant| {
            for _ in 0..std::mem::take(&mut seen.asks) {
                feed.bounds(Version(stored), now, seen);
            }
            for (whom, after) in std::mem::take(&mut seen.reads) {
                feed.page(whom, &entries(after + 1..=stored.min(after + 7)), Version(stored), now, seen);
            }
        };
        for (kind, version) in events {
            match kind {
                0 | 1 => stored = (stored + 1).min(total),
                2 => feed.recheck(&mut seen),
                3 => answer(&mut feed, &mut seen, stored, now),
                4 => { now += WAIT; feed.tick(now, &mut seen); }
                _ => {
                    let version = version.max(stored.saturating_sub(lookahead)).min(stored);
                    if version > 0 { feed.arrived(entry(version), None, now, &mut seen); }
                }
            }
        }
        stored = total;
        feed.recheck(&mut seen);
        for _ in 0..200 {
            answer(&mut feed, &mut seen, stored, now);
            now += WAIT;
            feed.tick(now, &mut seen);
        }
        prop_assert!(feed.is_level());
        for (id, start) in starts.iter().enumerate() {
            let want: Vec<u64> = ((*start).min(total) + 1..=total).collect();
            prop_assert_eq!(seen.pushed.get(&(id as u32)).cloned().unwrap_or_default(), want);
        }
    }
}
