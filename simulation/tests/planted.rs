//! Proof that the simulation can fail: each planted bug is found within a bounded number of histories.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use simulation::Planted;
use simulation::history::random;

#[test]
fn measure() {
    for bug in Planted::ALL {
        let mut found = Vec::new();
        let mut example = String::new();
        for seed in 1..=2000 {
            let outcome = random(seed, bug).unwrap().1;
            if let Some(first) = outcome.broken.first() {
                if found.is_empty() {
                    example = first.clone();
                }
                found.push(seed);
            }
        }
        println!("{bug:?}: {} of 2000, first {:?}: {example}", found.len(), found.first());
    }
}
