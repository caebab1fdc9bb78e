//! One process: its config file, its log, and the child while it runs.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, OnceLock, mpsc};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Map, Value};

use crate::part::Part;
use crate::programs;
use crate::wait::eventually;

/// A process of a mesh, running or not.
pub struct Process {
    pub part: Part,
    pub address: SocketAddr,
    pub config: Map<String, Value>,
    folder: PathBuf,
    child: Option<Child>,
}

impl Process {
    /// A process that does not run, with its files in `folder`.
    pub fn new(part: Part, address: SocketAddr, config: Map<String, Value>, folder: &Path) -> Self {
        Self { part, address, config, folder: folder.to_owned(), child: None }
    }

    pub fn config_file(&self) -> PathBuf {
        self.folder.join(format!("{}.json", self.part))
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.part))
    }

    /// Everything that it, and whoever ran in its place before, wrote to stderr and stdout.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.log_file()).unwrap_or_default()).into_owned()
    }

    pub fn write_config(&self) {
        let json = serde_json::to_vec_pretty(&self.config).expect("a config is JSON");
        fs::write(self.config_file(), json).expect("the config file can be written");
    }

    /// Starts it; in its folder, so that a path in its config that is not absolute lies there.
    pub fn spawn(&mut self) {
        assert!(!self.is_running(), "{} runs already", self.part);
        self.write_config();
        let log = File::options().create(true).append(true).open(self.log_file()).expect("a log file");
        let programs = programs::folder();
        let program = programs.join(self.part.role().program());
        let leash = programs.join(programs::LEASH);
        let mut command = if leash.exists() { Command::new(leash) } else { Command::new(&program) };
        if programs.join(programs::LEASH).exists() {
            command.arg(&program);
        }
        command
            .arg(format!("-conf_file={}", self.config_file().display()))
            .env("TESTBED_PARENT", std::process::id().to_string())
            .env("NO_COLOR", "1")
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log file"))
            .stderr(log);
        self.child = Some(spawn_for_long(command));
    }

    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Its process id, if it was started.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Sends a signal to it, if it runs.
    pub fn signal(&mut self, signal: Signal) {
        if self.is_running()
            && let Some(pid) = self.pid().and_then(|pid| Pid::from_raw(pid.cast_signed()))
        {
            // Refused only where it has just ended.
            let _ = kill_process(pid, signal);
        }
    }

    /// Whether every thread of it is stopped by a signal.
    pub fn stands_still(&self) -> bool {
        let Some(pid) = self.pid() else { return false };
        let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return false };
        threads.flatten().all(|thread| {
            // After the program's name, in parentheses, comes the state.
            let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
        })
    }

    /// How it ended, once it has; it is not running after that.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let ended = self.child.as_mut()?.try_wait().expect("a child can be waited for");
        if ended.is_some() {
            self.child = None;
        }
        ended
    }

    /// Kills it, and waits until it is gone.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Waits for the end of a process.
pub async fn end_of(process: &Mutex<Process>) -> ExitStatus {
    let part = process.lock().expect("no panic under the lock").part;
    eventually(&format!("{part} ends"), async || process.lock().expect("no panic under the lock").ended())
        .await
}

/// Starts a child from a thread that lives as long as this test run: the kernel kills a leashed child when the *thread*
/// that started it ends, and a test's threads end before those meshes that several tests share.
fn spawn_for_long(command: Command) -> Child {
    type Order = (Command, mpsc::Sender<std::io::Result<Child>>);
    static NURSERY: OnceLock<Mutex<mpsc::Sender<Order>>> = OnceLock::new();
    let nursery = NURSERY.get_or_init(|| {
        let (orders, ordered) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, born) in ordered {
                let _ = born.send(command.spawn());
            }
        });
        Mutex::new(orders)
    });
    let (born, child) = mpsc::channel();
    nursery.lock().expect("nobody panics there").send((command, born)).expect("the nursery lives");
    child.recv().expect("the nursery answers").expect("the program starts")
}
