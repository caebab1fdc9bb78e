//! What was said survives: the end of a mesh, a back-up, and another folder.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use rustix::process::Signal;

use crate::running::{Up, gateway, run, shoal, told};
use crate::wire::Person;

const SMALL: &[&str] = &["--no-monitor"];

fn end(up: Up) {
    up.signal(Signal::TERM);
    let (status, _) = up.ended();
    assert_eq!(status.code(), Some(0));
}

/// A folder in which amy said two things to bob, and heard that they are durable.
fn folder_with_a_talk() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::ready(folder.path(), SMALL);
    let gateway = gateway(folder.path());
    let mut bob = Person::log_in(&gateway, "bob", 0);
    let mut amy = Person::log_in(&gateway, "amy", 0);
    for (text, id) in [("hi", "1"), ("are you there?", "2")] {
        assert_eq!(amy.send("bob", text, id)["Log"], "u/amy");
        assert_eq!(bob.receive(), (text.to_owned(), "amy".to_owned()));
    }
    end(up);
    folder
}

fn assert_bob_can_read(folder: &Path) {
    let up = Up::ready(folder, SMALL);
    let mut bob = Person::log_in(&gateway(folder), "bob", 0);
    for text in ["hi", "are you there?"] {
        assert_eq!(bob.receive(), (text.to_owned(), "amy".to_owned()));
    }
    end(up);
}

#[test]
fn what_was_said_is_there_after_a_restart_and_after_a_restore_elsewhere() {
    let folder = folder_with_a_talk();
    assert_bob_can_read(folder.path());

    let (code, said, error) = told(folder.path(), &["store", "export", "--to", "talk.backup"]);
    assert_eq!(code, Some(0), "{error}");
    assert!(said.starts_with("exported: 2 accounts") && said.contains("2 logs with 4 entries"), "{said}");
    let mode = fs::metadata(folder.path().join("talk.backup")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it holds what everybody wrote, and hashes of passwords");
    let elsewhere = tempfile::tempdir().unwrap();
    fs::rename(folder.path().join("talk.backup"), elsewhere.path().join("talk.backup")).unwrap();
    for _ in 0..2 {
        let (code, said, error) = told(elsewhere.path(), &["store", "import", "--from", "talk.backup"]);
        assert_eq!(code, Some(0), "{error}");
        assert!(said.starts_with("imported: 2 accounts"), "{said}");
    }
    assert_bob_can_read(elsewhere.path());
}

#[test]
fn a_dash_is_stdout_for_an_export_and_stdin_for_an_import() {
    let folder = folder_with_a_talk();
    let exported = run(folder.path(), &["store", "export", "--to", "-"]);
    let error = String::from_utf8(exported.stderr).unwrap();
    assert_eq!(exported.status.code(), Some(0), "{error}");
    assert!(error.starts_with("exported: 2 accounts"), "{error}");
    assert!(!folder.path().join("-").exists());
    let backup = folder.path().join("talk.backup");
    fs::write(&backup, &exported.stdout).unwrap();
    for redirected in [true, false] {
        let elsewhere = tempfile::tempdir().unwrap();
        let mut import = shoal(elsewhere.path());
        import.args(["store", "import", "--from", "-"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let imported = match redirected {
            true => import.stdin(File::open(&backup).unwrap()).output().unwrap(),
            false => {
                let mut child = import.stdin(Stdio::piped()).spawn().unwrap();
                child.stdin.take().unwrap().write_all(&exported.stdout).unwrap();
                child.wait_with_output().unwrap()
            }
        };
        let (said, error) = (String::from_utf8_lossy(&imported.stdout), imported.stderr);
        assert!(said.starts_with("imported: 2 accounts"), "{said}{}", String::from_utf8_lossy(&error));
        let left: Vec<_> = fs::read_dir(elsewhere.path().join("data/store")).unwrap().collect();
        assert_eq!(left.len(), 3, "nothing but LOCK, log and index is left: {left:?}");
        assert_bob_can_read(elsewhere.path());
    }
}

#[test]
fn a_store_in_use_is_neither_exported_nor_checked() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::ready(folder.path(), SMALL);
    let holder = format!("process {}", up.pid_of("manager"));
    for args in
        [["store", "export", "--to", "x"].as_slice(), &["store", "check"], &["store", "repair", "--void"]]
    {
        let (code, _, error) = told(folder.path(), args);
        assert_eq!(code, Some(70), "{args:?}: {error}");
        assert!(error.contains(&holder), "{args:?}: {error}");
    }
    assert!(!folder.path().join("x").exists());
}

#[test]
fn a_damaged_log_is_listed_and_repaired_only_on_request() {
    let folder = folder_with_a_talk();
    let check = || told(folder.path(), &["store", "check"]);
    assert_eq!(check().0, Some(0));
    damage(&folder.path().join("data/store/log"));
    let (code, said, _) = check();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("is damaged at byte"), "{said}");
    assert_eq!(told(folder.path(), &["store", "repair"]).0, Some(64), "it is to be said how");
    let (code, said, error) = told(folder.path(), &["store", "repair", "--void"]);
    assert_eq!(code, Some(0), "{error}");
    assert!(said.contains("what was there is kept in"), "{said}");
    assert_eq!(check().0, Some(0));
}

/// Turns a bit of what amy said first.
fn damage(log: &Path) {
    for entry in fs::read_dir(log).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        if let Some(at) = bytes.windows(2).position(|window| window == b"hi") {
            bytes[at] ^= 1;
            fs::write(&path, bytes).unwrap();
            return;
        }
    }
    panic!("what was said is nowhere in {}", log.display());
}

#[test]
fn what_is_no_export_is_refused_and_there_is_nothing_to_export_without_a_store() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("text"), "hello").unwrap();
    let (code, _, error) = told(folder.path(), &["store", "import", "--from", "text"]);
    assert_eq!(code, Some(70));
    assert!(error.contains("no export"), "{error}");
    let (code, _, error) = told(folder.path(), &["store", "export", "--to", "x", "--data", "nowhere"]);
    assert_eq!(code, Some(64));
    assert!(error.contains("there is no store in "), "{error}");
}
