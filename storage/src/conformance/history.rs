//! Random calls, whose answers and effects must be those of [`ModelStore`].

use std::time::Duration;

use futures::future::join_all;
use protocol::access::{Act, History, Join};
use protocol::ids::{LogName, Version};
use protocol::link::request::{LogState, Mark};

use super::cast::{device, inbox, new_topic, said, to_log, told, topic, topic_log, user};
use super::{DEDUPE, ModelStore, Subject, dump};
use crate::{Append, CursorMove, Membership, NewTopic, Store};

/// A call, its parts chosen by small numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Messages to logs, all called before the first is answered: each log, sender, id, text.
    Append([(u8, u8, u8, u8); 3]),
    /// A message between two people: sender, recipient, id, text.
    Pair(u8, u8, u8, u8),
    /// A login: user, device.
    LogIn(u8, u8),
    /// A new topic: which, creator, rules.
    Create(u8, u8, u8),
    /// A new member: topic, user.
    Join(u8, u8),
    /// A member less: topic, user.
    Leave(u8, u8),
    /// An invitation: topic, user, by whom.
    Invite(u8, u8, u8),
    /// Somebody put out: topic, user, by whom.
    Remove(u8, u8, u8),
    /// A topic less: which, by whom.
    Dissolve(u8, u8),
    /// What a user may do: topic, user.
    May(u8, u8),
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
const TOPICS: [&str; 4] = ["club", "garden", "radio", "ruin"];

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
            18 | 19 => Self::Create(a, b, c),
            20 | 21 => Self::Join(a, b),
            22 => Self::Leave(a, b),
            23 => Self::Invite(a, b, c),
            24 => Self::Remove(a, b, c),
            // Rarely: nothing more can be done to it.
            25 if kind >> 5 == 0 => Self::Dissolve(a, b),
            25 => Self::May(a, b),
            26 | 27 => Self::Move(a, b, c, kind >> 5),
            28 | 29 => Self::Trim(a, b),
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
                let answers = answers
                    .map(|answer| answer.map(|stored| (stored.version, stored.duplicate, stored.revision)));
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
            Self::Create(which, who, rules) => {
                let join = [None, Some(Join::Open), Some(Join::Invite)][rules as usize % 3];
                let history = [None, Some(History::All), Some(History::FromJoin)][rules as usize / 3 % 3];
                let (volatile, new) = (rules >= 224, new_topic(topic_of(which), person(who)));
                let answer = store.create_topic(NewTopic { volatile, join, history, ..new }).await;
                format!("{:?}", answer.map(joined))
            }
            Self::Join(which, who) => {
                let answer = store.join_topic(topic(topic_of(which)), user(person(who)), None).await;
                format!("{:?}", answer.map(joined))
            }
            Self::Leave(which, who) => {
                format!("{:?}", store.leave_topic(topic(topic_of(which)), user(person(who))).await)
            }
            Self::Invite(which, who, by) => {
                let (topic, user, by) = (topic(topic_of(which)), user(person(who)), user(person(by)));
                format!("{:?}", store.invite(topic, user, by).await)
            }
            Self::Remove(which, who, by) => {
                let (topic, user, by) = (topic(topic_of(which)), user(person(who)), user(person(by)));
                format!("{:?}", store.remove_member(topic, user, by).await)
            }
            Self::Dissolve(which, by) => {
                format!("{:?}", store.dissolve(topic(topic_of(which)), user(person(by))).await)
            }
            Self::May(which, who) => {
                let may = |act| store.may(act, topic(topic_of(which)), user(person(who)));
                let answers = join_all(Act::ALL.map(may)).await;
                format!("{answers:?} {:?}", store.topics_of(user(person(who))).await)
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
