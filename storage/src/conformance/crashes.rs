//! For backends that write several records for one call: a crash between any two of them leaves nothing half.

use std::time::Duration;

use protocol::ids::Time;

use super::accounts::{give_a_past, give_the_name_again, nothing_is_inherited};
use super::cast::{contents, inbox, log_in, pair, told, user};
use super::{ModelStore, Subject};
use crate::AccountState;
use crate::pair::complete_open_pairs;

/// A subject that can be stopped between two writes.
pub trait Stoppable: Subject {
    /// From the write after so many more on, every call fails and nothing is written, until [`Subject::restart`].
    fn stop_after(&self, writes: u64);

    /// Whether it has stopped.
    fn stopped(&self) -> bool;
}

impl Stoppable for ModelStore {
    fn stop_after(&self, writes: u64) {
        self.crash_after(writes);
    }

    fn stopped(&self) -> bool {
        self.crashed()
    }
}

/// Runs the checks on subjects that stop after one write, after two, and so on.
pub async fn run<S: Stoppable>(mut make: impl FnMut() -> S) {
    let mut writes = 0;
    while a_crash_leaves_nothing_half(make(), writes).await {
        writes += 1;
    }
    assert!(writes > 2, "a pair takes several writes; it was stopped after at most {writes}");
    run_names(make).await;
}

/// Runs the check of names that are given again, which a backend with transactions passes too.
pub async fn run_names<S: Stoppable>(mut make: impl FnMut() -> S) {
    let mut writes = 0;
    while a_crash_leaves_nothing_to_inherit(make(), writes).await {
        writes += 1;
    }
    assert!(
        writes > 1,
        "a name is emptied and given in several writes; it was stopped after at most {writes}"
    );
}

/// Whether the subject was stopped at all.
async fn a_crash_leaves_nothing_to_inherit(mut subject: impl Stoppable, writes: u64) -> bool {
    give_a_past(subject.store()).await;
    subject.stop_after(writes);
    let answer = give_the_name_again(subject.store()).await;
    let stopped = subject.stopped();
    assert!(stopped || answer.is_ok(), "nothing stopped it after {writes} writes: {answer:?}");
    subject.restart().await;
    let there = subject.store().account(user("amy")).await.unwrap().unwrap();
    let given = there.claimed && there.state == AccountState::Active;
    assert!(given || answer.is_err(), "stopped after {writes} writes, a name that was given is lost");
    if !given {
        give_the_name_again(subject.store()).await.unwrap();
    }
    nothing_is_inherited(subject.store()).await;
    stopped
}

/// Whether the subject was stopped at all.
async fn a_crash_leaves_nothing_half(mut subject: impl Stoppable, writes: u64) -> bool {
    log_in(subject.store(), &["amy", "bob"]).await;
    let message = told("amy", "1", "bob", "hi");
    subject.stop_after(writes);
    let answer = pair(subject.store(), message.clone()).await;
    let stopped = subject.stopped();
    subject.restart().await;
    subject.pass(Duration::from_secs(10));
    let completed = complete_open_pairs(subject.store(), Time(u64::MAX >> 1), 100).await.unwrap();
    assert_eq!((completed.left, completed.refused), (0, 0));
    let (amys, bobs) =
        (contents(subject.store(), &inbox("amy")).await, contents(subject.store(), &inbox("bob")).await);
    assert_eq!(amys, bobs, "stopped after {writes} writes, a message is in one inbox only");
    if answer.is_ok() {
        assert_eq!(bobs.len(), 1, "stopped after {writes} writes, a message that was acknowledged is lost");
    }
    let again = pair(subject.store(), message.clone()).await.unwrap();
    assert_eq!(again.sender.duplicate, !amys.is_empty());
    for name in ["amy", "bob"] {
        assert_eq!(contents(subject.store(), &inbox(name)).await, std::slice::from_ref(&message));
    }
    assert!(subject.store().open_pairs(Time(u64::MAX >> 1), 9).await.unwrap().is_empty());
    stopped
}
