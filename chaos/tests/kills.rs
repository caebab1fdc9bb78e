//! A short run of the whole: every process of a mesh is killed once under traffic, the last one in its last moment.
//!
//! The processes run with their own defaults (`AskInterval` included, which is 60 s): that it ends in silence within half of
//! that is due to what the msg_servers ask when a link or a process comes or goes.

use chaos::{Outcome, Settings, Via, run};

fn short() -> Settings {
    Settings { seconds: 20, clients: 60, rate: 700, silence_seconds: 30, seed: 3, ..Settings::default() }
}

#[track_caller]
fn is_sound(outcome: &Outcome) {
    println!("{}", outcome.text());
    assert!(outcome.passed(), "a promise was broken");
    let summary = &outcome.summary;
    assert_eq!(summary.kills.len(), 7, "{:?}", summary.kills);
    assert!(summary.reconnects > 0 && summary.acked > 5000, "{summary:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_arrives_once_and_in_order_whoever_is_killed() {
    is_sound(&run(&short()).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_library_neither_loses_nor_repeats_whoever_is_killed() {
    let settings = Settings { via: Via::Library, seed: 4, ..short() };
    is_sound(&run(&settings).await.unwrap());
}
