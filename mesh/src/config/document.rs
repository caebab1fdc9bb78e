//! `docs/configuration.md`, made from the table and held against the file.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::describe::{flat, markdown_row};
use super::keys::{Fate, Key, Roles};
use super::role::Role;
use super::table::TABLE;
use super::{GatewayConfig, ManagerConfig, MonitorConfig, MsgServerConfig, RoleConfig, RouterConfig};

const TEMPLATE: &str = include_str!("document.md");

/// A file with mistakes, to show how they are told.
const MISTAKEN: &str = "{\n  \"Listen\": \":20000\",\n  \"MsgServerLst\": [\"127.0.0.1:19000\"],\n  \"DrainSeconds\": \"10s\"\n}\n";

fn document() -> String {
    let shared = [Roles::ALL, Roles::DIALLERS];
    let is_link_key = |key: &Key| key.name.starts_with("Mesh") || key.name.starts_with("Link");
    let is_tls_key = |key: &Key| key.name.starts_with("Tls");
    let mut filled = vec![
        ("mistakes".to_owned(), mistakes()),
        ("every".to_owned(), table(|key| key.roles == Roles::ALL && !is_link_key(key) && !is_tls_key(key))),
        ("links".to_owned(), table(is_link_key)),
        ("tls".to_owned(), table(is_tls_key)),
        ("diallers".to_owned(), table(|key| key.roles == Roles::DIALLERS && !is_tls_key(key))),
        ("ignored".to_owned(), ignored()),
    ];
    for role in Role::ALL {
        filled
            .push((role.name().to_owned(), table(|key| key.roles.has(role) && !shared.contains(&key.roles))));
        filled.push((format!("about_{role}"), role.about().to_owned()));
    }
    let fill = |text: String, (place, with): (String, String)| {
        text.replace(&format!("{{{{{place}}}}}"), with.trim_end())
    };
    filled.into_iter().fold(TEMPLATE.to_owned(), fill)
}

fn table(wanted: impl Fn(&Key) -> bool) -> String {
    let rows = flat(TABLE.iter().filter(|key| wanted(key))).map(|(path, key)| markdown_row(&path, key));
    format!(
        "| key | takes | default | what it is for |\n| --- | --- | --- | --- |\n{}",
        rows.collect::<String>()
    )
}

fn ignored() -> String {
    let rows = TABLE.iter().filter_map(|key| match key.fate {
        Fate::Ignored(why) => Some(format!("| `{}` | {why} |\n", key.name)),
        _ => None,
    });
    format!("| key | why nothing reads it |\n| --- | --- |\n{}", rows.collect::<String>())
}

fn mistakes() -> String {
    let told = RouterConfig::parse(MISTAKEN, "router.json").unwrap_err();
    format!("```text\n{told}\n```")
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md")
}

#[test]
fn the_document_says_what_the_table_says() {
    if env::var_os("SHOAL_WRITE_DOCS").is_some() {
        fs::write(file(), document()).unwrap();
    }
    let written = fs::read_to_string(file()).unwrap();
    let advice =
        "docs/configuration.md is not what the table says: SHOAL_WRITE_DOCS=1 cargo test -p mesh document";
    assert!(written == document(), "{advice}");
    assert!(!written.contains("{{"), "a place of the template was not filled");
}

#[test]
fn the_examples_of_the_document_are_good_configs() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("mesh.secret");
    fs::write(&secret, "0123456789abcdef\n").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    for role in Role::ALL {
        let (_, section) = TEMPLATE.split_once(&format!("\n## {role}\n")).unwrap();
        let (_, example) = section.split_once("```json\n").unwrap();
        let (example, _) = example.split_once("```").unwrap();
        let example = &example.replace("mesh.secret", secret.to_str().unwrap());
        match role {
            Role::Gateway => is_good::<GatewayConfig>(example),
            Role::MsgServer => is_good::<MsgServerConfig>(example),
            Role::Router => is_good::<RouterConfig>(example),
            Role::Manager => is_good::<ManagerConfig>(example),
            Role::Monitor => is_good::<MonitorConfig>(example),
        }
    }
}

#[track_caller]
fn is_good<C: RoleConfig>(example: &str) {
    if let Err(error) = C::parse(example, "the example") {
        panic!("{error}");
    }
}
