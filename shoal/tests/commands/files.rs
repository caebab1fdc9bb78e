//! What `shoal` says of files, without starting anything.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::running::{repository, told};

#[test]
fn the_files_of_the_field_are_good() {
    let folder = tempfile::tempdir().unwrap();
    let field = fs::read_dir(repository("configs/field")).unwrap();
    let files: Vec<_> = field.map(|entry| entry.unwrap().path().display().to_string()).collect();
    assert_eq!(files.len(), 6);
    let mut args = vec!["check"];
    args.extend(files.iter().map(String::as_str));
    let (code, said, error) = told(folder.path(), &args);
    assert_eq!(code, Some(0), "{error}");
    assert_eq!(said.lines().filter(|line| line.contains(": good, as a ")).count(), 6, "{said}");
}

#[test]
fn every_mistake_of_every_file_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("mesh.json", "{\n  \"MsgServer\": 2,\n  \"Set\": {\"manager\": {\"LogLevel\": \"loud\"}}\n}");
    write("router.json", "{\"Listen\": 20000}");
    write("good.json", "{\"MsgServers\": 2}");
    let (code, said, error) =
        told(folder.path(), &["check", "mesh.json", "good.json", "router.json", "gone.json"]);
    assert_eq!(code, Some(64));
    assert_eq!(said, "good.json: good, as the file of a mesh of 6 processes\n");
    for part in [
        "mesh.json: 2 mistakes",
        "mesh.json:2:3: MsgServer is no key; did you mean \"MsgServers\"?",
        "mesh.json:3:35: Set.manager.LogLevel ",
        "router.json:1:12: Listen is the number 20000",
        "gone.json: cannot be read: No such file",
    ] {
        assert!(error.contains(part), "{part} is not in {error}");
    }
}

#[test]
fn a_mesh_file_with_mistakes_starts_and_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mesh.json"), r#"{"Host": "0.0.0.0"}"#).unwrap();
    let (code, _, error) = told(folder.path(), &["up", "mesh.json"]);
    assert_eq!(code, Some(64));
    assert!(
        error.contains("mesh.json:1:10: Host (\"0.0.0.0\") is no address that anyone can dial"),
        "{error}"
    );
    assert!(!folder.path().join("data").exists());
}

#[test]
fn a_secret_that_others_may_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "0123456789abcdef0123456789abcdef").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(folder.path().join("mesh.json"), r#"{"MeshSecretFile": "secret"}"#).unwrap();
    let (code, _, error) = told(folder.path(), &["up", "--free-ports", "mesh.json"]);
    assert_eq!(code, Some(70));
    assert!(error.contains("chmod 600"), "{error}");
}

#[test]
fn a_wrong_command_line_is_answered_with_64_and_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, error) = told(folder.path(), &["up", "--hots", "chat"]);
    assert_eq!(code, Some(64));
    assert!(error.contains("--host"), "{error}");
    assert_eq!(told(folder.path(), &["status"]).0, Some(3));
}

#[test]
fn a_completion_script_knows_the_commands() {
    let folder = tempfile::tempdir().unwrap();
    let (code, script, _) = told(folder.path(), &["completions", "bash"]);
    assert_eq!(code, Some(0));
    assert!(script.contains("complete -F _shoal") && script.contains("--port-offset"), "{script}");
}
