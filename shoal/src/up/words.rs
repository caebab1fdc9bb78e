//! What is decided, in words for people and in JSON for scripts.

use std::time::Duration;

use mesh::config::Role;
use serde_json::{Value, json};

use super::next_steps::page;
use crate::data_folder::shown;
use crate::keeper::{Notice, Outcome, Process, State};
use crate::plan::Member;
use crate::screen::{Row, Tone, with_restarts};

/// The row of a process in the table.
pub fn row(member: &Member, process: &Process) -> Row {
    let (health, tone) = health(&process.state);
    Row {
        name: member.name.clone(),
        address: member.address.to_string(),
        pid: process.pid,
        health: with_restarts(health, process.restarts),
        tone,
        log: shown(&member.log_file),
    }
}

/// How a process is, and whether that is well.
pub fn health(state: &State) -> (String, Tone) {
    match state {
        State::Starting => ("starting".into(), Tone::Busy),
        State::Ready => ("ready".into(), Tone::Good),
        State::Unready(why) => (format!("not ready: {why}"), Tone::Bad),
        State::Silent => ("does not answer".into(), Tone::Bad),
        State::Hung => ("hung, is replaced".into(), Tone::Bad),
        State::Restarting { .. } => ("died, is started again".into(), Tone::Bad),
        State::Draining => ("draining".into(), Tone::Busy),
        State::Ended => ("ended".into(), Tone::Busy),
        State::GivenUp => ("failed".into(), Tone::Bad),
    }
}

/// The name of a state in JSON.
pub fn state_name(state: &State) -> &'static str {
    match state {
        State::Starting => "starting",
        State::Ready => "ready",
        State::Unready(_) => "unready",
        State::Silent => "silent",
        State::Hung => "hung",
        State::Restarting { .. } => "restarting",
        State::Draining => "draining",
        State::Ended => "ended",
        State::GivenUp => "failed",
    }
}

/// The line that tells `notice`; `None` where the table alone shows it.
pub fn line(notice: &Notice, members: &[Member], processes: &[Process]) -> Option<(String, Option<Tone>)> {
    let name = |index: &usize| members[*index].name.as_str();
    Some(match notice {
        Notice::Changed(index) => {
            let (health, tone) = health(&processes[*index].state);
            (format!("{}: {health}", name(index)), Some(tone))
        }
        Notice::Died { index, exit, again_in: Some(wait) } => {
            (format!("{} {exit}; it is started again in {}", name(index), in_words(*wait)), Some(Tone::Bad))
        }
        Notice::Died { index, exit, again_in: None } => (
            format!("{} {exit}; starting it again would not help: the mesh ends", name(index)),
            Some(Tone::Bad),
        ),
        Notice::Hung { index, silent } => (
            format!(
                "{} has not answered for {}: it is killed, to be started again",
                name(index),
                in_words(*silent)
            ),
            Some(Tone::Bad),
        ),
        Notice::AllReady { first: true } => return None,
        Notice::AllReady { first: false } => ("all is ready again".into(), Some(Tone::Good)),
        Notice::Draining(role) => (format!("draining: {role}"), None),
        Notice::Overdue(index) => {
            (format!("{} did not drain in time, and is killed", name(index)), Some(Tone::Bad))
        }
        Notice::Hurried => ("told twice: ending all at once".into(), Some(Tone::Bad)),
    })
}

/// `notice` as JSON; `last_lines` are the last words of a process that died.
pub fn event(notice: &Notice, members: &[Member], processes: &[Process], last_lines: &[String]) -> Value {
    let name = |index: &usize| members[*index].name.as_str();
    match notice {
        Notice::Changed(index) => process(&members[*index], &processes[*index]),
        Notice::Died { index, exit, again_in } => json!({
            "Event": "died", "Name": name(index), "How": exit.to_string(),
            "AgainInMs": again_in.map(milliseconds), "LastLines": last_lines,
        }),
        Notice::Hung { index, silent } => json!({
            "Event": "hung", "Name": name(index), "SilentMs": milliseconds(*silent),
        }),
        Notice::AllReady { first } => json!({
            "Event": "ready", "First": first, "Gateway": gateway(members), "Web": page(members),
        }),
        Notice::Draining(role) => json!({ "Event": "draining", "Role": role.name() }),
        Notice::Overdue(index) => json!({ "Event": "overdue", "Name": name(index) }),
        Notice::Hurried => json!({ "Event": "hurried" }),
    }
}

/// How a mesh ended.
pub fn outcome(outcome: Outcome) -> (&'static str, &'static str, Tone) {
    match outcome {
        Outcome::Drained => ("drained", "all processes have drained and ended", Tone::Good),
        Outcome::Killed => ("killed", "all processes have ended; not all of them drained in time", Tone::Bad),
        Outcome::GaveUp => ("gave up", "the mesh has ended: a process cannot be started", Tone::Bad),
        Outcome::Hurried => ("hurried", "all processes were ended at once", Tone::Bad),
    }
}

fn process(member: &Member, process: &Process) -> Value {
    let why = match &process.state {
        State::Unready(why) => Some(why),
        _ => None,
    };
    json!({
        "Event": "process", "Name": member.name, "Role": member.role.name(), "Address": member.address.to_string(),
        "Listen": member.listen.to_string(), "Pid": process.pid, "State": state_name(&process.state), "Why": why,
        "Restarts": process.restarts, "ConfFile": member.conf_file, "LogFile": member.log_file,
    })
}

fn gateway(members: &[Member]) -> Option<String> {
    let gateway = members.iter().find(|member| member.role == Role::Gateway);
    gateway.map(|member| member.address.to_string())
}

fn in_words(wait: Duration) -> String {
    if wait < Duration::from_secs(1) {
        format!("{} ms", wait.as_millis())
    } else {
        format!("{} s", wait.as_secs())
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_folder::DataFolder;
    use crate::keeper::{Event, Exit, Keeper};
    use crate::mesh_file::MeshFile;
    use crate::plan::{Shared, members, seats};

    fn mesh() -> (Vec<Member>, Keeper) {
        let mesh = MeshFile::default_mesh().unwrap();
        let folder = DataFolder::at(std::path::Path::new("/srv")).unwrap();
        let shared = Shared { mesh: &mesh, folder: &folder, secret_file: None, log_level: None };
        let members = members(shared, &seats(&mesh).unwrap()).unwrap();
        let keeper = Keeper::new(members.iter().map(|member| (member.role, member.drain)), None);
        (members, keeper)
    }

    #[test]
    fn a_death_is_told_with_what_comes_of_it() {
        let (members, mut keeper) = mesh();
        let died = Event::Exited { index: 3, exit: Exit::Signal(9) };
        let actions = keeper.take(Duration::ZERO, died);
        let crate::keeper::Action::Tell(notice) = &actions[0] else { panic!("{actions:?}") };
        let (text, tone) = line(notice, &members, keeper.processes()).unwrap();
        assert_eq!(text, "router was killed (signal 9); it is started again in 250 ms");
        assert_eq!(tone, Some(Tone::Bad));
        let event = event(notice, &members, keeper.processes(), &["last".into()]);
        assert_eq!(event["AgainInMs"], 250);
        assert_eq!(event["LastLines"], json!(["last"]));
        assert_eq!(
            row(&members[3], &keeper.processes()[3]).health,
            "died, is started again (restarted once)"
        );
    }

    #[test]
    fn a_script_is_told_where_to_connect_once_all_is_ready() {
        let (members, keeper) = mesh();
        let event = event(&Notice::AllReady { first: true }, &members, keeper.processes(), &[]);
        assert_eq!(
            (&event["Gateway"], &event["Web"]),
            (&json!("127.0.0.1:17000"), &json!("http://127.0.0.1:30000/"))
        );
    }

    #[test]
    fn a_change_is_told_with_all_that_is_known_of_the_process() {
        let (members, mut keeper) = mesh();
        keeper.take(Duration::ZERO, Event::Started { index: 0, pid: 42 });
        let event = event(&Notice::Changed(0), &members, keeper.processes(), &[]);
        assert_eq!(event["Event"], "process");
        assert_eq!((&event["Pid"], &event["State"]), (&json!(42), &json!("starting")));
        assert_eq!(event["Listen"], "127.0.0.1:17000");
    }
}
