//! Two people talk, with the programs that `shoal` itself can be.

use std::io::Write;
use std::process::{Child, Command, Stdio};

use crate::running::{Up, eventually, gateway, shoal, told};

/// `shoal` with `args`, that is told `input` and ends by itself.
fn run_with_input(mut command: Command, input: &str) -> Child {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child
}

fn ended_well(mut child: Child) -> String {
    eventually("the client to end", || child.try_wait().unwrap().is_some());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_one_says_the_other_reads() {
    let folder = tempfile::tempdir().unwrap();
    let _up = Up::ready(folder.path(), &["--no-monitor"]);
    let gateway = gateway(folder.path());
    let client = |args: &[&str]| {
        let mut command = shoal(folder.path());
        command.args(["p2p", "--gateway", &gateway]).args(args);
        command
    };
    // Bob is known from his first login on, and may then be away.
    let login = run_with_input(client(&["--id", "bob", "--to", "amy", "--once"]), "");
    ended_well(login);
    let amy = run_with_input(client(&["--id", "amy", "--to", "bob", "--once"]), "hi bob\n");
    ended_well(amy);
    let bob = run_with_input(client(&["--id", "bob", "--listen", "--count", "1"]), "");
    let read = ended_well(bob);
    assert!(read.contains("hi bob"), "{read}");
}

#[test]
fn the_chat_programs_answer_to_their_own_help() {
    let folder = tempfile::tempdir().unwrap();
    for command in ["p2p", "topic"] {
        let (code, help, _) = told(folder.path(), &[command, "--help"]);
        assert_eq!(code, Some(0));
        for part in ["Usage: shoal ", "  shoal "] {
            assert!(help.contains(&format!("{part}{command} ")), "{help}");
        }
        assert!(!help.contains("client_"), "{help}");
    }
}
