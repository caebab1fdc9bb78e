//! What is started ends with whoever started it.
#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::process::{Command, Stdio};

use testbed::{Mesh, Part, eventually};

fn lives(pid: u32) -> bool {
    // A process that nobody has waited for yet is dead all the same.
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[tokio::test]
async fn what_is_on_a_leash_dies_with_its_starter() {
    let leash = env!("CARGO_BIN_EXE_testbed-leash");
    assert!(Path::new(leash).exists());
    let script = format!("TESTBED_PARENT=$$ {leash} sleep 1000 & echo $!; wait");
    let mut shell = Command::new("sh").args(["-c", &script]).stdout(Stdio::piped()).spawn().expect("a shell");
    let mut line = String::new();
    let mut said = std::io::BufReader::new(shell.stdout.take().expect("its output"));
    std::io::BufRead::read_line(&mut said, &mut line).expect("a process id");
    let pid: u32 = line.trim().parse().expect("a process id");
    eventually("the leash has become the program", async || {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        (name.trim() == "sleep").then_some(())
    })
    .await;
    assert!(lives(pid));
    shell.kill().expect("the shell can be killed");
    shell.wait().expect("the shell has ended");
    eventually("it died too", async || (!lives(pid)).then_some(())).await;
}

#[tokio::test]
async fn nothing_of_a_mesh_outlives_it_and_two_meshes_share_nothing() {
    let (one, two) = tokio::join!(Mesh::builder().start(), Mesh::builder().start());
    let pids: Vec<_> = one.parts().map(|part| one.pid(part)).collect();
    for part in one.parts() {
        assert_ne!(one.addr(part), two.addr(part));
    }
    let folder = one.folder().to_owned();
    assert!(folder.exists() && folder != two.folder());
    drop(one);
    assert!(!folder.exists());
    assert!(pids.into_iter().all(|pid| !lives(pid)));
    assert!(two.is_running(Part::Router(0)));
}

#[tokio::test]
async fn a_part_is_killed_started_again_on_its_port_paused_and_stopped() {
    let mesh = Mesh::builder().msg_servers(1).start().await;
    let (part, before) = (Part::Router(0), mesh.pid(Part::Router(0)));
    let address = mesh.addr(part);
    mesh.restart(part).await;
    assert!(mesh.pid(part) != before && mesh.addr(part) == address && !lives(before));
    mesh.pause(part);
    assert!(mesh.is_running(part));
    mesh.resume(part);
    mesh.answers(part).await;
    assert_eq!(mesh.stop(part).await.code(), Some(0));
    assert!(!mesh.is_running(part));
    assert!(mesh.log(part).contains("listening on"));
}
