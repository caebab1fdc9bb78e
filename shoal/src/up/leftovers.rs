//! What a `shoal up` that was killed left behind.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::data_folder::DataFolder;
use crate::failure::Failure;
use crate::run_file::{RunFile, Running};
use crate::screen::{Screen, Tone};

/// How long what was left may take to end by itself: it was told to drain when its `shoal up` died.
const PATIENCE: Duration = Duration::from_secs(15);

/// How often to look.
const LOOK: Duration = Duration::from_millis(50);

/// Ends what the last run in `folder` left running, and says so. To be called by whoever holds the folder's lock.
///
/// # Errors
/// Where it still runs after it was killed: another user's, or stuck in the system.
pub async fn end(folder: &DataFolder, screen: &mut Screen) -> Result<(), Failure> {
    // One that cannot be read was written by another version, whose processes the taken ports will name.
    let Ok(Some(last)) = RunFile::read(&folder.run_file()) else { return Ok(()) };
    say(&last, screen);
    for signal in [Signal::TERM, Signal::KILL] {
        for process in last.survivors() {
            if let Some(pid) = pid_of(process) {
                // One that has ended meanwhile needs no signal.
                let _ = kill_process(pid, signal);
            }
        }
        if wait_for_end(&last).await {
            // Where it cannot be removed, the next `up` says the same again.
            let _ = std::fs::remove_file(folder.run_file());
            return Ok(());
        }
    }
    Err(Failure::Usage(format!(
        "{} still run, and cannot be ended: end them first",
        names(&last.survivors())
    )))
}

fn say(last: &RunFile, screen: &mut Screen) {
    let survivors = last.survivors();
    screen.event(&json!({
        "Event": "leftovers", "Pid": last.pid,
        "Processes": survivors.iter().map(|process| json!({"Name": process.name, "Pid": process.pid})).collect::<Vec<_>>(),
    }));
    let found = if survivors.is_empty() {
        "nothing of it runs any more".to_owned()
    } else {
        format!("still running, and told to end now: {}", names(&survivors))
    };
    let line = format!("the last `shoal up` here (pid {}) ended without draining; {found}", last.pid);
    screen.say_unless_json(&line, Some(Tone::Busy));
}

async fn wait_for_end(last: &RunFile) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while !last.survivors().is_empty() {
        if Instant::now() > deadline {
            return false;
        }
        sleep(LOOK).await;
    }
    true
}

fn pid_of(process: &Running) -> Option<Pid> {
    process.pid.and_then(|pid| Pid::from_raw(pid.cast_signed()))
}

fn names(processes: &[&Running]) -> String {
    let name = |process: &&Running| format!("{} (pid {})", process.name, process.pid.unwrap_or_default());
    processes.iter().map(name).collect::<Vec<_>>().join(", ")
}
