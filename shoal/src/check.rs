//! `shoal check`: what is wrong in mesh files and config files, all at once.

use std::fs;
use std::path::Path;

use mesh::config::{ConfigError, Role};
use serde_json::Value;

use crate::cli::{CheckArgs, FileKind};
use crate::data_folder::DataFolder;
use crate::exit;
use crate::failure::Failure;
use crate::mesh_file::{MeshFile, is_own_key};
use crate::plan::{Shared, check_text, members, seats};

/// Checks every file.
///
/// # Errors
/// All mistakes of all files.
pub fn run(args: &CheckArgs) -> Result<u8, Failure> {
    let mut wrong = Vec::new();
    for file in &args.files {
        match check(file, args.kind)? {
            Ok(what) => println!("{}: {what}", file.display()),
            Err(error) => wrong.push(error),
        }
    }
    if wrong.is_empty() { Ok(exit::DONE) } else { Err(Failure::Configs(wrong)) }
}

/// What a file without mistakes is.
fn check(file: &Path, kind: Option<FileKind>) -> Result<Result<String, ConfigError>, Failure> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(cause) => return Ok(Err(ConfigError::Unreadable { file: file.to_owned(), cause })),
    };
    let Some(role) = kind.map(FileKind::role).or_else(|| told_by_name(file)).or_else(|| told_by_keys(&text))
    else {
        let name = file.display();
        if serde_json::from_str::<Value>(without_mark(&text)).is_err() {
            // Whatever it was to be: this says where it ends to be JSON.
            return Ok(check_mesh(&text, &name.to_string()));
        }
        return Err(Failure::Usage(format!(
            "{name}: neither its name nor its keys say what it is; say it: shoal check --kind mesh {name}"
        )));
    };
    let name = file.display().to_string();
    Ok(match role {
        Some(role) => check_text(role, &text, &name).map(|_| format!("good, as a {role}'s config file")),
        None => check_mesh(&text, &name),
    })
}

fn check_mesh(text: &str, name: &str) -> Result<String, ConfigError> {
    let mesh = MeshFile::parse(text, name)?;
    let unusable = |cause| ConfigError::Unreadable { file: name.into(), cause };
    let folder = DataFolder::at(&mesh.data).map_err(unusable)?;
    let shared = Shared { mesh: &mesh, folder: &folder, secret_file: None, log_level: None };
    let seats = seats(&mesh).map_err(|error| unusable(std::io::Error::other(error)))?;
    let count = members(shared, &seats)?.len();
    Ok(format!("good, as the file of a mesh of {count} processes"))
}

/// `router.json` and `msg_server.19001.json` are a role's, `mesh.json` is a mesh's.
fn told_by_name(file: &Path) -> Option<Option<Role>> {
    let name = file.file_name()?.to_str()?;
    let stem = name.split('.').next()?;
    let role = Role::ALL.into_iter().find(|role| stem == role.name());
    role.map(Some).or((stem == "mesh").then_some(None))
}

/// Some editors begin a file with a byte order mark.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// A file with a key that only mesh files have is one.
fn told_by_keys(text: &str) -> Option<Option<Role>> {
    let object = serde_json::from_str::<Value>(without_mark(text)).ok()?;
    object.as_object()?.keys().any(|key| is_own_key(key)).then_some(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_or_a_key_says_what_a_file_is() {
        for (name, told) in [
            ("a/router.json", Some(Some(Role::Router))),
            ("msg_server.19001.json", Some(Some(Role::MsgServer))),
            ("mesh.json", Some(None)),
            ("chat.json", None),
        ] {
            assert_eq!(told_by_name(Path::new(name)), told, "{name}");
        }
        assert_eq!(told_by_keys(r#"{"MsgServers":3}"#), Some(None));
        assert_eq!(told_by_keys(r#"{"Listen":"127.0.0.1:1"}"#), None);
        assert_eq!(told_by_keys("\u{feff}{\"MsgServers\":3}"), Some(None));
        assert_eq!(told_by_keys("["), None);
    }

    #[test]
    fn a_file_that_is_no_json_says_where() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("chat.json");
        fs::write(&file, "{\n  \"Host\": 1,\n}\n").unwrap();
        let error = check(&file, None).unwrap().unwrap_err().to_string();
        assert!(error.contains("chat.json:2:12: the file is not JSON"), "{error}");
    }

    #[test]
    fn a_mesh_whose_config_files_would_be_wrong_is_wrong() {
        assert_eq!(check_mesh("{}", "m").unwrap(), "good, as the file of a mesh of 6 processes");
        assert!(check_mesh(r#"{"Set":{"msg_server":{"UnansweredBytes":4096}}}"#, "m").is_err());
    }
}
