//! Proof that the simulation can fail: each planted bug is found, by the check that is for it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use simulation::Planted;
use simulation::history::{random, replay, shorten};

/// Every bug shows itself within so many histories; most within a hundred.
const HISTORIES: u64 = 20_000;

/// The bug breaks a promise whose telling has these words.
#[track_caller]
fn is_found(bug: Planted, words: &str) {
    let shows = |seed: &u64| random(*seed, bug).unwrap().1.broken.iter().any(|broken| broken.contains(words));
    let found = (1..=HISTORIES).find(shows);
    println!("{bug:?}: seed {found:?}");
    assert!(found.is_some(), "{bug:?} was not found in {HISTORIES} histories");
}

const LATE: &str = "before the slow question";

#[test]
fn going_live_without_confirmations() {
    is_found(Planted::LiveUnconfirmed, LATE);
}

#[test]
fn confirming_what_is_not_applied() {
    is_found(Planted::ConfirmedBeforeApplied, LATE);
}

#[test]
fn not_asking_when_a_router_is_back() {
    is_found(Planted::RoutersBackUnnoticed, LATE);
}

#[test]
fn not_asking_when_a_msg_server_came_or_went() {
    is_found(Planted::PeersUnnoticed, LATE);
}

#[test]
fn not_asking_the_slow_question() {
    is_found(Planted::NoSlowQuestion, "and it ends at");
}

#[test]
fn not_reading_holes() {
    is_found(Planted::HolesUnread, "and it ends at");
}

#[test]
fn not_knowing_what_is_stored() {
    is_found(Planted::NoDedupe, "more than once");
}

#[test]
fn sending_again_in_the_wrong_order() {
    is_found(Planted::ResentBackwards, "was sent before");
}

#[test]
fn not_sending_again() {
    is_found(Planted::NeverResent, "was given up");
}

#[test]
fn acknowledging_before_it_is_stored() {
    is_found(Planted::AckedBeforeStored, "was acknowledged as");
}

#[test]
fn not_publishing_duplicates() {
    is_found(Planted::DuplicatesUnpublished, LATE);
}

#[test]
fn believing_every_refusal() {
    is_found(Planted::RefusalsBelieved, "was told to be not stored");
}

#[test]
fn leaving_pairs_half() {
    is_found(Planted::PairsLeftHalf, "pairs are left half");
}

#[test]
fn pushing_what_was_acknowledged() {
    is_found(Planted::OwnPushed, "again");
}

#[test]
fn counting_logins_from_their_answers() {
    is_found(Planted::LoginsOfTheirAnswers, "by a login that came earlier");
}

#[test]
fn taking_what_came_after_a_refusal() {
    is_found(Planted::RefusalsOvertaken, "was sent before");
}

#[test]
fn not_publishing_what_is_answered_late() {
    is_found(Planted::LateAnswersIgnored, LATE);
}

#[test]
fn forgetting_what_a_session_has_no_room_for() {
    is_found(Planted::CrowdedForgotten, "before version");
}

#[test]
fn a_history_is_decided_by_its_seed() {
    for seed in 1..50 {
        let (history, first) = random(seed, Planted::Nothing).unwrap();
        let (again, second) = random(seed, Planted::Nothing).unwrap();
        assert_eq!(history.events, again.events);
        let traces = [0, 1].map(|_| replay(&history, Planted::Nothing, true).trace);
        assert_eq!(traces[0], traces[1]);
        assert_eq!((first.stored, first.prompt), (second.stored, second.prompt));
    }
}

#[test]
fn a_failing_history_is_made_short_and_told() {
    let fails = |seed: &u64| !random(*seed, Planted::ResentBackwards).unwrap().1.broken.is_empty();
    let seed = (1..=HISTORIES).find(fails).unwrap();
    let (history, _) = random(seed, Planted::ResentBackwards).unwrap();
    let failure = shorten(history, Planted::ResentBackwards);
    assert!(!failure.outcome.broken.is_empty());
    assert!(failure.history.events.len() < failure.events_before / 2, "{failure}");
    let told = failure.to_string();
    assert!(told.contains(&format!("SIM_SEED={seed}")) && told.contains("append #"), "{told}");
}
