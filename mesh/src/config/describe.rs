//! The table in words: what `--help` and the documentation say of a key.

use super::keys::{Fallback, Fate, Key, Kind};
use super::role::Role;
use super::table::keys_of;

const LINE_WIDTH: usize = 100;
const INDENT: &str = "      ";
const KIB: u64 = 1 << 10;

/// The keys that `role` reads, with what they take and mean, for `--help`.
pub fn key_list(role: Role) -> String {
    flat(keys_of(role))
        .map(|(path, key)| {
            let head = format!("{path}: {}; {}", key.kind.form(), default_for(key, role));
            format!("  {}\n{INDENT}{}\n", wrap(&head), wrap(key.meaning))
        })
        .collect()
}

/// Each key that is read, and after an object the keys within it, with their paths.
pub fn flat<'k>(keys: impl Iterator<Item = &'k Key>) -> impl Iterator<Item = (String, &'k Key)> {
    keys.filter(|key| key.is_read()).flat_map(|key| {
        let inner = match key.kind {
            Kind::Object(inner) => inner,
            _ => &[],
        };
        let inner = inner.iter().map(|part| (format!("{}.{}", key.name, part.name), part));
        std::iter::once((key.name.to_owned(), key)).chain(inner)
    })
}

/// The row of a key in a table of the documentation.
pub fn markdown_row(path: &str, key: &Key) -> String {
    let default = match key.fallback {
        Fallback::Json(json) => format!("`{json}`{}", in_binary_units(key)),
        Fallback::OfRole(_, words) => words.to_owned(),
        Fallback::Nothing(then) => format!("none: {then}"),
    };
    let reloaded = if key.fate == Fate::Reloaded { " SIGHUP reloads it." } else { "" };
    format!("| `{path}` | {} | {default} | {}{reloaded} |\n", key.kind.form(), key.meaning)
}

fn default_for(key: &Key, role: Role) -> String {
    match key.fallback {
        Fallback::Json(json) => format!("default {json}{}", in_binary_units(key)),
        Fallback::OfRole(of, _) => format!("default \"{}\"", of(role)),
        Fallback::Nothing(then) => format!("without it, {then}"),
    }
}

/// ` (64 MiB)`, where a default counts bytes.
fn in_binary_units(key: &Key) -> String {
    let (Kind::Whole { unit: "bytes", .. }, Fallback::Json(json)) = (key.kind, key.fallback) else {
        return String::new();
    };
    let mut count = json.parse::<u64>().unwrap_or_default();
    let mut units = ["bytes", "KiB", "MiB", "GiB"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    while count > 0 && count % KIB == 0 {
        let Some(larger) = units.next() else { break };
        (count, unit) = (count / KIB, larger);
    }
    format!(" ({count} {unit})")
}

fn wrap(text: &str) -> String {
    let mut wrapped = String::new();
    let mut width = INDENT.len();
    for word in text.split_whitespace() {
        if !wrapped.is_empty() {
            let fits = width + 1 + word.chars().count() <= LINE_WIDTH;
            wrapped += if fits { " " } else { "\n      " };
            width = if fits { width + 1 } else { INDENT.len() };
        }
        wrapped += word;
        width += word.chars().count();
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_keys_gives_kind_default_and_meaning() {
        let list = key_list(Role::Manager);
        assert!(list.contains("  UUID: a text of 1 to 64 bytes; default \"18000\"\n"), "{list}");
        assert!(list.contains("default 67108864 (64 MiB)\n"), "{list}");
        assert!(list.contains("  Store.Path: a path; default \"data/store\"\n      The folder"), "{list}");
        assert!(!list.contains("Redis"), "{list}");
        assert!(list.lines().all(|line| line.chars().count() <= LINE_WIDTH), "{list}");
    }
}
