//! Random calls, whose answers and effects must be those of [`ModelStore`].

use std::time::Duration;

use futures::future::join_all;
use protocol::ids::{LogName, Version};
use protocol::link::request::{LogState, Mark};

use super::cast::{device, inbox, said, to_log, told, topic, topic_log, user};
use super::{DEDUPE, ModelStore, Subject, dump};
use crate::{Append, CursorMove, Membership, Store};

/// A call, its parts chosen by small numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Messages to logs, all called before the first is answered: each log, sender, id, text.
    Append([(u8, u8, u8, u8); 3]),
    /// A message between two people: sender, recipient, id, text.
    Pair(u8, u8, u8, u8),
    /// A login: user, device.
    LogIn(u8, u8),
    /// A new topic: which, creator, volatile.
    Create(u8, u8, bool),
    /// A new member: topic, user.
    Join(u8, u8),
    /// A member less: topic, user.
    Leave(u8, u8),
    /// A cursor: user, device, log, to where.
    Move(u8, u8, u8, u8),
    /// Retention: log, before.
    Trim(u8, u8),
    /// Half of [`DEDUPE`] passes.
    Pass,
    /// The process is killed and started again.
    Restart,
}

const PEOPLE: [&str; 3] = ["amy", "bob", "eve"];
const TOPICS: [&str; 2] = ["garden", "radio"];

fn person(number: u8) -> &'static str {
    PEOPLE[number as usize % PEOPLE.len()]
}

fn topic_of(number: u8) -> &'static str {
    TOPICS[number as usize % TOPICS.len()]
}

fn log_of(number: u8) -> LogName {
    match number as usize % (PEOPLE.len() + TOPICS.len()) {
        person if person < PEOPLE.len() => inbox(PEOPLE[person]),
        topic => topic_log(TOPICS[topic - PEOPLE.len()]),
    }
}

fn message(log: u8, sender: u8, id: u8, text: u8) -> Append {
    let (log, id, text) = (log_of(log), format!("m{}", id % 8), ["hi", "ho"][text as usize % 2]);
    let content = match log.user() {
        Some(to) => told(person(sender), &id, to.as_str(), text),
        None => said(person(sender), &id, text),
    };
    to_log(&log, content)
}

impl Step {
    /// Step number `at` of the history that `seed` stands for.
    pub fn random(seed: u64, at: u64) -> Self {
        let mut random = seed ^ at.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut byte = || {
            // SplitMix64.
            random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = random;
            mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            (mixed >> 56) as u8
        };
        let mut four = || (byte(), byte(), byte(), byte());
        let (kind, a, b, c) = four();
        match kind % 32 {
            0..10 => Self::Append([four(), four(), four()]),
            10..16 => Self::Pair(a, b, c, kind >> 5),
            16..18 => Self::LogIn(a, b),
            18..20 => Self::Create(a, b, c % 4 == 0),
            20..23 => Self::Join(a, b),
            23..25 => Self::Leave(a, b),
            25..28 => Self::Move(a, b, c, kind >> 5),
            28..30 => Self::Trim(a, b),
            30 => Self::Pass,
            _ => Self::Restart,
        }
    }

    /// Makes the call: what the store answers, without times. Nothing for a step that is no call.
    pub async fn call(self, store: &dyn Store) -> String {
        match self {
            Self::Append(messages) => {
                let calls = messages
                    .map(|(log, sender, id, text)| store.append(vec![message(log, sender, id, text)]));
                let answers = join_all(calls).await.into_iter().flatten();
                let answers = answers.map(|answer| answer.map(|stored| (stored.version, stored.duplicate)));
                format!("{:?}", answers.collect::<Vec<_>>())
            }
            Self::Pair(from, to, id, text) => {
                let content = message(to % PEOPLE.len() as u8, from, id, text).content;
                let answer = store.append_pair(vec![content]).await.pop().unwrap();
                let versions = answer.map(|pair| {
                    [pair.sender, pair.recipient].map(|stored| (stored.version, stored.duplicate))
                });
                format!("{versions:?}")
            }
            Self::LogIn(who, on) => {
                let device = (on % 3 > 0).then(|| device(&format!("d{}", on % 3)));
                let login = store.log_in(user(person(who)), device).await.unwrap();
                format!("{login:?}")
            }
            Self::Create(which, who, volatile) => {
                let answer = store.create_topic(topic(topic_of(which)), user(person(who)), volatile).await;
                format!("{:?}", answer.map(joined))
            }
            Self::Join(which, who) => {
                let answer = store.join_topic(topic(topic_of(which)), user(person(who)), None).await;
                format!("{:?}", answer.map(joined))
            }
            Self::Leave(which, who) => {
                format!("{:?}", store.leave_topic(topic(topic_of(which)), user(person(who))).await)
            }
            Self::Move(who, on, log, to) => {
                let (device, mark) = match on % 3 {
                    0 => (None, Mark::Read),
                    1 => (None, Mark::Received),
                    _ => (Some(device("d1")), Mark::Received),
                };
                let (user, log, version) = (user(person(who)), log_of(log), Version(u64::from(to)));
                let moved = store.move_cursors(vec![CursorMove { user, device, log, mark, version }]).await;
                format!("{moved:?}")
            }
            Self::Trim(log, before) => {
                format!("{:?}", store.trim(log_of(log), Version(u64::from(before % 16))).await)
            }
            Self::Pass | Self::Restart => String::new(),
        }
    }
}

fn joined(membership: Membership) -> (LogState, bool) {
    (membership.log, membership.already)
}

/// Calls the subject and a model one step after another, compares each answer, and in the end all that both hold.
pub async fn run(subject: &mut impl Subject, steps: impl IntoIterator<Item = Step>) {
    let mut model = ModelStore::default();
    for (at, step) in steps.into_iter().enumerate() {
        match step {
            Step::Pass => pass(subject, &model, DEDUPE / 2),
            Step::Restart => subject.restart().await,
            _ => {
                let expected = step.call(&model).await;
                assert_eq!(step.call(subject.store()).await, expected, "step {at}: {step:?}");
            }
        }
    }
    let expected = dump(&model).await;
    assert_eq!(dump(subject.store()).await, expected);
    subject.restart().await;
    model.restart().await;
    assert_eq!(dump(subject.store()).await, expected, "after a restart");
}

fn pass(subject: &impl Subject, model: &ModelStore, time: Duration) {
    subject.pass(time);
    model.pass(time);
}
