//! What the logs hold at the end.

use super::{Faults, Index, Place};
use crate::history::{History, LogNo};

pub(super) fn read_to_the_head(history: &History, _: &Index, faults: &mut Faults) {
    for (number, log) in history.logs.iter().enumerate() {
        let place = Place { log: Some(number as LogNo), ..Place::default() };
        if let Some(why) = &log.unread {
            faults.add(place, || format!("{} could not be read: {why}", log.name));
        } else if log.stored.last().map_or(0, |last| last.version) != log.head {
            faults.add(place, || {
                format!("{} is said to end at {}, and was read to elsewhere", log.name, log.head)
            });
        }
    }
}

pub(super) fn without_hole(history: &History, _: &Index, faults: &mut Faults) {
    for (number, log) in history.logs.iter().enumerate() {
        for (expected, entry) in (1..).zip(&log.stored) {
            if entry.version != expected {
                let what =
                    || format!("{} has version {} where {expected} has to be", log.name, entry.version);
                faults.add(Place::version(number as LogNo, expected), what);
                break;
            }
        }
    }
}

pub(super) fn acked_is_stored(history: &History, index: &Index, faults: &mut Faults) {
    for (message, send) in history.sends() {
        let Some((at, version)) = send.acked else { continue };
        let place = Place { version: Some(version), ..Place::message(message, send.log) };
        if !index.versions(message, send.log).any(|stored| stored == version) {
            let log = history.log_name(send.log);
            let found = index.at(send.log, version);
            faults.add(place, || {
                format!(
                    "{message} was acknowledged at {at} as version {version} of {log}, where {found:?} stands"
                )
            });
        }
        if let Some(peer) = send.peer.filter(|peer| index.versions(message, *peer).next().is_none()) {
            let log = history.log_name(peer);
            faults.add(Place::message(message, peer), || {
                format!("{message} was acknowledged at {at}, and is not in its recipient's {log}")
            });
        }
    }
}

pub(super) fn stored_once(history: &History, index: &Index, faults: &mut Faults) {
    for (message, send) in history.sends() {
        for log in send.logs() {
            let versions: Vec<_> = index.versions(message, log).collect();
            if versions.len() > 1 {
                let name = history.log_name(log);
                faults
                    .add(Place { version: versions.last().copied(), ..Place::message(message, log) }, || {
                        format!("{message} is in {name} as versions {versions:?}")
                    });
            }
        }
    }
}

pub(super) fn pairs_are_whole(history: &History, index: &Index, faults: &mut Faults) {
    for (message, send) in history.sends() {
        let Some(peer) = send.peer.filter(|peer| *peer != send.log) else { continue };
        let [mine, theirs] = [send.log, peer].map(|log| index.versions(message, log).next().is_some());
        if mine != theirs {
            let (has, lacks) = if mine { (send.log, peer) } else { (peer, send.log) };
            let (has, lacks) = (history.log_name(has), history.log_name(lacks));
            let place = Place::message(message, if mine { peer } else { send.log });
            faults.add(place, || format!("{message} is in {has}, and not in {lacks}"));
        }
    }
}

pub(super) fn nothing_forged(history: &History, _: &Index, faults: &mut Faults) {
    for (number, log) in history.logs.iter().enumerate() {
        let number = number as LogNo;
        for entry in &log.stored {
            let place = Place { message: entry.message, ..Place::version(number, entry.version) };
            let sent = entry.message.and_then(|message| history.send(message));
            let name = &log.name;
            match (entry.message, sent) {
                (None, _) => faults.add(place, || {
                    format!("version {} of {name} is no message of this run, or was changed", entry.version)
                }),
                (Some(message), None) => {
                    faults.add(place, || format!("{message} is in {name}, and was never sent"));
                }
                (Some(message), Some(send)) if send.logs().all(|log| log != number) => {
                    faults.add(place, || format!("{message} is in {name}, where it was not sent to"));
                }
                _ => {}
            }
        }
    }
}

pub(super) fn refused_is_absent(history: &History, index: &Index, faults: &mut Faults) {
    for (message, send) in history.sends().filter(|(_, send)| send.refused) {
        for log in send.logs() {
            for version in index.versions(message, log) {
                let name = history.log_name(log);
                faults.add(Place { version: Some(version), ..Place::message(message, log) }, || {
                    format!("{message} was refused with Stored \"no\", and is version {version} of {name}")
                });
            }
        }
    }
}
