//! What is wrong in a config file, where, and what would be right: all of it in one message.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

use super::check::Check;

/// One thing that is wrong in a config file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The key, as `Redis.Port` or `MsgServerList[1]`; empty where the whole file is meant.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong, as the rest of a sentence that begins with the key.
    pub wrong: String,
    /// What to do about it.
    pub right: String,
}

/// Why a config cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// There is no such file.
    #[error(
        "{}: there is no such file\n  name another with --conf-file FILE, or write one: {{}} is enough to begin with",
        file.display()
    )]
    Missing {
        /// The file that was looked for.
        file: PathBuf,
    },
    /// The file is there but cannot be read.
    #[error("{}: cannot be read: {cause}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The file was read, and this is wrong in it.
    #[error("{}", list(file, mistakes))]
    Mistakes {
        /// The file, as it was named.
        file: String,
        /// Everything that is wrong, in the order of the file; never empty.
        mistakes: Vec<Mistake>,
    },
}

fn list(file: &str, mistakes: &[Mistake]) -> String {
    let count = match mistakes.len() {
        1 => "1 mistake".to_owned(),
        many => format!("{many} mistakes"),
    };
    let lines = mistakes.iter().map(|mistake| format!("\n  {file}:{mistake}"));
    format!("{file}: {count}{}", lines.collect::<String>())
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, column, wrong, right } = self;
        let key = if path.is_empty() { "the file" } else { path };
        write!(f, "{line}:{column}: {key} {wrong}; {right}")
    }
}

/// What is wrong with a value, and what would be right.
#[derive(Debug)]
pub(super) struct Wrong {
    /// The rest of a sentence that begins with the key.
    pub wrong: String,
    /// What to do about it.
    pub right: String,
}

impl Wrong {
    pub fn new(wrong: impl Into<String>, right: impl Into<String>) -> Self {
        Self { wrong: wrong.into(), right: right.into() }
    }
}

/// Takes down what is wrong between keys that are each right by themselves.
pub struct Conflicts<'a, 't> {
    check: &'a mut Check<'t>,
}

impl<'a, 't> Conflicts<'a, 't> {
    pub(super) fn new(check: &'a mut Check<'t>) -> Self {
        Self { check }
    }

    /// The top-level `keys` do not go together; the first that the file has is where it is shown.
    ///
    /// Nothing is taken down where one of them is wrong by itself: what it was compared by is then a default.
    pub fn add(&mut self, keys: &[&str], wrong: impl Into<String>, right: impl Into<String>) {
        if !keys.iter().any(|key| self.check.is_mistaken(key)) {
            self.check.conflict(keys, Wrong::new(wrong, right));
        }
    }
}
