//! The manager's process, killed while it works.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "the helpers of tests fail as tests do")]

#[allow(dead_code, reason = "shared by the tests of this crate, each of which uses a part")]
mod harness;
#[path = "../../mesh/tests/link_end/mod.rs"]
mod link_end;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use harness::{Came, Server, config};
use link_end::Links;
use mesh::link::Secrecy;
use serde_json::json;

/// The process; killed when the test ends, however it ends.
struct Process(Child);

impl Process {
    fn start(file: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_manager"));
        command.arg("--conf-file").arg(file).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn what_was_answered_before_a_kill_stands_and_what_is_sent_again_is_stored_once_in_order() {
    const MESSAGES: usize = 2_000;
    let folder = tempfile::tempdir().unwrap();
    let links = Links::start(Secrecy::default()).await;
    let file = folder.path().join("manager.json");
    std::fs::write(&file, config(&[&links], &folder.path().join("store"), json!({})).to_string()).unwrap();
    let ids: Vec<String> = (0..MESSAGES).map(|id| format!("m{id}")).collect();
    let messages: Vec<_> = ids.iter().map(|id| ("amy", "bob", &**id)).collect();
    let mut process = Process::start(&file);
    let mut server = Server::linked(&links).await;
    server.log_in(&["amy", "bob"]).await;
    let mut answered = BTreeMap::new();
    for wanted in [1, 300, 700] {
        // All that is not answered yet, in order, as a msg_server does over a link that is back.
        let left: Vec<_> = messages.iter().skip_while(|m| answered.contains_key(m.2)).copied().collect();
        let first = server.send_unanswered(&left).await;
        while answered.len() < wanted {
            let (ask, came) = server.answer().await.unwrap();
            let id = left[(ask - first) as usize].2;
            let known = answered.entry(id).or_insert_with(|| came.clone());
            assert_eq!(*known, came, "{id} has two versions");
        }
        process.kill();
        process = Process::start(&file);
        server = Server::linked(&links).await;
    }
    let came = server.send(&messages).await;
    for (at, came) in came.iter().enumerate() {
        let version = at as u64 + 1;
        assert_eq!(*came, Came::Stored(version, version));
        assert_eq!(*answered.get(&*ids[at]).unwrap_or(came), *came);
    }
    let mut read = Vec::new();
    for after in [0, 1000] {
        read.extend(server.read("u/bob", Some("bob"), after, 1000).await.entries);
    }
    let expected: Vec<_> = ids.iter().enumerate().map(|(at, id)| (at as u64 + 1, id.clone())).collect();
    assert_eq!(read, expected);
}
