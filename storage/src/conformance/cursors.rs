//! Cursors: never back, never beyond the head.

use protocol::ids::{DeviceId, Version};
use protocol::link::request::Mark;

use super::Subject;
use super::cast::{append, device, inbox, told, user};
use crate::{CursorMove, Store};

pub(super) async fn run<S: Subject>(make: &mut impl FnMut() -> S) {
    a_cursor_never_moves_back(make()).await;
    a_cursor_stays_within_its_log(make()).await;
    each_device_has_its_own(make()).await;
}

async fn moved(store: &dyn Store, on: Option<&str>, mark: Mark, to: u64) -> u64 {
    let device = on.map(device);
    let to = CursorMove { user: user("amy"), device, log: inbox("amy"), mark, version: Version(to) };
    store.move_cursors(vec![to]).await.pop().unwrap().unwrap().0
}

/// Received and read, as a login on the device finds them.
async fn stands(store: &dyn Store, on: Option<&str>) -> (u64, u64) {
    let device: Option<DeviceId> = on.map(device);
    let login = store.log_in(user("amy"), device).await.unwrap();
    (login.logs[0].cursor.0, login.logs[0].read.0)
}

async fn fill(store: &dyn Store) {
    for n in 0..10 {
        append(store, &inbox("amy"), told("bob", &n.to_string(), "amy", "hi")).await.unwrap();
    }
}

async fn a_cursor_never_moves_back(mut subject: impl Subject) {
    fill(subject.store()).await;
    assert_eq!(moved(subject.store(), None, Mark::Received, 5).await, 0);
    assert_eq!(moved(subject.store(), None, Mark::Received, 3).await, 5);
    subject.restart().await;
    assert_eq!(moved(subject.store(), None, Mark::Received, 5).await, 5);
    assert_eq!(stands(subject.store(), None).await, (5, 0));
    let batch = [7, 9, 8].map(|version| CursorMove {
        user: user("amy"),
        device: None,
        log: inbox("amy"),
        mark: Mark::Received,
        version: Version(version),
    });
    let answers = subject.store().move_cursors(batch.to_vec()).await;
    assert_eq!(answers, [5, 7, 9].map(|version| Ok(Version(version))));
    assert_eq!(stands(subject.store(), None).await, (9, 0));
}

async fn a_cursor_stays_within_its_log(subject: impl Subject) {
    let store = subject.store();
    assert_eq!(moved(store, None, Mark::Read, 5).await, 0);
    assert_eq!(stands(store, None).await, (0, 0), "the log was empty");
    fill(store).await;
    moved(store, None, Mark::Read, 1_000).await;
    assert_eq!(stands(store, None).await, (0, 10));
}

async fn each_device_has_its_own(mut subject: impl Subject) {
    fill(subject.store()).await;
    moved(subject.store(), None, Mark::Received, 1).await;
    moved(subject.store(), Some("phone"), Mark::Received, 2).await;
    moved(subject.store(), Some("tablet"), Mark::Received, 3).await;
    moved(subject.store(), None, Mark::Read, 4).await;
    subject.restart().await;
    assert_eq!(stands(subject.store(), None).await, (1, 4));
    assert_eq!(stands(subject.store(), Some("phone")).await, (2, 4));
    assert_eq!(stands(subject.store(), Some("tablet")).await, (3, 4));
    assert_eq!(stands(subject.store(), Some("desk")).await, (0, 4));
    let mut all: Vec<_> = subject.store().cursors_of(user("amy")).await.unwrap();
    all.sort_by_key(|cursor| cursor.version);
    let marks: Vec<_> =
        all.iter().map(|cursor| (cursor.device.as_ref().map(DeviceId::as_str), cursor.mark)).collect();
    let received = Mark::Received;
    assert_eq!(
        marks,
        [(None, received), (Some("phone"), received), (Some("tablet"), received), (None, Mark::Read)]
    );
}
