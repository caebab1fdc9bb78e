//! Real processes: command line, exit codes, the line on stdout, signals, the log.

#![allow(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

#[path = "papers/mod.rs"]
mod papers;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use papers::Papers;
use rustix::process::{Pid, Signal, kill_process};

/// How long anything here may take before the test says that it does not happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// The program of `examples/smallest_process.rs`, which `cargo test` builds beside this one.
fn program() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let built = this.parent().unwrap().parent().unwrap().join("examples/smallest_process");
    assert!(built.exists(), "{} is missing: `cargo test -p mesh` builds it", built.display());
    built
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn with(config: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("router.json", config);
        folder
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(program()).args(arguments).current_dir(self.path()).output().unwrap()
    }

    fn start(&self) -> Running {
        let mut child = Command::new(program())
            .current_dir(self.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Running { child, line }
    }
}

struct Running {
    child: Child,
    line: String,
}

impl Running {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The exit code, and what it wrote to stderr.
    fn end(mut self) -> (Option<i32>, String) {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "the process does not end");
            std::thread::yield_now();
        };
        let mut stderr = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        (status.code(), stderr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_wrong_config_is_told_on_stderr_and_exits_with_64() {
    let folder = Folder::with("{\"MsgServerLst\": [],\n \"Listen\": \":1\"}");
    for arguments in [&["--check"][..], &[], &["-conf_file=router.json"]] {
        let output = folder.run(arguments);
        assert_eq!(output.status.code(), Some(64));
        assert_eq!(text(&output.stdout), "");
        let expected = "error: router.json: 2 mistakes\n  router.json:1:2: MsgServerLst is no key; did you mean \
                        \"MsgServerList\"?\n  router.json:2:12: Listen (\":1\") is not ip:port; write \"0.0.0.0:1\" \
                        for every address of this machine, or \"127.0.0.1:1\"\n";
        assert_eq!(text(&output.stderr), expected);
    }
}

#[test]
fn a_missing_config_and_a_wrong_command_line_exit_with_64() {
    let folder = Folder::with("{}");
    let missing = folder.run(&["-conf_file", "other.json"]);
    assert_eq!(missing.status.code(), Some(64));
    assert!(text(&missing.stderr).starts_with("error: other.json: there is no such file\n"));
    assert_eq!(folder.run(&["--nonsense"]).status.code(), Some(64));
}

#[test]
fn check_says_that_a_file_is_good_and_what_is_ignored_in_it() {
    let folder =
        Folder::with(r#"{"TransportProtocols":"tcp","Listen":"0.0.0.0:1","MeshSecret":"0123456789abcdef"}"#);
    let output = folder.run(&["--check"]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        said.starts_with("router.json is good: a router that listens on 0.0.0.0:1\n  warning: AuthMode"),
        "{said}"
    );
    assert!(said.contains("\n  ignored: TransportProtocols: "), "{said}");
    assert!(!said.contains("0123456789abcdef"), "{said}");
}

#[test]
fn the_port_that_was_taken_stands_on_stdout_and_sigterm_ends_with_0() {
    let running = Folder::with(r#"{"Listen":"127.0.0.1:0"}"#).start();
    let address = running.line.trim_end().strip_prefix("listening on ").unwrap();
    std::net::TcpStream::connect(address).unwrap();
    running.signal(Signal::TERM);
    let (code, log) = running.end();
    assert_eq!(code, Some(0));
    assert!(log.contains(" INFO ") && log.contains("draining") && !log.contains('\x1b'), "{log}");
}

#[test]
fn a_drain_that_takes_too_long_is_cut_short_and_exits_with_0() {
    let folder = Folder::with(r#"{"Listen":"127.0.0.1:0","UUID":"stubborn","DrainSeconds":0.1}"#);
    let running = folder.start();
    running.signal(Signal::INT);
    let (code, log) = running.end();
    assert_eq!(code, Some(0));
    assert!(log.contains("not drained within 100ms"), "{log}");
}

#[test]
fn a_second_signal_ends_at_once() {
    let folder =
        Folder::with(r#"{"Listen":"127.0.0.1:0","UUID":"stubborn","DrainSeconds":600,"LogFile":"r.log"}"#);
    let running = folder.start();
    running.signal(Signal::INT);
    wait_for(&folder, "draining");
    running.signal(Signal::INT);
    assert_eq!(running.end().0, Some(130));
}

#[test]
fn a_panic_is_in_the_log_and_exits_with_1() {
    let folder = Folder::with(r#"{"Listen":"127.0.0.1:0","UUID":"faulty","LogFile":"r.log"}"#);
    let running = folder.start();
    running.signal(Signal::TERM);
    let (code, stderr) = running.end();
    assert_eq!(code, Some(1));
    let log = std::fs::read_to_string(folder.path().join("r.log")).unwrap();
    for said in [stderr, log] {
        assert!(said.contains("as it was told to"), "{said}");
    }
}

#[test]
fn a_port_that_is_taken_is_named_and_exits_with_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let folder = Folder::with(&format!(r#"{{"Listen":"{address}","LogFile":"r.log"}}"#));
    let output = folder.run(&[]);
    assert_eq!(output.status.code(), Some(1));
    let expected = format!("error: Listen: port {} of 127.0.0.1 is taken by another process", address.port());
    assert!(text(&output.stderr).starts_with(&expected), "{}", text(&output.stderr));
}

#[test]
fn sighup_reloads_the_log_level_and_names_what_needs_a_restart() {
    let folder = Folder::with(r#"{"Listen":"127.0.0.1:0","LogFile":"r.log","LogFormat":"json"}"#);
    let running = folder.start();
    folder
        .write("router.json", r#"{"Listen":"127.0.0.1:0","LogFile":"r.log","LogFormat":"json","Lisetn":1}"#);
    running.signal(Signal::HUP);
    wait_for(&folder, "did you mean");
    folder.write("router.json", r#"{"Listen":"127.0.0.1:1","LogFile":"r.log","LogLevel":"warn"}"#);
    running.signal(Signal::HUP);
    wait_for(&folder, "Listen has changed");
    running.signal(Signal::TERM);
    assert_eq!(running.end().0, Some(0));
    let log = std::fs::read_to_string(folder.path().join("r.log")).unwrap();
    assert!(log.lines().all(|line| line.starts_with('{') && line.ends_with('}')), "{log}");
    assert!(!log.contains("draining"), "the level is warn now: {log}");
}

/// Waits until the process that listens there says that its certificate ends with the beginning of `year`.
fn certificate_ends(running: &Running, folder: &Folder, year: u64) {
    let address = running.line.trim_end().strip_prefix("listening on ").unwrap();
    let wanted = format!("}} {}\n", (year - 1970) * 365 * 86_400 + (year - 1969) / 4 * 86_400);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        if page.contains(&wanted) {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{page}{}",
            std::fs::read_to_string(folder.path().join("r.log")).unwrap()
        );
    }
}

#[test]
fn a_renewed_certificate_is_read_by_itself_and_at_sighup_and_a_bad_one_is_not() {
    let papers = Papers::new();
    let pair = papers.certificate_until("a", &["localhost"], 2031);
    let mut keys = pair.config();
    keys["Listen"] = "127.0.0.1:0".into();
    keys["LogFile"] = "r.log".into();
    let folder = Folder::with(&keys.to_string());
    let running = folder.start();
    certificate_ends(&running, &folder, 2031);

    std::fs::write(&pair.certificate, "no certificate").unwrap();
    wait_for(&folder, "the certificate stays as it was: TlsCertFile");
    certificate_ends(&running, &folder, 2031);
    papers.certificate_until("a", &["localhost"], 2032);
    wait_for(&folder, "the certificate was read again");
    certificate_ends(&running, &folder, 2032);

    let other = papers.certificate_until("b", &["localhost"], 2033);
    keys["TlsCertFile"] = other.certificate.to_str().into();
    keys["TlsKeyFile"] = other.key.to_str().into();
    folder.write("router.json", &keys.to_string());
    running.signal(Signal::HUP);
    certificate_ends(&running, &folder, 2033);
    running.signal(Signal::TERM);
    assert_eq!(running.end().0, Some(0));
}

#[test]
fn a_certificate_that_ends_soon_is_spoken_of() {
    let papers = Papers::new();
    let mut keys = papers.certificate_until("a", &["localhost"], 2021).config();
    keys["Listen"] = "127.0.0.1:0".into();
    keys["LogFile"] = "r.log".into();
    let folder = Folder::with(&keys.to_string());
    let _running = folder.start();
    wait_for(&folder, "the certificate in TlsCertFile has ended");
}

fn wait_for(folder: &Folder, part: &str) {
    let deadline = Instant::now() + PATIENCE;
    let log = || std::fs::read_to_string(folder.path().join("r.log")).unwrap();
    while !log().contains(part) {
        assert!(Instant::now() < deadline, "{part:?} is not in the log: {}", log());
        std::thread::yield_now();
    }
}
