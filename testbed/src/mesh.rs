//! A mesh: which processes it has, and what a test does to them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::builder::Builder;
use crate::health::{self, Health};
use crate::part::{Part, Role};
use crate::ports::Ports;
use crate::process::{Process, end_of};
use crate::wait::{PATIENCE, eventually};

/// Of each process's log, so many of the newest lines are printed when a test fails.
const LOG_LINES: usize = 60;

/// A mesh of real processes, which end with it.
pub struct Mesh {
    pub(crate) processes: BTreeMap<Part, Mutex<Process>>,
    pub(crate) web: SocketAddr,
    pub(crate) folder: TempDir,
    /// Held for their locks.
    pub(crate) _ports: Ports,
}

impl Mesh {
    /// Two msg_servers, a router, a manager and a gateway with a secret, unless told otherwise.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Every process, running or not; msg_servers first.
    pub fn parts(&self) -> impl Iterator<Item = Part> + use<> {
        let mut parts: Vec<_> = self.processes.keys().copied().collect();
        parts.sort_by_key(|part| Role::ALL.iter().position(|role| *role == part.role()));
        parts.into_iter()
    }

    /// The folder in which the processes run: config files, logs and stores are in it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where a process listens, running or not.
    pub fn addr(&self, part: Part) -> SocketAddr {
        self.process(part).address
    }

    /// Where the first gateway listens.
    pub fn gateway_addr(&self) -> SocketAddr {
        self.addr(Part::Gateway(0))
    }

    /// Where a msg_server listens, which is its `LocalIP` too.
    pub fn msg_server_addr(&self, index: usize) -> SocketAddr {
        self.addr(Part::MsgServer(index))
    }

    /// Where the monitor's page is.
    pub fn web_addr(&self) -> SocketAddr {
        self.web
    }

    /// Starts a process, and does not wait for it.
    pub fn spawn(&self, part: Part) {
        self.process(part).spawn();
    }

    /// Starts a process, and waits until it answers.
    pub async fn start(&self, part: Part) {
        self.spawn(part);
        self.answers(part).await;
    }

    /// Kills a process (SIGKILL); returns when it is gone.
    pub async fn kill(&self, part: Part) {
        self.process(part).kill();
    }

    /// Kills a process and starts it again on the same port.
    pub async fn restart(&self, part: Part) {
        self.kill(part).await;
        self.start(part).await;
    }

    /// Tells a process to drain (SIGTERM); returns how it ended.
    pub async fn stop(&self, part: Part) -> ExitStatus {
        self.terminate(part);
        self.ended(part).await
    }

    /// Tells a process to drain (SIGTERM), and does not wait.
    pub fn terminate(&self, part: Part) {
        self.process(part).signal(Signal::TERM);
    }

    /// Waits for a process to end.
    pub async fn ended(&self, part: Part) -> ExitStatus {
        end_of(&self.processes[&part]).await
    }

    /// Whether a process runs.
    pub fn is_running(&self, part: Part) -> bool {
        self.process(part).is_running()
    }

    /// Stops a process in its tracks (SIGSTOP); returns when all of its threads stand still, which is at once.
    ///
    /// # Panics
    /// If they do not.
    pub fn pause(&self, part: Part) {
        let process = &mut *self.process(part);
        process.signal(Signal::STOP);
        let deadline = Instant::now() + PATIENCE;
        while !process.stands_still() {
            assert!(Instant::now() < deadline, "{part} does not stand still");
            std::thread::yield_now();
        }
    }

    /// Lets a paused process go on (SIGCONT).
    pub fn resume(&self, part: Part) {
        self.process(part).signal(Signal::CONT);
    }

    /// Changes a key of a process's config file, for its next start or reload. `null` takes it out.
    pub fn reconfigure(&self, part: Part, key: &str, value: impl Into<Value>) {
        let mut process = self.process(part);
        match value.into() {
            Value::Null => drop(process.config.remove(key)),
            value => drop(process.config.insert(key.into(), value)),
        }
        process.write_config();
    }

    /// Tells a process to read its config file again (SIGHUP).
    pub fn reload(&self, part: Part) {
        self.process(part).signal(Signal::HUP);
    }

    /// What `/healthz` of a process says; `None` where it does not answer.
    pub async fn healthz(&self, part: Part) -> Option<Health> {
        let address = self.addr(part);
        health::ask(address, "/healthz").await
    }

    /// What `/readyz` of a process says; `None` where it does not answer.
    pub async fn readyz(&self, part: Part) -> Option<Health> {
        let address = self.addr(part);
        health::ask(address, "/readyz").await
    }

    /// A figure of a process now; 0 where it does not answer, or has no such figure.
    pub async fn figure(&self, part: Part, name: &str) -> u64 {
        self.healthz(part).await.map_or(0, |health| health.figure(name))
    }

    /// The process id of a process that was started.
    pub fn pid(&self, part: Part) -> u32 {
        self.process(part).pid().unwrap_or_else(|| panic!("{part} was not started"))
    }

    /// The memory that a process holds, in bytes (resident set size).
    pub fn resident_bytes(&self, part: Part) -> u64 {
        let path = format!("/proc/{}/status", self.pid(part));
        let status = std::fs::read_to_string(path).expect("the process runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of kB");
        kibibytes * 1024
    }

    /// Everything that a process has logged, over all of its runs.
    pub fn log(&self, part: Part) -> String {
        self.process(part).log()
    }

    /// Waits until a process has logged something with `needle` in it; gives the line.
    pub async fn logged(&self, part: Part, needle: &str) -> String {
        eventually(&format!("{part} logs {needle:?}"), async || {
            self.log(part).lines().find(|line| line.contains(needle)).map(str::to_owned)
        })
        .await
    }

    /// Waits until a process that was started answers over HTTP.
    ///
    /// # Panics
    /// If it ends, or does not answer in time.
    pub async fn answers(&self, part: Part) -> Health {
        eventually(&format!("{part} answers"), async || {
            let health = self.readyz(part).await;
            assert!(health.is_some() || self.is_running(part), "{part} ended:\n{}", self.log(part));
            health
        })
        .await
    }

    /// Waits until every process that was started and not ended answers, and every msg_server of them is linked with all
    /// of the others.
    ///
    /// # Panics
    /// If one of them ended by itself, or they do not link in time.
    pub async fn settled(&self) {
        let running: Vec<_> = self.parts().filter(|part| self.process(*part).pid().is_some()).collect();
        let count = |role| running.iter().filter(|part| part.role() == role).count() as u64;
        let (msg_servers, routers) = (count(Role::MsgServer), count(Role::Router));
        // Of several managers, each with a store of its own, a msg_server takes only the first.
        let managers = count(Role::Manager).min(1);
        for part in &running {
            self.answers(*part).await;
            eventually(&format!("{part} is linked with all that run"), async || {
                let health = self.healthz(*part).await?;
                let linked = match part.role() {
                    Role::MsgServer => {
                        health.figure("Managers") >= managers && health.figure("Routers") >= routers
                    }
                    Role::Gateway => health.figure("LiveMsgServers") >= msg_servers,
                    Role::Router | Role::Manager | Role::Monitor => health.status == 200 || msg_servers == 0,
                };
                linked.then_some(())
            })
            .await;
        }
    }

    fn process(&self, part: Part) -> MutexGuard<'_, Process> {
        let process = self.processes.get(&part).unwrap_or_else(|| panic!("this mesh has no {part}"));
        process.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn print_logs(&self) {
        for part in self.parts() {
            let log = self.log(part);
            let lines: Vec<_> = log.lines().collect();
            let newest = &lines[lines.len().saturating_sub(LOG_LINES)..];
            eprintln!("--- the newest of {} log lines of {part}\n{}", lines.len(), newest.join("\n"));
        }
    }
}

impl Drop for Mesh {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.print_logs();
        }
        for part in self.parts() {
            self.process(part).kill();
        }
    }
}
