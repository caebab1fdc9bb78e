//! Dependency arrows point one way only: `protocol` ← `mesh`, `storage` ← roles, `client` ← `shoal`; what stands
//! outside speaks only the wire. `simulation`, which joins what decides in all roles, is imported by nobody.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

const ROLES: [&str; 5] = ["gateway", "msg_server", "router", "manager", "monitor"];

/// Whom each crate may import. A crate that is not listed here is to be put into the picture first.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("protocol", &[]),
    ("mesh", &["protocol"]),
    ("storage", &["protocol"]),
    ("gateway", &["protocol", "mesh", "storage"]),
    ("msg_server", &["protocol", "mesh", "storage"]),
    ("router", &["protocol", "mesh", "storage"]),
    ("manager", &["protocol", "mesh", "storage"]),
    ("monitor", &["protocol", "mesh", "storage"]),
    ("client", &["protocol"]),
    (
        "shoal",
        &["protocol", "mesh", "storage", "gateway", "msg_server", "router", "manager", "monitor", "client"],
    ),
    (
        "simulation",
        &["protocol", "mesh", "storage", "gateway", "msg_server", "router", "manager", "monitor", "client"],
    ),
    ("simulation", &["protocol", "mesh", "storage", "msg_server", "router", "manager"]),
    ("testbed", &["protocol"]),
    ("bench", &["protocol", "client", "testbed"]),
    ("chaos", &["protocol", "client", "testbed"]),
    ("e2e", &["protocol", "client", "testbed", "chaos"]),
];

#[test]
fn dependency_arrows_point_one_way() {
    let wrong = wrong_arrows(&imports(), MAY_IMPORT);
    assert!(wrong.is_empty(), "arrows that must not be there:\n{}", wrong.join("\n"));
}

#[test]
fn an_arrow_that_turns_is_named() {
    let imports = [
        ("mesh", "router"),
        ("router", "gateway"),
        ("e2e", "mesh"),
        ("gateway", "protocol"),
        ("new", "mesh"),
    ]
    .map(|(from, to)| (from.to_owned(), vec![to.to_owned()]));
    assert_eq!(
        wrong_arrows(&imports.into(), MAY_IMPORT),
        [
            "e2e imports mesh; it may import: protocol, client, testbed, chaos",
            "mesh imports router; it may import: protocol",
            "new is not in the picture: say in MAY_IMPORT whom it may import",
            "router imports gateway; it may import: protocol, mesh, storage",
        ]
    );
}

#[test]
fn the_picture_itself_has_no_role_that_imports_a_role() {
    for (from, to) in MAY_IMPORT.iter().filter(|(from, _)| ROLES.contains(from)) {
        assert!(to.iter().all(|to| !ROLES.contains(to)), "{from} may import {to:?}");
    }
}

/// The arrows of `imports` that `picture` does not have.
fn wrong_arrows(imports: &BTreeMap<String, Vec<String>>, picture: &[(&str, &[&str])]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (from, imported) in imports {
        let Some((_, allowed)) = picture.iter().find(|(name, _)| name == from) else {
            wrong.push(format!("{from} is not in the picture: say in MAY_IMPORT whom it may import"));
            continue;
        };
        for to in imported.iter().filter(|to| !allowed.contains(&to.as_str())) {
            wrong.push(format!("{from} imports {to}; it may import: {}", allowed.join(", ")));
        }
    }
    wrong
}

/// Whom each crate of the workspace imports of the others, for its code, its tests or its build script.
fn imports() -> BTreeMap<String, Vec<String>> {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("packages");
    let names: Vec<_> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    let imports_of = |package: &Value| {
        let dependencies = package["dependencies"].as_array().into_iter().flatten();
        let imported = dependencies.filter_map(|dependency| dependency["name"].as_str());
        imported.filter(|name| names.contains(name)).map(str::to_owned).collect()
    };
    packages
        .iter()
        .map(|package| (package["name"].as_str().unwrap_or_default().to_owned(), imports_of(package)))
        .collect()
}

/// What the manifests of the workspace say, as cargo itself reads them.
fn metadata() -> Value {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline", "--manifest-path", manifest])
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo answers in JSON")
}
