//! Holds a config file against the table: what is right comes out as values, what is wrong as mistakes.

use std::collections::HashMap;

use jsonc_parser::ast::{Object, ObjectProp, Value as Node};
use jsonc_parser::common::{Range, Ranged};
use serde_json::{Map, Value};

use super::keys::{Fate, Key};
use super::mistake::{Mistake, Wrong};
use super::role::Role;
use super::suggest::unknown_key;
use super::syntax::{self, line_and_column};
use super::table::TABLE;

/// A key that files in the field have and that nothing reads any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoredKey {
    /// The key.
    pub path: String,
    /// Why nothing reads it.
    pub why: &'static str,
}

/// The walk through one file, and what it found.
pub(super) struct Check<'t> {
    text: &'t str,
    role: Role,
    /// The keys that are accepted and ignored.
    pub ignored: Vec<IgnoredKey>,
    mistakes: Vec<Found>,
    /// Where the values of the file begin, by their paths.
    offsets: HashMap<String, usize>,
}

struct Found {
    offset: usize,
    path: String,
    wrong: Wrong,
}

impl<'t> Check<'t> {
    /// Begins with `text`, the config file of `role`.
    pub fn new(text: &'t str, role: Role) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self { text, role, ignored: Vec::new(), mistakes: Vec::new(), offsets: HashMap::new() }
    }

    /// Checks the whole file. Gives a value for each key that is read: the file's, or where that has none or a
    /// bad one the default; `null` where there is no default. Times are in milliseconds.
    pub fn file(&mut self) -> Map<String, Value> {
        self.file_of(TABLE)
    }

    /// As [`Check::file`], for a file whose keys are `keys`.
    pub fn file_of(&mut self, keys: &'static [Key]) -> Map<String, Value> {
        let nothing = Object { range: Range::new(0, 0), properties: Vec::new() };
        let object = match syntax::parse(self.text) {
            Ok(Node::Object(object)) => object,
            Ok(other) => {
                self.mistake(
                    other.start(),
                    "",
                    Wrong::new("is not one JSON object", "write { … } around its keys"),
                );
                nothing
            }
            Err((offset, wrong)) => {
                self.mistake(offset, "", wrong);
                nothing
            }
        };
        self.object(&object, keys, "")
    }

    /// Checks `object` as part of the config file of `role`, whoever's file it is in.
    pub fn object_of(&mut self, object: &Object<'_>, role: Role, path: &str) -> Map<String, Value> {
        let own = std::mem::replace(&mut self.role, role);
        let values = self.object(object, TABLE, path);
        self.role = own;
        values
    }

    /// Checks `object` against `keys`; gives what it says, with defaults for what it does not say.
    pub fn object(&mut self, object: &Object<'_>, keys: &'static [Key], path: &str) -> Map<String, Value> {
        let mut values = Map::new();
        for (index, property) in object.properties.iter().enumerate() {
            let path = join(path, property.name.as_str());
            let mut earlier = object.properties[..index].iter();
            match earlier.find(|other| other.name.as_str() == property.name.as_str()) {
                Some(first) => self.twice(property.start(), &path, first.start()),
                None => self.property(property, keys, &path, &mut values),
            }
        }
        for key in keys.iter().filter(|key| key.roles.has(self.role) && key.is_read()) {
            values.entry(key.name).or_insert_with(|| default_value(key, self.role));
        }
        values
    }

    fn property(
        &mut self,
        property: &ObjectProp<'_>,
        keys: &'static [Key],
        path: &str,
        values: &mut Map<String, Value>,
    ) {
        let name = property.name.as_str();
        let Some(key) = keys.iter().find(|key| key.name == name && key.roles.has(self.role)) else {
            return self.mistake(property.start(), path, unknown_key(name, keys, self.role));
        };
        self.offsets.insert(path.to_owned(), property.value.start());
        let value = self.value(&key.kind, &property.value, path);
        match (key.fate, value) {
            (Fate::Ignored(why), _) => self.ignored.push(IgnoredKey { path: path.to_owned(), why }),
            (_, Some(value)) => _ = values.insert(name.to_owned(), value),
            (_, None) => {}
        }
    }

    fn twice(&mut self, offset: usize, path: &str, first: usize) {
        let (line, column) = line_and_column(self.text, first);
        let wrong = format!("is there twice (first at {line}:{column})");
        self.mistake(offset, path, Wrong::new(wrong, "keep one of them"));
    }

    /// Takes down what is wrong at `path`, whose text begins at byte `offset`.
    pub fn mistake(&mut self, offset: usize, path: &str, wrong: Wrong) {
        self.mistakes.push(Found { offset, path: path.to_owned(), wrong });
    }

    /// Takes down that `keys` do not go together: said of the first, shown where the file has one of them.
    pub fn conflict(&mut self, keys: &[&str], wrong: Wrong) {
        let offset = keys.iter().find_map(|key| self.offsets.get(*key)).copied().unwrap_or(0);
        self.mistake(offset, keys.first().copied().unwrap_or_default(), wrong);
    }

    /// Whether something is wrong with `key` or within it.
    pub fn is_mistaken(&self, key: &str) -> bool {
        let within = |path: &str| {
            path.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        self.mistakes.iter().any(|found| within(&found.path))
    }

    /// Everything that is wrong, in the order of the file.
    pub fn into_mistakes(mut self) -> Vec<Mistake> {
        self.mistakes.sort_by_key(|found| found.offset);
        let place = |found: Found| {
            let (line, column) = line_and_column(self.text, found.offset);
            let Wrong { wrong, right } = found.wrong;
            Mistake { path: found.path, line, column, wrong, right }
        };
        self.mistakes.into_iter().map(place).collect()
    }
}

/// What `key` is where the file of `role` does not have it.
fn default_value(key: &Key, role: Role) -> Value {
    let Some(json) = key.fallback.json(role) else { return Value::Null };
    let mut check = Check::new(&json, role);
    let value = syntax::parse(&json).ok().and_then(|node| check.value(&key.kind, &node, key.name));
    debug_assert!(check.mistakes.is_empty(), "the default of {} is wrong", key.name);
    value.unwrap_or(Value::Null)
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
