//! The end of a run: nobody says anything new, and nobody is reconnected; everything that was acknowledged has to reach
//! everyone all the same.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use crate::history::LogNo;
use crate::record::Record;
use crate::stage::Stage;

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(20);
/// Of those who lack something, so many are named.
const NAMED: usize = 10;

/// Waits until everyone is connected and has every send answered. Says who does not by then.
///
/// # Errors
/// Who is not.
pub async fn settled(stage: &Stage, within: Duration) -> Result<(), Vec<String>> {
    wait(within, || {
        let restless = |record: &Arc<Mutex<Record>>| {
            let record = record.lock();
            let unanswered = record.unanswered().len();
            let user = &record.history.user;
            match (record.connected, unanswered) {
                (true, 0) => None,
                (true, some) => Some(format!("{user} waits for {some} answers")),
                (false, _) => Some(format!("{user} is not connected")),
            }
        };
        stage.records.iter().filter_map(restless).collect()
    })
    .await
    .map(drop)
}

/// Waits until everyone has what was acknowledged in the logs that they follow; gives how long that took.
///
/// # Errors
/// Who lacks what.
pub async fn everyone_has_all(stage: &Stage, within: Duration) -> Result<Duration, Vec<String>> {
    wait(within, || lacking(stage)).await
}

async fn wait(within: Duration, look: impl Fn() -> Vec<String>) -> Result<Duration, Vec<String>> {
    let began = Instant::now();
    loop {
        let mut lacking = look();
        if lacking.is_empty() {
            return Ok(began.elapsed());
        }
        if began.elapsed() > within {
            let more = lacking.len().saturating_sub(NAMED);
            lacking.truncate(NAMED);
            lacking.extend((more > 0).then(|| format!("and {more} more")));
            return Err(lacking);
        }
        sleep(LOOK).await;
    }
}

/// Of topics the newest acknowledged version is known. Of inboxes the sender's `OK` tells the version in its own, not in the
/// recipient's: there it is counted.
fn lacking(stage: &Stage) -> Vec<String> {
    let workload = &stage.workload;
    let mut newest = vec![0; workload.clients + workload.topics.len()];
    let mut for_inbox = vec![0; workload.clients];
    for (client, record) in stage.records.iter().enumerate() {
        let record = record.lock();
        for send in &record.history.sends {
            if let Some((_, version)) = send.acked {
                let newest: &mut u64 = &mut newest[send.log as usize];
                *newest = version.max(*newest);
            }
        }
        for_inbox[workload.partner(client)] += record.acked_p2p;
    }
    let mut lacking = Vec::new();
    for (client, record) in stage.records.iter().enumerate() {
        let record = record.lock();
        let behind = |log: &&LogNo| record.has(**log) < newest[**log as usize];
        for log in record.history.follows.iter().filter(behind) {
            let (has, newest, log) = (record.has(*log), newest[*log as usize], workload.log_name(*log));
            lacking.push(format!("{} has {log} up to {has}; {newest} was acknowledged", record.history.user));
        }
        if record.received_p2p < for_inbox[client] {
            let (user, has, all) = (&record.history.user, record.received_p2p, for_inbox[client]);
            lacking.push(format!("{user} has {has} of {all} acknowledged messages to it"));
        }
    }
    lacking
}
