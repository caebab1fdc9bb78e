//! Failed writes and syncs, full disks, damage.

use protocol::content::Content;
use protocol::ids::{LogName, UserId, Version};

use super::{Death, Simulated, log_dir};
use crate::conformance::Subject;
use crate::embedded::OpenError;
use crate::embedded::files::Fault;
use crate::{Append, AppendError, Appended, Certainty, Store, StoreError};

fn inbox() -> LogName {
    LogName::inbox(&UserId::new("amy").unwrap())
}

async fn append(store: &dyn Store, n: usize) -> Result<Appended, AppendError> {
    let content = Content::text("bob", &format!("m{n}"), Some("amy"), &"x".repeat(500)).to_bytes();
    store.append(vec![Append { log: inbox(), content, open: false }]).await.pop().unwrap()
}

fn certainty(answer: &Result<Appended, AppendError>) -> Certainty {
    match answer {
        Err(AppendError::Failed { certainty, .. }) => *certainty,
        other => panic!("a failure was expected, not {other:?}"),
    }
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_acknowledged_and_the_process_is_told() {
    for fault in [Fault::FailSync { nth: 1 }, Fault::FailWrite { nth: 1 }] {
        let mut subject = Simulated::new(1 << 20, Death::PowerCut(None));
        append(subject.store(), 0).await.unwrap();
        let fatal = subject.embedded().on_fatal();
        subject.files.inject(fault);
        assert_eq!(certainty(&append(subject.store(), 1).await), Certainty::Maybe);
        assert!(matches!(fatal.await, StoreError::Unwritable(_)));
        assert!(subject.store().health().is_err());
        assert!(matches!(subject.embedded().on_fatal().await, StoreError::Unwritable(_)));
        subject.files.heal();
        for n in 1..3 {
            let late = append(subject.store(), n).await;
            assert_eq!(certainty(&late), Certainty::Not, "{late:?}");
        }
        let user = UserId::new("amy").unwrap();
        assert!(subject.store().log_in(user, None).await.is_err());
        assert_eq!(subject.store().bounds(vec![inbox()]).await.unwrap()[0].head, Version(1), "reads go on");
        subject.restart().await;
        assert_eq!(subject.store().health(), Ok(()));
        assert_eq!(append(subject.store(), 1).await.unwrap().version, Version(2));
    }
}

#[tokio::test]
async fn whoever_waits_for_a_failure_hears_when_the_store_is_closed() {
    let mut subject = Simulated::new(1 << 20, Death::Kill);
    let fatal = subject.embedded().on_fatal();
    subject.store = None;
    assert_eq!(fatal.await, StoreError::Closed);
}

#[tokio::test]
async fn a_full_disk_refuses_and_goes_on_when_there_is_room_again() {
    let mut subject = Simulated::new(32 << 10, Death::PowerCut(None));
    subject.files.inject(Fault::Full { bytes: 0 });
    let mut taken = 0;
    let refused = loop {
        match append(subject.store(), taken).await {
            Ok(_) => taken += 1,
            refused => break refused,
        }
    };
    assert!(taken > 10, "what was made before the disk was full is used up");
    assert_eq!(certainty(&refused), Certainty::Not);
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("the disk is full") && text.contains("32768 bytes"), "{text}");
    assert!(subject.store().health().is_err());
    assert_eq!(certainty(&append(subject.store(), taken).await), Certainty::Not);
    subject.files.heal();
    assert_eq!(append(subject.store(), taken).await.unwrap().version, Version(taken as u64 + 1));
    assert_eq!(subject.store().health(), Ok(()));
    subject.restart().await;
    assert_eq!(subject.store().bounds(vec![inbox()]).await.unwrap()[0].head, Version(taken as u64 + 1));
}

#[tokio::test]
async fn damage_is_refused_with_file_and_offset_and_left_as_it_is() {
    let mut subject = Simulated::new(1 << 20, Death::Kill);
    for n in 0..10 {
        append(subject.store(), n).await.unwrap();
    }
    subject.die();
    let file = log_dir().join("00000001.log");
    subject.files.edit(&file, |bytes| bytes[1_500] ^= 1).unwrap();
    let before = subject.files.bytes(&file).unwrap();
    let error = subject.open().unwrap_err();
    assert!(matches!(error, OpenError::Log { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("00000001.log is damaged at byte") && text.contains("repair"), "{text}");
    assert_eq!(subject.files.bytes(&file).unwrap(), before);
}

#[tokio::test]
async fn a_call_that_waits_in_a_full_queue_is_refused_as_busy() {
    let mut subject = Simulated::new(1 << 20, Death::Kill);
    subject.store = None;
    subject.options.queue_bytes = 1;
    subject.open().unwrap();
    let calls: Vec<_> = (0..2_000)
        .map(|n| {
            let content = Content::text("bob", &format!("m{n}"), Some("amy"), "hi").to_bytes();
            subject.store().append(vec![Append { log: inbox(), content, open: false }])
        })
        .collect();
    let (mut taken, mut busy) = (0, 0);
    for call in calls {
        let answer = call.await.pop().unwrap();
        match &answer {
            Ok(_) => taken += 1,
            Err(error) => {
                assert!(error.to_string().contains("busy"), "{error}");
                assert_eq!(certainty(&answer), Certainty::Not);
                busy += 1;
            }
        }
    }
    assert!(busy > 0 && taken > 0, "{busy} were refused, {taken} taken");
    assert_eq!(subject.store().bounds(vec![inbox()]).await.unwrap()[0].head, Version(taken));
}
