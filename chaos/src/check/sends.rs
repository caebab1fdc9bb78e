//! What senders were told.

use std::collections::HashMap;

use super::{Faults, Index, Place};
use crate::history::{History, How, LogNo, Send};
use crate::message::MessageId;

pub(super) fn acks_agree(history: &History, _: &Index, faults: &mut Faults) {
    for (number, client) in history.clients.iter().enumerate() {
        for seen in client.seen.iter().filter(|seen| seen.how == How::Acked) {
            let send = seen.message.and_then(|message| history.send(message));
            let first = send.and_then(|send| send.acked).map(|(_, version)| version);
            let same_log = send.is_some_and(|send| send.log == seen.log);
            if first != Some(seen.version) || !same_log {
                let place = Place { message: seen.message, ..Place::seen(number, seen.log, seen.version) };
                let log = history.log_name(seen.log);
                faults.add(place, || {
                    format!(
                        "an OK at {} tells version {} of {log}; the first told {first:?}",
                        seen.at, seen.version
                    )
                });
            }
        }
    }
}

/// In every log that a client's messages went to, they stand in the order in which they were sent first. One that was refused
/// for the moment and sent again later is left out of that.
pub(super) fn in_order(history: &History, index: &Index, faults: &mut Faults) {
    for client in 0..history.clients.len() {
        let mut last: HashMap<(LogNo, LogNo), (u64, MessageId)> = HashMap::new();
        for (number, send) in history.clients[client].sends.iter().enumerate() {
            let message = MessageId { client: client as u16, number: number as u32 };
            if !send.out_of_turn {
                stands_after(history, index, (message, send), &mut last, faults);
            }
        }
    }
}

fn stands_after(
    history: &History,
    index: &Index,
    (message, send): (MessageId, &Send),
    last: &mut HashMap<(LogNo, LogNo), (u64, MessageId)>,
    faults: &mut Faults,
) {
    for log in send.logs() {
        let Some(version) = index.versions(message, log).next() else { continue };
        let before = last.insert((send.log, log), (version, message));
        if let Some((earlier, other)) = before.filter(|(earlier, _)| *earlier >= version) {
            let name = history.log_name(log);
            faults.add(Place { version: Some(version), ..Place::message(message, log) }, || {
                format!(
                    "{message} is version {version} of {name}; {other}, sent before it, is version {earlier}"
                )
            });
        }
    }
}
