//! Stores that were written before accounts had records.

use std::sync::Arc;

use protocol::ids::{DeviceId, LogName, Time, UserId, Version};
use protocol::link::request::Mark;

use super::{Death, Simulated, log_dir};
use crate::Account;
use crate::account::DEVICES;
use crate::conformance::Subject;
use crate::embedded::commit_log::{self, CommitLog};
use crate::embedded::files::SimFiles;
use crate::embedded::state::change::{Change, put_header};

const HOUR: u64 = 3_600_000;

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn device(name: &str) -> DeviceId {
    DeviceId::new(name).unwrap()
}

fn new(user: &str, time: u64) -> Change<'_> {
    Change::Account { user, time: Time(time) }
}

/// Amy on a device.
fn on(device: &str, time: u64) -> Change<'_> {
    Change::Device { user: "amy", device, time: Time(time) }
}

/// A record of format 1.
fn record(time: Time, changes: &[Change<'_>]) -> Vec<u8> {
    let mut payload = Vec::new();
    put_header(&mut payload, time);
    payload[0] = 1;
    changes.iter().for_each(|change| change.encode(time, &mut payload));
    payload
}

fn written(records: &[Vec<u8>]) -> SimFiles {
    let files = SimFiles::new(1);
    let options = commit_log::Options {
        segment_bytes: 1 << 20,
        max_record_bytes: 1 << 18,
        ..commit_log::Options::default()
    };
    let (mut log, ..) = CommitLog::open(Arc::new(files.clone()), &log_dir(), options).unwrap();
    for payload in records {
        log.append(&[payload]).unwrap();
        log.sync().unwrap();
    }
    files
}

/// A store over what was written, at this time.
fn opened(files: SimFiles, now: Time) -> Simulated {
    let mut subject = Simulated::new(1 << 20, Death::Kill);
    subject.store = None;
    subject.options.files = Arc::new(files.clone());
    subject.now.store(now.0, std::sync::atomic::Ordering::SeqCst);
    subject.files = files;
    subject.open().unwrap();
    subject
}

#[tokio::test]
async fn accounts_of_before_are_nobodys_yet_and_keep_their_devices_and_cursors() {
    let cursor =
        Change::Cursor { user: "amy", device: Some("phone"), log: "u/amy", mark: Mark::Received, version: 3 };
    let records = [
        record(Time(HOUR), &[new("amy", HOUR), on("desk", HOUR)]),
        record(Time(9 * HOUR), &[on("phone", 9 * HOUR), cursor]),
        record(Time(9 * HOUR), &[new("Amy", 9 * HOUR)]),
    ];
    let mut subject = opened(written(&records), Time(10 * HOUR));
    let seen = async |subject: &Simulated| {
        let amy = subject.store().account(user("amy")).await.unwrap().unwrap();
        assert_eq!((amy.made, amy.claimed, amy.password), (Time(HOUR), false, None));
        amy.devices
            .into_iter()
            .map(|device| (String::from(device.id), device.seen.0 / HOUR))
            .collect::<Vec<_>>()
    };
    assert_eq!(seen(&subject).await, [("desk".into(), 1), ("phone".into(), 9)]);
    for _ in 0..2 {
        let found = subject.store().log_in(user("amy"), Some(device("phone"))).await.unwrap();
        assert_eq!((found.new, found.logs[0].cursor), (false, Version(3)));
        assert_eq!(subject.store().accounts(None, 9).await.unwrap().len(), 2);
        subject.restart().await;
    }
    assert_eq!(seen(&subject).await, [("desk".into(), 1), ("phone".into(), 10)]);
    let refused = subject.store().put_account(Account::unclaimed(user("AMY"), Time(0)), None).await;
    assert!(refused.is_err(), "names of before are not to be taken for");
}

#[tokio::test]
async fn of_many_devices_of_before_the_latest_are_kept() {
    let names: Vec<_> = (0..30).map(|n| format!("d{n}")).collect();
    let noted = names
        .iter()
        .enumerate()
        .map(|(at, device)| record(Time(at as u64 * HOUR), &[on(device, at as u64 * HOUR)]));
    let subject = opened(written(&noted.collect::<Vec<_>>()), Time(30 * HOUR));
    let amy = subject.store().account(user("amy")).await.unwrap().unwrap();
    let kept: Vec<_> = amy.devices.iter().map(|device| device.id.as_str()).collect();
    assert_eq!(kept, names[30 - DEVICES..]);
}

#[tokio::test]
async fn what_this_program_writes_is_refused_by_one_of_before() {
    let subject = Simulated::new(1 << 20, Death::Kill);
    subject.store().log_in(user("amy"), None).await.unwrap();
    let inbox = subject.store().bounds(vec![LogName::inbox(&user("amy"))]).await.unwrap();
    assert_eq!(inbox[0].head, Version(0));
    let file = subject.files.bytes(&log_dir().join("00000001.log")).unwrap();
    // A record's header has 40 bytes, a segment's 4096; a payload begins with its format.
    assert_eq!(file[4096 + 40], 2);
}
