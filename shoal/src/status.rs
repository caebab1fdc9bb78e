//! `shoal status`: what runs where, and how it is.

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::cli::StatusArgs;
use crate::data_folder::{DataFolder, shown};
use crate::exit;
use crate::failure::Failure;
use crate::host::dialled_here;
use crate::lock::holder;
use crate::probe::{self, Health};
use crate::run_file::{RunFile, Running};
use crate::screen::{Row, Screen, Tone, with_restarts};

/// Shows the mesh of a folder.
///
/// # Errors
/// Where none runs there, or its files cannot be read.
pub async fn run(args: StatusArgs) -> Result<u8, Failure> {
    let (pid, run) = running(&args.data)?;
    let health = ask_all(&run.processes).await;
    let well = !health.is_empty() && health.iter().all(|health| *health == Health::Ready);
    let mut screen = Screen::new(args.json);
    screen.event(&report(pid, &run, &health, well));
    if !args.json {
        let rows: Vec<_> =
            std::iter::zip(&run.processes, &health).map(|(process, health)| row(process, health)).collect();
        screen.paint(&rows, &below(pid, &run));
    }
    Ok(if well { exit::DONE } else { exit::UNWELL })
}

/// The mesh that runs in `data`, and the process id of its `shoal up`.
pub fn running(data: &std::path::Path) -> Result<(u32, RunFile), Failure> {
    let folder = DataFolder::at(data).map_err(Failure::while_trying("to find the folder"))?;
    let unread = || Failure::while_trying(format!("to read what runs in {}", folder.root().display()));
    let pid = holder(&folder.lock_file()).map_err(unread())?;
    let run = RunFile::read(&folder.run_file()).map_err(unread())?;
    match (pid, run) {
        (Some(pid), Some(run)) => Ok((pid, run)),
        // It has the folder, and has written nothing yet.
        (Some(pid), None) => {
            Ok((pid, RunFile { pid, gateway: String::new(), web: None, processes: Vec::new() }))
        }
        (None, _) => Err(Failure::NotRunning(shown(folder.root()))),
    }
}

/// Asks all at once: one that does not answer keeps nobody waiting for the others.
async fn ask_all(processes: &[Running]) -> Vec<Health> {
    let mut answers = vec![Health::Silent; processes.len()];
    let mut asked = JoinSet::new();
    for (index, process) in processes.iter().enumerate().filter(|(_, process)| process.pid.is_some()) {
        let address = dialled_here(process.listen);
        asked.spawn(async move { (index, probe::ask(address).await) });
    }
    while let Some(answer) = asked.join_next().await {
        if let Ok((index, health)) = answer {
            answers[index] = health;
        }
    }
    answers
}

fn row(process: &Running, health: &Health) -> Row {
    let (words, tone) = match (process.pid, health) {
        (None, _) => ("does not run".to_owned(), Tone::Bad),
        (_, Health::Ready) => ("ready".to_owned(), Tone::Good),
        (_, Health::Unready(why)) => (format!("not ready: {why}"), Tone::Bad),
        (_, Health::Silent) => ("does not answer".to_owned(), Tone::Bad),
    };
    Row {
        name: process.name.clone(),
        address: process.address.clone(),
        pid: process.pid,
        health: with_restarts(words, process.restarts),
        tone,
        log: shown(&process.log_file),
    }
}

fn below(pid: u32, run: &RunFile) -> Vec<String> {
    let page = run.web.map(|web| format!("; its page: http://{}/", dialled_here(web))).unwrap_or_default();
    vec![String::new(), format!("run by pid {pid}{page}")]
}

fn report(pid: u32, run: &RunFile, health: &[Health], well: bool) -> Value {
    let processes = std::iter::zip(&run.processes, health).map(|(process, health)| {
        let (state, why) = match (process.pid, health) {
            (None, _) => ("dead", None),
            (_, Health::Ready) => ("ready", None),
            (_, Health::Unready(why)) => ("unready", Some(why)),
            (_, Health::Silent) => ("silent", None),
        };
        json!({
            "Name": process.name, "Role": process.role, "Address": process.address,
            "Listen": process.listen.to_string(), "Pid": process.pid, "State": state, "Why": why,
            "Restarts": process.restarts, "ConfFile": process.conf_file, "LogFile": process.log_file,
        })
    });
    json!({
        "Pid": pid, "Well": well, "Gateway": run.gateway,
        "Web": run.web.map(|web| format!("http://{}/", dialled_here(web))),
        "Processes": processes.collect::<Vec<_>>(),
    })
}
