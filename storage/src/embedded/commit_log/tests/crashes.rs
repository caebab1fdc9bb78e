//! Processes that die and power that goes, in every call that writes or syncs.

use super::*;
use crate::embedded::files::{Fault, Random, Survival};

/// What a log may hold, and must.
#[derive(Clone, Debug, Default)]
struct Model {
    /// Every payload since the log began that may be in it.
    history: Vec<Vec<u8>>,
    /// How many of them must be.
    durable: usize,
    /// Counts payloads ever made, so that no two are the same.
    made: u64,
}

impl Model {
    /// A payload that was never there before.
    fn make(&mut self, random: &mut Random) -> Vec<u8> {
        self.made += 1;
        let length = match random.below(4) {
            0 => 0,
            1 => random.below(32),
            _ => random.below(400),
        };
        let mut payload = self.made.to_le_bytes().to_vec();
        payload.extend((0..length).map(|n| (n + self.made) as u8));
        payload
    }

    /// Compares the log with what it must and may hold. From now on it must hold what it does.
    #[track_caller]
    fn check(&mut self, reader: &LogReader, recovered: &Recovered, story: &str) {
        let held: Vec<_> = contents(reader).into_iter().map(|(_, payload)| payload).collect();
        assert_eq!(held.len() as u64, recovered.records, "{story}");
        assert!(held.len() >= self.durable, "{story}: {} of {} durable records", held.len(), self.durable);
        assert!(self.history.starts_with(&held), "{story}: not what was appended");
        self.history = held;
        self.durable = self.history.len();
    }
}

/// One life of a process: opens, checks, appends and syncs until it has done so many steps or a call fails.
fn live(files: &SimFiles, model: &mut Model, random: &mut Random, steps: u64, story: &str) {
    let (mut log, reader, recovered) = match open_with(files, options()) {
        Ok(opened) => opened,
        Err(LogError::Io { .. } | LogError::NoRoom { .. }) => return,
        Err(other) => panic!("{story}: {other}"),
    };
    model.check(&reader, &recovered, story);
    for _ in 0..steps {
        if !step(&mut log, model, random) {
            return;
        }
    }
}

/// Appends a few records and syncs them; whether all went well.
fn step(log: &mut CommitLog, model: &mut Model, random: &mut Random) -> bool {
    let batch = if random.below(2) == 0 { 1 } else { random.below(4) };
    for _ in 0..batch {
        let payload = model.make(random);
        model.history.push(payload.clone());
        match log.append(&[&payload[..3], &payload[3..]]) {
            Ok(_) => {}
            Err(LogError::NoRoom { .. }) => {
                model.history.pop();
                return true;
            }
            Err(_) => return false,
        }
    }
    let synced = log.sync().is_ok();
    if synced {
        model.durable = model.history.len();
    }
    synced
}

#[test]
fn power_lost_in_any_call_loses_nothing_synced_and_invents_nothing() {
    let calls = {
        let files = SimFiles::new(0);
        live(&files, &mut Model::default(), &mut Random(3), 25, "whole");
        files.calls()
    };
    assert!(calls > 60);
    for nth in 1..=calls {
        let (files, mut model) = (SimFiles::new(nth), Model::default());
        files.inject(Fault::Stop { nth });
        live(&files, &mut model, &mut Random(3), 25, "first life");
        let survivals = [Survival::Everything, Survival::Nothing];
        for survival in (0..30).map(Survival::Some).chain(survivals) {
            let story = format!("stopped in call {nth}, {survival:?}");
            let (files, mut model, mut random) = (files.fork(), model.clone(), Random(nth));
            files.power_cut(survival);
            live(&files, &mut model, &mut random, 4, &story);
            files.power_cut(Survival::Nothing);
            live(&files, &mut model, &mut random, 0, &format!("{story}, and once more"));
        }
    }
}

#[test]
fn power_lost_in_any_call_of_a_recovery_loses_nothing() {
    for seed in 0..12 {
        let (files, mut model, mut random) = (SimFiles::new(seed), Model::default(), Random(seed));
        live(&files, &mut model, &mut random, 6, "first life");
        files.inject(Fault::Stop { nth: 3 + seed });
        live(&files, &mut model, &mut random, 20, "second life");
        files.power_cut(Survival::Some(seed));
        let before = files.calls();
        let calls = {
            let files = files.fork();
            live(&files, &mut model.clone(), &mut Random(0), 0, "whole recovery");
            files.calls() - before
        };
        for nth in 1..=calls {
            for survival in (0..10).map(Survival::Some) {
                let story = format!("seed {seed}, recovery stopped in call {nth}, {survival:?}");
                let (files, mut model, mut random) = (files.fork(), model.clone(), Random(nth));
                files.inject(Fault::Stop { nth });
                live(&files, &mut model, &mut random, 0, &story);
                files.power_cut(survival);
                live(&files, &mut model, &mut random, 3, &story);
                files.power_cut(survival);
                live(&files, &mut model, &mut random, 0, &story);
            }
        }
    }
}

#[test]
fn many_lives_with_every_kind_of_fault_keep_the_promises() {
    for seed in 0..400 {
        let (files, mut model, mut random) = (SimFiles::new(seed), Model::default(), Random(seed));
        for life in 0..25 {
            let story = format!("seed {seed}, life {life}");
            let fault = random_fault(&mut random);
            fault.into_iter().for_each(|fault| files.inject(fault));
            let steps = random.below(12);
            live(&files, &mut model, &mut random, steps, &story);
            files.heal();
            match random.below(4) {
                0 => files.kill(),
                1 => files.power_cut(Survival::Nothing),
                _ => files.power_cut(Survival::Some(random.next())),
            }
        }
        live(&files, &mut model, &mut random, 0, &format!("seed {seed}, the last life"));
    }
}

fn random_fault(random: &mut Random) -> Option<Fault> {
    let nth = 1 + random.below(20);
    match random.below(6) {
        0 => Some(Fault::Stop { nth }),
        1 => Some(Fault::FailSync { nth: 1 + random.below(8) }),
        2 => Some(Fault::FailWrite { nth: 1 + random.below(8) }),
        3 => Some(Fault::Full { bytes: random.below(20_000) }),
        4 => Some(Fault::ShortWrites { bytes: 1 + random.below(99) as usize }),
        _ => None,
    }
}

#[test]
fn records_of_a_killed_process_stay_once_a_later_one_has_seen_them() {
    let files = SimFiles::new(1);
    let (mut log, _, _) = open(&files);
    log.append(&[&payload(1)]).unwrap();
    log.append(&[&payload(2)]).unwrap();
    files.kill();
    drop(log);
    assert_holds(&open(&files).1, 2);
    files.power_cut(Survival::Nothing);
    assert_holds(&open(&files).1, 2);
}

#[test]
fn a_record_whose_sync_failed_is_durable_once_a_later_process_has_seen_it() {
    for seed in 0..50 {
        let files = SimFiles::new(seed);
        let (mut log, _, _) = open(&files);
        commit(&mut log, 1..=2);
        log.append(&[&payload(3)]).unwrap();
        files.inject(Fault::FailSync { nth: 1 });
        assert!(log.sync().is_err());
        files.kill();
        drop(log);
        // The system still gives back every byte and believes them to be on the disk, where some are not.
        assert_holds(&open(&files).1, 3);
        files.power_cut(Survival::Nothing);
        assert_holds(&open(&files).1, 3);
    }
}

#[test]
fn a_torn_write_is_cut_and_reported() {
    let mut torn = 0;
    for seed in 0..60 {
        let files = disk_with(3);
        let (mut log, _, _) = open(&files);
        log.append(&[&[5; 800]]).unwrap();
        drop(log);
        files.power_cut(Survival::Some(seed));
        let (_log, reader, recovered) = open(&files);
        if let Some(cut) = &recovered.torn {
            torn += 1;
            assert!(cut.bytes > 0 && cut.missing_bytes == 0);
            assert_eq!(recovered.records, 3);
            assert_holds(&reader, 3);
        }
    }
    assert!(torn > 20, "{torn}");
}

#[test]
fn what_a_cut_took_away_does_not_come_back() {
    let files = disk_with(1);
    let (mut log, _, _) = open(&files);
    let bad = log.append(&[b"first life, two"]).unwrap().offset as usize;
    let old = log.append(&[b"first life, three"]).unwrap().offset as usize;
    drop(log);
    let ghost = files.bytes(&file(1)).unwrap()[old - 40..old + 40].to_vec();
    files.edit(&file(1), |bytes| bytes[bad] ^= 1).unwrap();

    let (mut log, _, recovered) = open(&files);
    assert_eq!(recovered.records, 1);
    assert!(files.bytes(&file(1)).unwrap()[bad - 40..].iter().all(|byte| *byte == 0));
    log.append(&[b"second life, 22"]).unwrap();
    log.sync().unwrap();
    drop(log);
    // The zeros never reached the disk, say: the ghost stands exactly where the next record belongs.
    files.edit(&file(1), |bytes| bytes[old - 40..old + 40].copy_from_slice(&ghost)).unwrap();
    let (_log, reader, recovered) = open(&files);
    assert!(recovered.torn.is_some());
    let held = contents(&reader);
    assert_eq!(held.len(), 2);
    assert_eq!(held[1].1, b"second life, 22");
}
