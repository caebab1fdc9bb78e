//! Random calls, whose answers and effects must be those of [`ModelStore`].

use std::time::Duration;

use futures::future::join_all;
use protocol::access::{Act, History, Join};
use protocol::ids::{LogName, Time, Version};
use protocol::link::request::{LogState, Mark};

use super::cast::{device, inbox, new_topic, said, to_log, told, topic, topic_log, user};
use super::dump::timeless;
use super::{DEDUPE, ModelStore, Subject, dump};
use crate::{Account, AccountState, Append, CursorMove, Membership, NewTopic, Store};

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
    /// A change of an account: whose, which, device.
    Account(u8, u8, u8),
    /// Half of [`DEDUPE`] passes.
    Pass,
    /// The process is killed and started again.
    Restart,
}

const PEOPLE: [&str; 3] = ["amy", "bob", "eve"];
/// Whose accounts are changed; two of them look alike.
const NAMES: [&str; 4] = ["amy", "bob", "eve", "Amy"];
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
        match kind % 40 {
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
            31 => Self::Restart,
            _ => Self::Account(a, b, c),
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
                let login = store.log_in(user(person(who)), device).await;
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
            Self::Account(who, what, on) => change_account(store, who, what, on).await,
            Self::Pass | Self::Restart => String::new(),
        }
    }
}

/// Changes an account as whoever has read it, or as somebody who has not: the answer, and what is there then.
async fn change_account(store: &dyn Store, who: u8, what: u8, on: u8) -> String {
    let user = user(NAMES[who as usize % NAMES.len()]);
    let found = store.account(user.clone()).await.unwrap();
    let mut account = found.clone().unwrap_or_else(|| Account::unclaimed(user.clone(), Time(7)));
    let mut expected = found.map(|found| found.revision);
    match what % 10 {
        0..2 => account.claimed = true,
        2 => account.state = AccountState::Disabled,
        3..5 => account.state = AccountState::Active,
        5 => account.state = AccountState::Deleted,
        6 => drop(account.devices.pop()),
        7 => {
            let latest = account.devices.iter().map(|device| device.seen).max();
            account.see(&device(&format!("d{}", on % 3)), latest.unwrap_or(account.made)).admitted = true;
        }
        8 => account.generation += 1,
        _ => expected = expected.map_or(Some(0), |revision| on.is_multiple_of(2).then_some(revision + 1)),
    }
    let answer = store.put_account(account, expected).await;
    let there = store.account(user).await.unwrap();
    format!("{answer:?} {:?}", there.map(timeless))
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
