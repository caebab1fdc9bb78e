//! How checked values become types.
//!
//! The table alone knows a key's unit: the check turns every time into milliseconds before serde sees it.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

const SECONDS_A_DAY: u64 = 86_400;

pub(super) fn time<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    u64::deserialize(from).map(Duration::from_millis)
}

/// A time, of which 0 says "for ever".
pub(super) fn time_or_never<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    Ok(Some(time(from)?).filter(|time| !time.is_zero()))
}

/// Days.
pub(super) fn days<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    u64::deserialize(from).map(|days| Duration::from_secs(days * SECONDS_A_DAY))
}

/// So many within a time, of which 0 says "no limit".
pub(super) fn rate<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    u32::deserialize(from).map(|count| if count == 0 { u32::MAX } else { count })
}

/// A count, of which 0 says "no limit".
pub(super) fn limit<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    usize::deserialize(from).map(|count| if count == 0 { usize::MAX } else { count })
}
