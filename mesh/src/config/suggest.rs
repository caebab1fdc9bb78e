//! What a key that nobody knows was meant to be.

use super::keys::Key;
use super::mistake::Wrong;
use super::role::Role;

/// The mistake of a key `name` that `role` does not have among `keys`.
pub(super) fn unknown_key(name: &str, keys: &[Key], role: Role) -> Wrong {
    let known = || keys.iter().filter(|key| key.roles.has(role) && key.is_read());
    if let Some(key) =
        known().filter_map(|key| nearness(name, key.name).map(|n| (n, key))).min_by_key(|(n, _)| *n)
    {
        return Wrong::new("is no key", format!("did you mean {:?}?", key.1.name));
    }
    if let Some(key) = keys.iter().find(|key| key.name == name) {
        let others: Vec<_> = key.roles.iter().map(Role::name).collect();
        return Wrong::new(
            format!("is no key of the {role}"),
            format!("remove it; it is one of: {}", others.join(", ")),
        );
    }
    let names: Vec<_> = known().map(|key| key.name).collect();
    Wrong::new("is no key", format!("remove it; the keys here are {}", names.join(", ")))
}

/// How many edits lie between what was written and a key, case aside; `None` where too many to be a slip.
fn nearness(written: &str, key: &str) -> Option<usize> {
    let (written, key) = (written.to_lowercase(), key.to_lowercase());
    let edits = strsim::damerau_levenshtein(&written, &key);
    (edits <= (key.len() / 3).max(1)).then_some(edits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::table::TABLE;

    #[track_caller]
    fn check(written: &str, role: Role, right: &str) {
        assert_eq!(unknown_key(written, TABLE, role).right, right);
    }

    #[test]
    fn a_slip_is_answered_with_the_key_that_was_meant() {
        check("MsgServerLst", Role::Router, "did you mean \"MsgServerList\"?");
        check("loglevel", Role::Router, "did you mean \"LogLevel\"?");
        check("uuid", Role::Router, "did you mean \"UUID\"?");
        check("Lisetn", Role::Monitor, "did you mean \"Listen\"?");
        check("LocalIp", Role::MsgServer, "did you mean \"LocalIP\"?");
    }

    #[test]
    fn a_key_of_another_role_is_named_as_such() {
        check("Store", Role::Gateway, "remove it; it is one of: manager");
        let wrong = unknown_key("WebListen", TABLE, Role::Manager);
        assert_eq!(wrong.wrong, "is no key of the manager");
    }

    #[test]
    fn what_is_near_to_nothing_is_answered_with_all_keys() {
        let wrong = unknown_key("Colour", TABLE, Role::Router);
        assert!(
            wrong.right.starts_with("remove it; the keys here are Listen, AuthMode, "),
            "{}",
            wrong.right
        );
    }
}
