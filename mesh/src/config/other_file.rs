//! A file that is no process's, held against a table of its own.

use serde_json::{Map, Value};

use super::check::Check;
use super::keys::Key;
use super::mistake::{ConfigError, Conflicts};
use super::role::Role;

/// Reads `text`, which messages call `file` and whose keys are `keys` (each to be of all roles), with the checks,
/// hints and positions of a process's config file.
///
/// Gives a value for each key, the default where the file has none, times in milliseconds. `cross_check` takes down
/// which of them do not go together.
///
/// # Errors
/// All mistakes, where there are any.
pub fn parse_keys(
    keys: &'static [Key],
    text: &str,
    file: &str,
    cross_check: impl FnOnce(&Map<String, Value>, &mut Conflicts<'_, '_>),
) -> Result<Map<String, Value>, ConfigError> {
    // The role is of no account where every key has all of them.
    let mut check = Check::new(text, Role::ALL[0]);
    let values = check.file_of(keys);
    cross_check(&values, &mut Conflicts::new(&mut check));
    match check.into_mistakes() {
        mistakes if mistakes.is_empty() => Ok(values),
        mistakes => Err(ConfigError::Mistakes { file: file.to_owned(), mistakes }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Fallback, Fate, Kind, Roles};

    static KEYS: &[Key] = &[
        row("Routers", Kind::Whole { unit: "routers", min: 1, max: 9 }, "1"),
        row("Set", Kind::Object(SET), "{}"),
    ];
    static SET: &[Key] = &[row("router", Kind::ConfigOf(Role::Router), "{}")];

    const fn row(name: &'static str, kind: Kind, json: &'static str) -> Key {
        let fallback = Fallback::Json(json);
        Key { name, kind, fallback, roles: Roles::ALL, meaning: "", fate: Fate::AtStart }
    }

    fn mistakes(text: &str) -> Vec<String> {
        let cross_check = |values: &Map<String, Value>, conflicts: &mut Conflicts<'_, '_>| {
            if values["Routers"] == 9 {
                conflicts.add(&["Routers"], "is nine", "write eight");
            }
        };
        match parse_keys(KEYS, text, "m.json", cross_check) {
            Err(ConfigError::Mistakes { mistakes, .. }) => mistakes.iter().map(ToString::to_string).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn keys_of_a_role_within_another_file_are_checked_as_the_role_s() {
        assert_eq!(
            mistakes("{\"Router\":1,\n\"Set\":{\"router\":{\"BeatTime\":\"x\",\"Expire\":1}}}"),
            [
                "1:2: Router is no key; did you mean \"Routers\"?",
                "2:29: Set.router.BeatTime is the text \"x\"; write seconds from 0.05 to 3600",
                "2:33: Set.router.Expire is no key of the router; remove it; it is one of: msg_server",
            ]
        );
    }

    #[test]
    fn values_that_do_not_go_together_are_told_where_they_stand() {
        assert_eq!(mistakes("{\"Routers\":9}"), ["1:12: Routers is nine; write eight"]);
        assert_eq!(parse_keys(KEYS, "{}", "m.json", |_, _| {}).unwrap()["Routers"], 1);
    }
}
