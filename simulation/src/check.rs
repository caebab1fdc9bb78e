//! The promises, checked at the end of a history.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::FutureExt;
use mesh::link::LinkId;
use protocol::event::Stored;
use protocol::ids::{LogName, Time, Version};
use storage::{ReadRange, Store};

use crate::ledger::{Attempt, Outcome, Sent};
use crate::message::id_of;
use crate::role::client::Progress;
use crate::shape::Person;
use crate::world::World;

/// A log as it is in the store.
struct Log {
    first: Version,
    head: Version,
    /// The messages by their version.
    ids: BTreeMap<Version, String>,
}

/// Half of what a msg_server keeps trying for.
const SOON: Duration = Duration::from_secs(5);

type Logs = BTreeMap<LogName, Log>;

/// A connection, the log that was sent to, and a log where that is stored.
type Lane<'a> = (LinkId, &'a LogName, &'a LogName);

/// Clients that are attached, and have not everything; or want to be, and are not.
pub fn late(world: &World) -> Vec<String> {
    let mut late = Vec::new();
    for (client, number) in world.clients.iter().zip(0..) {
        if !client.is_attached() {
            if client.wants_to_be_online {
                late.push(format!("C{number} does not get attached"));
            }
            continue;
        }
        for (log, progress) in client.logs() {
            let head = world.head(log);
            if progress.upto != head {
                late.push(format!("C{number} has {log} up to {}, and it ends at {head}", progress.upto));
            }
        }
    }
    late
}

/// Devices with more than one session, now that everybody has heard of everybody's login.
pub fn doubled(world: &World) -> Vec<String> {
    let mut attached = BTreeMap::new();
    for client in world.clients.iter().filter(|client| client.is_attached()) {
        let Person { user, device, .. } = client.person();
        *attached.entry((user, device)).or_insert(0) += 1;
    }
    let doubled = attached.into_iter().filter(|(_, sessions)| *sessions > 1);
    doubled.map(|((user, device), sessions)| format!("{user} has {sessions} sessions on {device}")).collect()
}

/// Every broken promise but lateness.
pub fn broken(world: &World) -> Vec<String> {
    let mut broken = world.ledger.all_broken().to_vec();
    let logs = read_all(world, &mut broken);
    for (id, sent) in world.ledger.messages() {
        check_message(id, sent, &logs, &mut broken);
    }
    check_given_up(world, &mut broken);
    check_order(world, &logs, &mut broken);
    for (client, number) in world.clients.iter().zip(0..) {
        for (log, progress) in client.logs() {
            check_progress(&format!("C{number} in {log}"), progress, &logs[log], &mut broken);
        }
    }
    let open = world.store.open_pairs(Time(u64::MAX), 1000).now_or_never();
    if !matches!(open, Some(Ok(ref open)) if open.is_empty()) {
        broken.push(format!("pairs are left half: {open:?}"));
    }
    broken
}

fn read_all(world: &World, broken: &mut Vec<String>) -> Logs {
    let mut logs = Logs::new();
    for name in world.shape.logs() {
        let range = ReadRange {
            log: name.clone(),
            after: Version::ZERO,
            max_entries: usize::MAX,
            max_bytes: usize::MAX,
        };
        let Some(Ok(page)) = world.store.read(range).now_or_never() else {
            broken.push(format!("{name} cannot be read"));
            continue;
        };
        let versions: Vec<Version> = page.entries.iter().map(|entry| entry.version).collect();
        let whole: Vec<Version> = (page.first.0..=page.head.0).map(Version).collect();
        if versions != whole {
            broken.push(format!("{name} has a hole: {versions:?}, from {} to {}", page.first, page.head));
        }
        let ids = page.entries.iter().map(|entry| (entry.version, id_of(&entry.content))).collect();
        logs.insert(name, Log { first: page.first, head: page.head, ids });
    }
    logs
}

/// Acknowledged: in its log exactly once, there. Told "not stored": in no log.
fn check_message(id: &str, sent: &Sent, logs: &Logs, broken: &mut Vec<String>) {
    let places = |log: &LogName| -> Vec<Version> {
        let ids = logs.get(log).into_iter().flat_map(|log| &log.ids);
        ids.filter(|(_, stored)| *stored == id).map(|(version, _)| *version).collect()
    };
    let in_log = places(&sent.log);
    let in_peer = sent.peer.as_ref().map(places);
    for (name, places) in [(Some(&sent.log), Some(&in_log)), (sent.peer.as_ref(), in_peer.as_ref())] {
        if let (Some(name), Some([_, _, ..])) = (name, places.map(Vec::as_slice)) {
            broken.push(format!("{id} is in {name} more than once: {places:?}"));
        }
    }
    if sent.surely_not_stored() && !in_log.is_empty() {
        broken.push(format!("{id} was told to be not stored, and is in {} as {in_log:?}", sent.log));
    }
    for version in sent.acked() {
        let taken = logs.get(&sent.log).is_some_and(|log| version < log.first);
        if !taken && in_log != [version] {
            broken.push(format!(
                "{id} was acknowledged as {} version {version}, and is there as {in_log:?}",
                sent.log
            ));
        }
        let peer_trimmed =
            sent.peer.as_ref().and_then(|peer| logs.get(peer)).is_some_and(|log| log.first > Version(1));
        if in_peer.as_ref().is_some_and(Vec::is_empty) && !peer_trimmed {
            broken.push(format!("{id} was acknowledged, and its other half is missing"));
        }
    }
}

/// What was sent when everything worked, or a little before, is not given up.
fn check_given_up(world: &World, broken: &mut Vec<String>) {
    let Some(healed_at) = world.healed_at else { return };
    for (id, sent) in world.ledger.messages() {
        let given_up = |attempt: &&Attempt| {
            attempt.outcome == Some(Outcome::Refused(Stored::Maybe))
                && attempt.answered_at > healed_at + SOON
                && attempt.sent_at + SOON > healed_at
        };
        if sent.attempts.iter().any(|attempt| given_up(&attempt)) {
            broken.push(format!("{id} was given up, though everything works"));
        }
    }
}

/// What was sent over one connection to one log, once only and never refused, is there in the order in which it was sent.
fn check_order(world: &World, logs: &Logs, broken: &mut Vec<String>) {
    let mut lanes: BTreeMap<Lane<'_>, Vec<(u64, Version, &str)>> = BTreeMap::new();
    for (id, sent) in world.ledger.messages() {
        let [attempt] = sent.attempts.as_slice() else { continue };
        if matches!(attempt.outcome, Some(Outcome::Refused(Stored::No | Stored::Maybe))) {
            continue;
        }
        for name in [Some(&sent.log), sent.peer.as_ref()].into_iter().flatten() {
            let stored = logs.get(name).and_then(|log| log.ids.iter().find(|(_, stored)| *stored == id));
            if let Some((version, _)) = stored {
                let lane = lanes.entry((attempt.connection, &sent.log, name)).or_default();
                lane.push((attempt.order, *version, id));
            }
        }
    }
    for ((connection, _, log), mut lane) in lanes {
        lane.sort_unstable();
        for two in lane.windows(2).filter(|two| two[1].1 < two[0].1) {
            let ((_, first, one), (_, second, other)) = (two[0], two[1]);
            broken.push(format!(
                "over connection {}, {one} was sent before {other}, and {log} has them as {first} and {second}",
                connection.0
            ));
        }
    }
}

/// What a client was pushed is what is in the log, all of it from where it began, but for what retention took.
fn check_progress(whose: &str, progress: &Progress, log: &Log, broken: &mut Vec<String>) {
    let Some(start) = progress.start else { return };
    for (version, id) in &progress.seen {
        match log.ids.get(version) {
            Some(stored) if stored != id => {
                broken.push(format!("{whose} has {id} as version {version}, which is {stored}"));
            }
            None if *version >= log.first => {
                broken.push(format!("{whose} has version {version}, which is not stored"))
            }
            _ => {}
        }
    }
    for (after, upto) in &progress.gone {
        if *upto >= log.first {
            broken.push(format!(
                "{whose} was told that {after} to {upto} is gone; the log begins at {}",
                log.first
            ));
        }
    }
    let told_gone =
        |version: Version| progress.gone.iter().any(|(after, upto)| version > *after && version <= *upto);
    let has = |version: &Version| progress.seen.contains_key(version) || told_gone(*version);
    if let Some(missing) = (start.0 + 1..=progress.upto.0).map(Version).find(|version| !has(version)) {
        broken.push(format!("{whose} is at {}, and never had {missing}", progress.upto));
    }
    if progress.upto > log.head {
        broken.push(format!("{whose} is at {}, beyond the head {}", progress.upto, log.head));
    }
}
