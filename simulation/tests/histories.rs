//! Random histories of the mesh as it is. `SIM_HISTORIES` says how many, `SIM_SEED` replays one.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::env;
use std::thread;

use simulation::history::{random, shorten};
use simulation::{Failure, Planted};

/// About ten seconds on two cores.
const HISTORIES: u64 = 10_000;

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

#[derive(Debug, Default)]
struct Sum {
    histories: u64,
    stored: u64,
    prompt: u64,
}

/// Every `step`th seed from `first` on, up to `last`.
fn run(first: u64, last: u64, step: u64) -> Result<Sum, Box<Failure>> {
    let mut sum = Sum::default();
    let mut seed = first;
    while seed <= last {
        let (history, outcome) = random(seed, Planted::Nothing).unwrap();
        if !outcome.broken.is_empty() {
            return Err(Box::new(shorten(history, Planted::Nothing)));
        }
        sum.histories += 1;
        sum.stored += outcome.stored;
        sum.prompt += u64::from(outcome.prompt);
        seed += step;
    }
    Ok(sum)
}

#[test]
fn every_promise_is_kept_in_every_history() {
    let (first, last) = match number("SIM_SEED") {
        Some(seed) => (seed, seed),
        None => (1, number("SIM_HISTORIES").unwrap_or(HISTORIES)),
    };
    let halves = [0, 1].map(|half| thread::spawn(move || run(first + half, last, 2)));
    let mut all = Sum::default();
    for half in halves {
        match half.join().unwrap() {
            Ok(sum) => {
                all.histories += sum.histories;
                all.stored += sum.stored;
                all.prompt += sum.prompt;
            }
            Err(failure) => panic!("{failure}"),
        }
    }
    println!("{all:?}");
    assert_eq!(all.histories, last - first + 1);
    assert!(first == last || all.stored > all.histories * 3, "too little happens: {all:?}");
    assert!(first == last || all.prompt > all.histories / 2, "too little is promised: {all:?}");
}
