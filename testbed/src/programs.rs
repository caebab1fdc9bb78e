//! Where the programs of the roles are: built here, once per test run, or named by the environment.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::part::Role;

/// The program that binds the life of another to that of its starter.
pub const LEASH: &str = "testbed-leash";

/// A test that links quickly.
const A_SMALL_TEST: &str = "leash";

/// The folder with the programs of every role. The first call builds them.
///
/// # Panics
/// If they cannot be built.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| match std::env::var_os("TESTBED_PROGRAMS") {
        Some(folder) => folder.into(),
        None => build(),
    })
}

/// Builds in the profile of the running test, into its own target folder. Cargo locks that folder by itself, so several
/// test runs at one time wait for each other.
fn build() -> PathBuf {
    let own = std::env::current_exe().expect("the path of this test");
    let folder =
        own.ancestors().find(|folder| folder.join("deps").is_dir()).expect("a target folder").to_owned();
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into()));
    cargo
        .args(["build", "--quiet", "--bins", "--profile", profile])
        .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml")])
        .arg("--target-dir")
        .arg(folder.parent().expect("a target folder"))
        .args(packages(profile));
    // Some build scripts run again where these change, and everything above them is built again then.
    for (name, _) in std::env::vars_os().filter(|(name, _)| tells_of_a_package(name)) {
        cargo.env_remove(name);
    }
    let built = cargo.status().expect("cargo runs");
    assert!(built.success(), "the programs cannot be built: {cargo:?}");
    folder
}

/// Whether cargo set the variable for the test that it runs: it tells of the test's package.
fn tells_of_a_package(name: &OsStr) -> bool {
    let prefixes = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
    name.to_str().is_some_and(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)))
}

/// Which packages cargo is to look at. It unites the features of dependencies over these, and over what only tests need
/// once a test is among them: so this is what `cargo test --workspace` has built already, and nothing is built twice.
/// In other profiles there is no such run to share with, and only the programs are built.
fn packages(profile: &str) -> Vec<&'static str> {
    if profile == "dev" {
        return vec!["--workspace", "--test", A_SMALL_TEST];
    }
    let roles = Role::ALL.into_iter().map(Role::program);
    roles.chain([env!("CARGO_PKG_NAME")]).flat_map(|package| ["-p", package]).collect()
}
