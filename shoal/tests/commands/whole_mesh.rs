//! A whole mesh of real processes: started, watched, killed, ended.

use rustix::process::Signal;
use serde_json::Value;

use crate::running::{Up, eventually, kill, lives, told};

/// The small mesh: enough to see everything, and quick to start.
const SMALL: &[&str] = &["--msg-servers", "1", "--no-monitor"];

fn events<'e>(seen: &'e [Value], name: &str) -> Vec<&'e Value> {
    seen.iter().filter(|event| event["Event"] == name).collect()
}

#[test]
fn a_mesh_starts_is_shown_and_drains_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::ready(folder.path(), &["--msg-servers", "2"]);

    let (code, json, _) = told(folder.path(), &["status", "--json"]);
    let status: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (code, &status["Well"], status["Processes"].as_array().unwrap().len()),
        (Some(0), &true.into(), 6)
    );
    assert_eq!(status["Pid"], up.pid());
    let (_, table, _) = told(folder.path(), &["status"]);
    assert!(
        table.contains("PROCESS") && table.contains("msg_server.2") && table.contains("data/log/router.log"),
        "{table}"
    );

    let (code, said, error) = told(folder.path(), &["down"]);
    assert_eq!(code, Some(0), "{said}{error}");
    assert!(said.ends_with("ended\n"), "{said}");
    let (status, seen) = up.ended();
    assert_eq!(status.code(), Some(0));
    let order: Vec<_> =
        events(&seen, "draining").into_iter().map(|event| event["Role"].as_str().unwrap()).collect();
    assert_eq!(order, ["gateway", "msg_server", "router", "manager", "monitor"]);
    assert_eq!(events(&seen, "overdue"), Vec::<&Value>::new());
    assert_eq!(seen.last().unwrap()["Outcome"], "drained");
    assert_eq!(told(folder.path(), &["status"]).0, Some(3));
    assert_eq!(told(folder.path(), &["down"]).0, Some(3));
}

#[test]
fn each_process_that_is_killed_is_started_again_and_all_is_ready_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut up = Up::ready(folder.path(), &[]);
    for name in ["gateway", "msg_server.1", "msg_server.2", "router", "manager", "monitor"] {
        let killed = up.pid_of(name);
        kill(killed, Signal::KILL);
        let died = up.wait_for("its death", |event| event["Event"] == "died");
        assert_eq!((&died["Name"], &died["How"]), (&name.into(), &"was killed (signal 9)".into()));
        let log_line = died["LastLines"].as_array().is_some_and(|lines| !lines.is_empty());
        assert!(log_line, "its last words are shown: {died}");
        up.wait_for("all to be ready again", |event| event["Event"] == "ready" && event["First"] == false);
        assert_ne!(up.pid_of(name), killed);
    }
}

#[test]
fn a_process_that_hangs_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mesh.json"), r#"{"SilentSeconds": 1}"#).unwrap();
    let mut up = Up::ready(folder.path(), &[SMALL, &["mesh.json"]].concat());
    let hung = up.pid_of("router");
    kill(hung, Signal::STOP);
    let told = up.wait_for("it to be noticed", |event| event["Event"] == "hung");
    assert_eq!(told["Name"], "router");
    assert!(told["SilentMs"].as_u64() >= Some(1000), "{told}");
    up.wait_for("its end", |event| event["Event"] == "died" && event["How"] == "was killed (signal 9)");
    up.wait_for("all to be ready again", |event| event["Event"] == "ready" && event["First"] == false);
    assert_ne!(up.pid_of("router"), hung);
}

#[test]
fn one_ctrl_c_of_the_terminal_drains_once() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::ready(folder.path(), SMALL);
    up.signal_group(Signal::INT);
    up.signal_group(Signal::INT);
    let (status, seen) = up.ended();
    assert_eq!(status.code(), Some(0));
    assert_eq!(seen.last().unwrap()["Outcome"], "drained");
    let roles = events(&seen, "draining").len();
    assert_eq!(roles, 4, "each role in its turn, for the signal reached none of them: {seen:#?}");
}

#[test]
fn a_folder_has_one_mesh() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::ready(folder.path(), SMALL);
    let (code, _, error) = told(folder.path(), &["up", "--free-ports"]);
    assert_eq!(code, Some(4));
    assert!(error.contains(&format!("as pid {}", up.pid())), "{error}");
    assert!(lives(up.pid_of("manager")), "the first one goes on");
}

#[test]
fn taken_ports_are_named_and_nothing_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::ready(folder.path(), SMALL);
    let status: Value = serde_json::from_str(&told(folder.path(), &["status", "--json"]).1).unwrap();
    let port = |index: usize| {
        status["Processes"][index]["Listen"].as_str().unwrap().rsplit_once(':').unwrap().1.to_owned()
    };
    let (gateway, router) = (port(0), port(2));

    let other = tempfile::tempdir().unwrap();
    let mesh = format!(
        "{{\"GatewayPort\": {gateway}, \"RouterPort\": {router}, \"MsgServerPort\": 0, \"ManagerPort\": 0, \"Monitors\": 0}}"
    );
    std::fs::write(other.path().join("mesh.json"), mesh).unwrap();
    let (code, _, error) = told(other.path(), &["up", "mesh.json"]);
    assert_eq!(code, Some(5), "{error}");
    for (port, name, key) in [(&gateway, "gateway", "GatewayPort"), (&router, "router", "RouterPort")] {
        let line = format!("127.0.0.1:{port} for {name} ({key}): taken by pid {} ({name} ", up.pid_of(name));
        assert!(error.contains(&line), "{line} is not in {error}");
    }
    assert_eq!(told(other.path(), &["status"]).0, Some(3));
}

#[test]
fn no_process_outlives_a_shoal_that_is_killed_and_the_next_one_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::ready(folder.path(), SMALL);
    let pids = ["gateway", "msg_server.1", "router", "manager"].map(|name| up.pid_of(name));
    let old = up.pid();
    up.signal(Signal::KILL);
    let (status, _) = up.ended();
    assert_eq!(status.code(), None);
    assert_eq!(told(folder.path(), &["status"]).0, Some(3), "nobody runs it any more");

    let next = Up::ready(folder.path(), SMALL);
    assert_eq!(events(next.seen(), "leftovers")[0]["Pid"], old);
    assert!(pids.iter().all(|pid| !lives(*pid)), "{pids:?}");
}

#[test]
fn what_is_left_ends_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::ready(folder.path(), SMALL);
    let pids = ["gateway", "msg_server.1", "router", "manager"].map(|name| up.pid_of(name));
    up.signal(Signal::KILL);
    up.ended();
    eventually("its processes to end", || pids.iter().all(|pid| !lives(*pid)));
}

#[test]
fn told_twice_all_ends_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut up = Up::ready(folder.path(), SMALL);
    let pids = ["gateway", "msg_server.1", "router", "manager"].map(|name| up.pid_of(name));
    // A process that does not react is what a second signal is for.
    kill(pids[0], Signal::STOP);
    up.signal(Signal::INT);
    up.wait_for("the drain", |event| event["Event"] == "draining");
    // One that comes at once is taken for an echo of the first.
    eventually("it to hear the second", || {
        up.signal(Signal::INT);
        up.has_said(|event| event["Event"] == "hurried")
    });
    let (status, seen) = up.ended();
    assert_eq!(status.code(), Some(130));
    assert_eq!(events(&seen, "hurried").len(), 1);
    assert!(pids.iter().all(|pid| !lives(*pid)));
}
