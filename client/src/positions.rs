//! How far a program has come in each log, to go on from there another time.

use std::collections::BTreeMap;

use protocol::ids::{LogName, Version};
use serde::{Deserialize, Serialize};

/// Per log, the version up to which the program has handled everything.
///
/// The mesh keeps the same for each device (its cursor), which is where a client starts unless it is told otherwise. A
/// program that writes positions together with what it makes of the messages never handles one twice.
///
/// ```
/// # use client::{Positions, Version};
/// let mut positions = Positions::default();
/// positions.set("u/amy".parse()?, Version(12));
/// let json = serde_json::to_string(&positions)?;
/// assert_eq!(json, r#"{"u/amy":12}"#);
/// assert_eq!(serde_json::from_str::<Positions>(&json)?, positions);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Positions(BTreeMap<LogName, Version>);

impl Positions {
    /// The version up to which everything of this log was handled.
    pub fn get(&self, log: &LogName) -> Option<Version> {
        self.0.get(log).copied()
    }

    /// Sets it.
    pub fn set(&mut self, log: LogName, version: Version) {
        self.0.insert(log, version);
    }

    /// All of them, in the order of the logs' names.
    pub fn iter(&self) -> impl Iterator<Item = (&LogName, Version)> {
        self.0.iter().map(|(log, version)| (log, *version))
    }
}

impl FromIterator<(LogName, Version)> for Positions {
    fn from_iter<I: IntoIterator<Item = (LogName, Version)>>(positions: I) -> Self {
        Self(positions.into_iter().collect())
    }
}
