//! A `shoal up` that runs in a folder of its own, on free ports, and what it says.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process};
use serde_json::Value;

/// Long enough for a loaded machine; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A `shoal up` under test. Killed where a test ends before it does.
pub struct Up {
    child: Child,
    events: Receiver<Value>,
    seen: Vec<Value>,
}

impl Up {
    /// Starts one in `folder` with `--json`, on free ports unless `args` say otherwise.
    pub fn start(folder: &Path, args: &[&str]) -> Self {
        let mut child = shoal(folder)
            .args(["up", "--json"])
            .args(args)
            .stdout(Stdio::piped())
            // As a shell starts it: the terminal's signals go to this group.
            .process_group(0)
            .spawn()
            .expect("shoal starts");
        let stdout = BufReader::new(child.stdout.take().expect("stdout"));
        let (tell, events) = channel();
        thread::spawn(move || {
            let events =
                stdout.lines().map_while(Result::ok).filter_map(|line| serde_json::from_str(&line).ok());
            // The test may have seen enough.
            events.take_while(|event| tell.send(Value::clone(event)).is_ok()).for_each(drop);
        });
        Self { child, events, seen: Vec::new() }
    }

    /// As [`Up::start`] on free ports; returns when all processes are ready.
    pub fn ready(folder: &Path, args: &[&str]) -> Self {
        let mut up = Self::start(folder, &[&["--free-ports"], args].concat());
        up.wait_for("all to be ready", |event| event["Event"] == "ready");
        up
    }

    /// The next event that is `wanted`; those before it are kept in `seen`.
    pub fn wait_for(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(event) = self.events.recv_timeout(left) else {
                panic!("waited in vain for {what}; it said: {:#?}", self.seen);
            };
            self.seen.push(event.clone());
            if wanted(&event) {
                return event;
            }
        }
    }

    /// Whether it has said something that is `wanted`; what it said meanwhile is kept in `seen`.
    pub fn has_said(&mut self, wanted: impl Fn(&Value) -> bool) -> bool {
        self.seen.extend(self.events.try_iter());
        self.seen.iter().any(wanted)
    }

    /// What it said so far, up to the last event that was waited for.
    pub fn seen(&self) -> &[Value] {
        &self.seen
    }

    /// The process id of `shoal up`.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The newest process id that it told of the process `name`.
    pub fn pid_of(&self, name: &str) -> u32 {
        let told = self.seen.iter().rev().find(|event| event["Name"] == name && event["Pid"].is_u64());
        told.and_then(|event| event["Pid"].as_u64())
            .and_then(|pid| pid.try_into().ok())
            .expect("a process id")
    }

    /// Sends `signal` to `shoal up` itself.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal);
    }

    /// Sends `signal` as a terminal does: to all processes of the group.
    pub fn signal_group(&self, signal: Signal) {
        kill_process_group(id(self.pid()), signal).expect("the group is there");
    }

    /// Waits until `shoal up` has ended.
    pub fn ended(mut self) -> (ExitStatus, Vec<Value>) {
        eventually("shoal up to end", || self.child.try_wait().expect("a child").is_some());
        let status = self.child.wait().expect("a child");
        let last: Vec<_> = self.events.iter().collect();
        self.seen.extend(last);
        (status, std::mem::take(&mut self.seen))
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // Its processes are told by the kernel; where it has ended already, there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A `shoal` whose working directory is `folder`.
pub fn shoal(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shoal"));
    command.current_dir(folder).stdin(Stdio::null()).env("NO_COLOR", "1");
    // Where the chat programs take the names of their devices.
    command.env("XDG_RUNTIME_DIR", folder);
    command
}

/// The gateway of the mesh that runs in `folder`.
pub fn gateway(folder: &Path) -> String {
    let (_, json, error) = told(folder, &["status", "--json"]);
    let status: Value = serde_json::from_str(&json).unwrap_or_else(|_| panic!("{json}{error}"));
    status["Gateway"].as_str().expect("a gateway").to_owned()
}

/// Runs `shoal` with `args` in `folder` to its end.
pub fn run(folder: &Path, args: &[&str]) -> Output {
    shoal(folder).args(args).output().expect("shoal runs")
}

/// The exit code, stdout and stderr of `shoal` with `args` in `folder`.
pub fn told(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let output = run(folder, args);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Sends `signal` to the process `pid`.
pub fn kill(pid: u32, signal: Signal) {
    kill_process(id(pid), signal).expect("the process is there");
}

/// Whether the process `pid` is there, dead but not buried ones left out.
pub fn lives(pid: u32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    test_kill_process(id(pid)).is_ok() && !state.contains(") Z ")
}

/// Looks again and again until `holds`.
pub fn eventually(what: &str, holds: impl FnMut() -> bool) {
    assert!(in_time(holds), "waited in vain for {what}");
}

/// Looks again and again whether it `holds`; `false` where it did not within [`PATIENCE`].
pub fn in_time(mut holds: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(20));
    }
    true
}

/// A file of this repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn id(pid: u32) -> Pid {
    Pid::from_raw(pid.cast_signed()).expect("a process id")
}
