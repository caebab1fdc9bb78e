//! Which manager owns a log: rendezvous hashing.
//!
//! Each manager's weight for a log is XXH3-64 of the log's name, seeded with XXH3-64 of the
//! manager's configured `UUID`; the heaviest owns it. Every msg_server computes the same owner from
//! the same set of managers, and a manager that comes or goes moves only the logs that it gains or
//! had. (Thaler and Ravishankar, "Using name-based mappings to increase hit rates", 1998.)
//!
//! The hash is part of the protocol: it must not change between versions.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::ids::LogName;

/// How strongly the manager with this `UUID` is drawn to the log.
pub fn weight(log: &LogName, manager_uuid: &str) -> u64 {
    xxh3_64_with_seed(log.as_str().as_bytes(), xxh3_64(manager_uuid.as_bytes()))
}

/// The owner of a log among `managers`; `None` if there are none. Two that weigh the same are told
/// apart by their `UUID`, the greater one owning.
pub fn owner<'a, T>(
    log: &LogName,
    managers: impl IntoIterator<Item = &'a T>,
    uuid: impl Fn(&T) -> &str,
) -> Option<&'a T> {
    managers.into_iter().max_by_key(|manager| (weight(log, uuid(manager)), uuid(manager).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(n: usize) -> LogName {
        LogName::new(&format!("u/user{n}")).unwrap()
    }

    fn owner_of(n: usize, managers: &[&'static str]) -> Option<&'static str> {
        owner(&log(n), managers, |m| m).copied()
    }

    #[test]
    fn only_the_logs_of_a_manager_that_went_move() {
        let all = ["18000", "18001", "18002"];
        for n in 0..1000 {
            let before = owner_of(n, &all).unwrap();
            let after = owner_of(n, &all[..2]).unwrap();
            assert!(before == after || before == "18002", "{n}: {before} to {after}");
        }
    }

    #[test]
    fn managers_share_the_logs_evenly_whatever_their_order() {
        let mut count = std::collections::HashMap::new();
        for n in 0..3000 {
            let owner = owner_of(n, &["a", "b", "c"]).unwrap();
            assert_eq!(owner_of(n, &["c", "a", "b"]), Some(owner));
            *count.entry(owner).or_insert(0) += 1;
        }
        assert!(count.values().all(|n| (850..1150).contains(n)), "{count:?}");
    }

    #[test]
    fn the_hash_is_the_one_that_was_released() {
        assert_eq!(weight(&LogName::new("u/amy").unwrap(), "18000"), RELEASED_WEIGHT);
        assert_eq!(owner_of(1, &[]), None);
    }

    const RELEASED_WEIGHT: u64 = 1_968_802_797_057_438_020;
}
