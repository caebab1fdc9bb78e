//! Reads every log back over the wire.

use std::net::SocketAddr;

use futures::stream::{self, StreamExt};
use protocol::command::{Packet, name};

use crate::delivery::Delivery;
use crate::history::{Log, Stored};
use crate::message;
use crate::wire::{self, Connection, WireError};
use crate::workload::Workload;

/// Logs that are read at one time.
const AT_ONCE: usize = 8;
/// The device that reads.
const DEVICE: &str = "reader";
/// Attempts for one log; nothing is being killed any more.
const ATTEMPTS: usize = 3;

/// Every log, from its first version to its head.
pub async fn read_all(gateway: SocketAddr, workload: &Workload) -> Vec<Log> {
    let logs = stream::iter(workload.logs().into_iter().enumerate());
    logs.map(|(number, log)| read_log(gateway, workload, number, log)).buffered(AT_ONCE).collect().await
}

async fn read_log(gateway: SocketAddr, workload: &Workload, number: usize, mut log: Log) -> Log {
    let reader = match number.checked_sub(workload.clients) {
        None => number,
        Some(topic) => workload.topics[topic].first().copied().unwrap_or(0),
    };
    for _ in 0..ATTEMPTS {
        log.stored.clear();
        log.unread = read_to_head(gateway, workload, reader, &mut log).await.err().map(|e| e.to_string());
        if log.unread.is_none() {
            break;
        }
    }
    log
}

async fn read_to_head(
    gateway: SocketAddr,
    workload: &Workload,
    reader: usize,
    log: &mut Log,
) -> Result<(), WireError> {
    let mut connection = wire::log_in(gateway, &message::user(reader), DEVICE).await?;
    let mut after = 0;
    loop {
        let answer = page(&mut connection, workload, reader, log, after).await?;
        log.head = answer.head.unwrap_or(0);
        if answer.complete {
            return Ok(());
        }
        match answer.next {
            Some(next) if next > after => after = next,
            next => {
                let what = format!("SYNC after {after} is not complete, and goes on from {next:?}");
                return Err(WireError::Unreadable(what));
            }
        }
    }
}

async fn page(
    connection: &mut Connection,
    workload: &Workload,
    reader: usize,
    log: &mut Log,
    after: u64,
) -> Result<wire::Answer, WireError> {
    let (name, stored) = (&log.name, &mut log.stored);
    let after = after.to_string();
    let request = Packet::new(name::SYNC, [name, &after, "1000"]);
    let take = |packet: &Packet<'_>| {
        if packet.seq.is_some() && packet.log.as_deref() == Some(name.as_str()) {
            let message = Delivery::of(packet).and_then(|one| one.message(workload, reader));
            stored.push(Stored { version: packet.version.unwrap_or(0), message });
        }
    };
    connection.ask(request, take).await
}
