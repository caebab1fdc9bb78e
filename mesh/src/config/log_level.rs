//! `LogLevel`: what is logged, in all and for single modules.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use thiserror::Error;
use tracing_subscriber::filter::{LevelFilter, Targets};

/// What to write `LogLevel` as.
pub const LOG_LEVEL_FORM: &str =
    "write off, error, warn, info, debug or trace, or one with exceptions, as \"info,mesh=debug\"";

/// A level for everything, with exceptions for single modules: `info`, or `info,mesh::link=debug`.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub struct LogLevel {
    text: String,
    targets: Targets,
}

/// A part of a `LogLevel` that is not a level, nor a module and a level.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is no log level; {LOG_LEVEL_FORM}")]
pub struct LogLevelError(
    /// The part that was not understood.
    pub String,
);

impl LogLevel {
    /// The filter that lets through what is to be logged.
    pub fn targets(&self) -> Targets {
        self.targets.clone()
    }
}

impl FromStr for LogLevel {
    type Err = LogLevelError;

    fn from_str(text: &str) -> Result<Self, LogLevelError> {
        let targets = text.split(',').try_fold(Targets::new(), |targets, part| {
            let part = part.trim();
            let bad = || LogLevelError(part.to_owned());
            match part.split_once('=') {
                Some((module, level)) if is_module(module) => {
                    Ok(targets.with_target(module, parse_level(level).ok_or_else(bad)?))
                }
                Some(_) => Err(bad()),
                None => Ok(targets.with_default(parse_level(part).ok_or_else(bad)?)),
            }
        })?;
        Ok(Self { text: text.to_owned(), targets })
    }
}

fn is_module(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b':')
}

/// Names only: `LevelFilter` itself would also take numbers, and an empty text for `error`.
fn parse_level(name: &str) -> Option<LevelFilter> {
    name.bytes().any(|b| b.is_ascii_alphabetic()).then(|| name.parse().ok()).flatten()
}

impl TryFrom<String> for LogLevel {
    type Error = LogLevelError;

    fn try_from(text: String) -> Result<Self, LogLevelError> {
        text.parse()
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn a_module_may_differ_from_the_rest() {
        let targets = "info,mesh::link=debug".parse::<LogLevel>().unwrap().targets();
        assert!(targets.would_enable("mesh::link", &Level::DEBUG));
        assert!(!targets.would_enable("mesh::config", &Level::DEBUG));
        assert!(targets.would_enable("router", &Level::INFO));
    }

    #[test]
    fn a_mistyped_level_is_not_taken_for_a_module() {
        for text in ["", "inof", "info,", "mesh=loud", "=info", "3", "mesh=3", "me sh=info"] {
            assert!(text.parse::<LogLevel>().is_err(), "{text:?}");
        }
        assert_eq!("INFO".parse::<LogLevel>().unwrap().to_string(), "INFO");
    }
}
