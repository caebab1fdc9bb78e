//! Decisions without files, threads and clocks.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use protocol::access::{History, Join};
use protocol::content::Content;
use protocol::ids::{LogName, StoreId, Time, TopicName, UserId, Version};
use protocol::link::request::Mark;

use super::*;
use crate::embedded::commit_log::{Mark as Place, Position};
use crate::embedded::index::{Checkpoint, Index, MemoryIndex};
use crate::embedded::state::draft::Draft;
use crate::embedded::state::pending::{Pending, relocate};
use crate::embedded::state::view::{Pairs, View};
use crate::{Append, CursorMove, NewTopic};

const LIMITS: Limits = Limits { entry_bytes: 100, dedupe: Some(Duration::from_secs(10)) };

#[derive(Debug, Clone)]
enum Call {
    Append(LogName, u8, u8, u8),
    Pair(u8, u8, u8),
    LogIn(u8),
    Create(u8),
    Join(u8),
    Leave(u8),
    Invite(u8, u8),
    Remove(u8, u8),
    Dissolve(u8),
    Move(u8, LogName, u8),
    Trim(LogName, u8),
}

fn person(n: u8) -> UserId {
    UserId::new(["amy", "bob"][n as usize % 2]).unwrap()
}

fn garden() -> TopicName {
    TopicName::new("garden").unwrap()
}

fn call() -> impl Strategy<Value = Call> {
    let log = prop::sample::select(vec![
        LogName::inbox(&person(0)),
        LogName::inbox(&person(1)),
        LogName::topic(&garden()),
    ]);
    let n = 0u8..8;
    prop_oneof![
        4 => (log.clone(), n.clone(), n.clone(), n.clone()).prop_map(|(l, a, b, c)| Call::Append(l, a, b, c)),
        3 => (n.clone(), n.clone(), n.clone()).prop_map(|(a, b, c)| Call::Pair(a, b, c)),
        1 => n.clone().prop_map(Call::LogIn),
        1 => n.clone().prop_map(Call::Create),
        1 => n.clone().prop_map(Call::Join),
        1 => n.clone().prop_map(Call::Leave),
        1 => (n.clone(), n.clone()).prop_map(|(a, b)| Call::Invite(a, b)),
        1 => (n.clone(), n.clone()).prop_map(|(a, b)| Call::Remove(a, b)),
        1 => (0u8..40).prop_map(Call::Dissolve),
        1 => (n.clone(), log.clone(), n.clone()).prop_map(|(a, l, b)| Call::Move(a, l, b)),
        1 => (log, n).prop_map(|(l, a)| Call::Trim(l, a)),
    ]
}

impl Call {
    fn decide(&self, draft: &mut Draft<'_, MemoryIndex>) -> String {
        let id = |n: u8| format!("m{n}");
        match self {
            Self::Append(log, sender, n, text) => {
                let (sender, id, text) = (person(*sender), id(*n), format!("text {}", text % 2));
                let content = Content::text(sender.as_str(), &id, None, &text).to_bytes();
                let message = Append { log: log.clone(), content, open: n % 2 == 0 };
                format!("{:?}", append(draft, LIMITS, &message).unwrap())
            }
            Self::Pair(from, to, n) => {
                let (from, to, id) = (person(*from), person(*to), id(*n));
                let content = Content::text(from.as_str(), &id, Some(to.as_str()), "hi").to_bytes();
                format!("{:?}", append_pair(draft, LIMITS, &content).unwrap())
            }
            Self::LogIn(who) => format!("{:?}", log_in(draft, &person(*who), None)),
            Self::Create(who) => {
                let join = if who % 4 < 2 { None } else { Some(Join::Invite) };
                let history = if who % 8 < 4 { None } else { Some(History::FromJoin) };
                let new = NewTopic { join, history, ..NewTopic::new(garden(), person(*who)) };
                format!("{:?}", create_topic(draft, &new))
            }
            Self::Join(who) => format!("{:?}", join_topic(draft, &garden(), &person(*who))),
            Self::Leave(who) => format!("{:?}", leave_topic(draft, &garden(), &person(*who))),
            Self::Invite(who, by) => format!("{:?}", invite(draft, &garden(), &person(*who), &person(*by))),
            Self::Remove(who, by) => {
                format!("{:?}", remove_member(draft, &garden(), &person(*who), &person(*by)))
            }
            // Rarely by one of the people: nothing more is decided then.
            Self::Dissolve(by) if *by < 2 => format!("{:?}", dissolve(draft, &garden(), &person(*by))),
            Self::Dissolve(_) => String::new(),
            Self::Move(who, log, to) => {
                let (user, log, version) = (person(*who), log.clone(), Version(u64::from(*to)));
                let to = CursorMove { user, device: None, log, mark: Mark::Read, version };
                format!("{:?}", move_cursor(draft, &to))
            }
            Self::Trim(log, before) => format!("{:?}", trim(draft, LIMITS, log, Version(u64::from(*before)))),
        }
    }
}

/// Decides calls in one record and applies it; the answers. `number` is the record's, and its place.
fn commit(index: &MemoryIndex, time: Time, number: u32, calls: &[Call]) -> Vec<String> {
    let mut draft = Draft::new(index, time);
    let answers = calls.iter().map(|call| call.decide(&mut draft)).collect();
    let position = Position { segment: 1, offset: number * 10_000 };
    let (payload, puts) = draft.finish();
    let puts = relocate(puts, position);
    assert_eq!(
        Pending::replay(index, &payload, position).unwrap(),
        puts,
        "what is replayed is what was decided"
    );
    index.write(&puts, &Checkpoint::after(StoreId([0; 16]), &payload, position, Place::START)).unwrap();
    answers
}

/// All keys and values but where contents lie, which depends on the record.
fn state(index: &MemoryIndex) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let pairs: Pairs = index.scan(&[0], &[255], usize::MAX).unwrap();
    let kept = pairs.into_iter().filter(|(key, _)| key[0] != b'm');
    kept.map(|(key, value)| {
        let value = if key[0] == b'E' { value[8..].to_vec() } else { value };
        (key, value)
    })
    .collect()
}

proptest! {
    #[test]
    fn calls_are_decided_alike_in_one_record_and_in_many(calls in prop::collection::vec(call(), 0..60), share in 1usize..9) {
        let (together, apart) = (MemoryIndex::default(), MemoryIndex::default());
        for (at, part) in calls.chunks(share).enumerate() {
            let time = Time(at as u64 * 4_000);
            let answers = commit(&together, time, at as u32, part);
            let alone: Vec<_> = part.iter().flat_map(|call| commit(&apart, time, 0, std::slice::from_ref(call))).collect();
            prop_assert_eq!(answers, alone);
        }
        prop_assert_eq!(state(&together), state(&apart));
    }
}

#[test]
fn nothing_that_changes_nothing_is_written() {
    let index = MemoryIndex::default();
    let amy = person(0);
    commit(&index, Time(1), 0, &[Call::LogIn(0), Call::Create(0)]);
    let mut draft = Draft::new(&index, Time(2));
    log_in(&mut draft, &amy, None).unwrap().unwrap();
    join_topic(&mut draft, &garden(), &amy).unwrap().unwrap();
    leave_topic(&mut draft, &garden(), &person(1)).unwrap().unwrap();
    remove_member(&mut draft, &garden(), &person(1), &amy).unwrap().unwrap_err();
    invite(&mut draft, &garden(), &amy, &amy).unwrap().unwrap();
    trim(&mut draft, LIMITS, &LogName::inbox(&amy), Version(9)).unwrap();
    assert!(draft.is_empty());
}

#[test]
fn topics_of_a_store_that_knew_no_rules_are_open_and_read_from_their_beginning() {
    use crate::codec::put_bytes;
    const TOPIC: u8 = 10;
    const JOIN: u8 = 12;
    let mut payload = vec![1, 7];
    for (tag, names, rest) in [(TOPIC, ["garden", "amy"], &[0][..]), (JOIN, ["garden", "bob"], &[])] {
        payload.push(tag);
        names.iter().for_each(|name| put_bytes(&mut payload, name.as_bytes()));
        payload.extend_from_slice(rest);
    }
    let (index, place) = (MemoryIndex::default(), Position { segment: 1, offset: 0 });
    let puts = Pending::replay(&index, &payload, place).unwrap();
    index.write(&puts, &Checkpoint::after(StoreId([0; 16]), &payload, place, Place::START)).unwrap();
    let topic = index.topic("garden").unwrap().unwrap();
    assert_eq!((topic.rules, topic.dissolved, topic.revision), (crate::Rules::default(), false, 0));
    let mut draft = Draft::new(&index, Time(9));
    assert!(join_topic(&mut draft, &garden(), &person(1)).unwrap().unwrap(), "bob is a member");
    assert_eq!(leave_topic(&mut draft, &garden(), &person(1)).unwrap(), Ok(Some(1)));
}
