//! The limit of open files, and how many connections it leaves room for.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that a process needs beside its connections: the log, the store, links, timers, spare.
const RESERVE: u64 = 128;

/// The most open files that are counted on, where the system sets a higher limit or none.
const MOST: u64 = 1 << 20;

/// The fewest connections that are ever derived, however low the limit is.
const FEWEST: u64 = 16;

/// Raises the soft limit of open files to the hard one; gives the limit that is then in force.
///
/// A system that refuses leaves the limit as it was.
pub fn raise_open_files() -> u64 {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Refused only where the hard limit is beyond what the system allows at all: then the old one stands.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    open_files()
}

/// The most connections in all: `configured`, or where that is 0 what the limit of open files leaves.
pub fn connection_limit(configured: usize) -> usize {
    if configured > 0 { configured } else { derived_connections() }
}

/// How many connections the limit of open files leaves room for.
pub fn derived_connections() -> usize {
    usize::try_from(connections_within(open_files())).unwrap_or(usize::MAX)
}

fn open_files() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(MOST).min(MOST)
}

fn connections_within(open_files: u64) -> u64 {
    open_files.saturating_sub(RESERVE).max(FEWEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raising_takes_the_soft_limit_to_the_hard_one() {
        let raised = raise_open_files();
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        assert_eq!(current, maximum);
        assert_eq!(raised, maximum.unwrap_or(MOST).min(MOST));
    }

    #[test]
    fn connections_leave_a_reserve_and_never_vanish() {
        assert_eq!(connections_within(1024), 1024 - RESERVE);
        assert_eq!(connections_within(64), FEWEST);
        assert_eq!(connection_limit(7), 7);
    }
}
