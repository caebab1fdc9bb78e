//! What a record does when it is replayed is what it did when it was written.

use proptest::prelude::*;
use protocol::ids::Time;

use super::{Death, Simulated};
use crate::NewTopic;
use crate::conformance::{Subject, history};
use crate::embedded::state::view::Pairs;

async fn everything(subject: &Simulated) -> Pairs {
    subject.embedded().everything().await.unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn a_state_built_anew_from_the_log_is_the_one_that_was(
        numbers in prop::collection::vec(any::<u64>(), 0..100),
    ) {
        let steps = numbers.into_iter().map(|number| history::Step::random(number, 0));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut subject = Simulated::new(1 << 20, Death::Kill);
            history::run(&mut subject, steps).await;
            let was = everything(&subject).await;
            subject.restart().await;
            assert_eq!(everything(&subject).await, was);
        });
    }
}

#[tokio::test]
async fn a_clock_that_goes_back_gives_no_earlier_time() {
    let mut subject = Simulated::new(1 << 20, Death::Kill);
    let user = |name| protocol::ids::UserId::new(name).unwrap();
    let garden = |name| protocol::ids::TopicName::new(name).unwrap();
    let made = |name| NewTopic::new(garden(name), user("amy"));
    subject.store().create_topic(made("first")).await.unwrap();
    let first = subject.store().topic(garden("first")).await.unwrap().unwrap().created;
    subject.now.store(5, std::sync::atomic::Ordering::SeqCst);
    for name in ["second", "third"] {
        subject.store().create_topic(made(name)).await.unwrap();
        let later = subject.store().topic(garden(name)).await.unwrap().unwrap().created;
        assert!(later >= first && later > Time(5));
        subject.restart().await;
    }
}
