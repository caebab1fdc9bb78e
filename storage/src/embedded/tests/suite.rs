//! The conformance suite where every restart is a kill or a power cut, and random histories.

use proptest::prelude::*;

use super::{Death, Simulated};
use crate::conformance::{self, history};

fn block_on(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work);
}

#[test]
fn the_promises_outlive_kills() {
    block_on(conformance::run(|| Simulated::new(16 << 20, Death::Kill)));
}

#[test]
fn the_promises_outlive_power_cuts_with_an_index_that_does_not_know() {
    block_on(conformance::run(|| Simulated::new(16 << 20, Death::PowerCut(None)).with_index()));
}

fn steps() -> impl Strategy<Value = Vec<history::Step>> {
    let step = any::<u64>().prop_map(|number| history::Step::random(number, 0));
    prop::collection::vec(step, 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_history_with_power_cuts_is_answered_as_by_the_model(steps in steps(), seed in any::<u32>()) {
        let mut subject = Simulated::new(1 << 20, Death::PowerCut(Some(seed.into())));
        block_on(history::run(&mut subject, steps));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn any_history_with_an_index_on_disk_is_answered_as_by_the_model(steps in steps(), seed in any::<u32>()) {
        let mut subject = Simulated::new(1 << 20, Death::PowerCut(Some(seed.into()))).with_index();
        block_on(history::run(&mut subject, steps));
    }
}
