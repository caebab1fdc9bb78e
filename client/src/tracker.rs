//! Which versions of one log are here.

/// Everything up to a version, and single stretches beyond it.
///
/// The stretches are as many as there are sends of our own that wait for their answer, at most: a push never
/// overtakes another push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracker {
    upto: u64,
    /// First and last of each stretch beyond `upto + 1`; in order, apart from each other.
    beyond: Vec<(u64, u64)>,
}

impl Tracker {
    /// Everything up to and including `upto` is here.
    pub fn new(upto: u64) -> Self {
        Self { upto, beyond: Vec::new() }
    }

    /// The highest version up to which all are here.
    pub fn upto(&self) -> u64 {
        self.upto
    }

    /// Whether this version is here.
    pub fn has(&self, version: u64) -> bool {
        version <= self.upto || self.beyond.iter().any(|&(first, last)| (first..=last).contains(&version))
    }

    /// How many versions below this one are not here.
    pub fn missing_below(&self, version: u64) -> u64 {
        let room = version.saturating_sub(1).saturating_sub(self.upto);
        let have = self.beyond.iter().take_while(|stretch| stretch.0 < version);
        room - have.map(|&(first, last)| last.min(version - 1) - first + 1).sum::<u64>().min(room)
    }

    /// The first version that is not here.
    pub fn first_missing(&self) -> u64 {
        self.upto + 1
    }

    /// Adds the versions from `first` to `last`; those that are here already change nothing.
    pub fn insert(&mut self, first: u64, last: u64) {
        if last <= self.upto || last < first {
            return;
        }
        let at = self.beyond.partition_point(|stretch| stretch.1 < first.saturating_sub(1));
        let touching = self.beyond[at..].iter().take_while(|stretch| stretch.0 <= last.saturating_add(1));
        let end = at + touching.count();
        let merged =
            self.beyond[at..end].iter().fold((first, last), |all, one| (all.0.min(one.0), all.1.max(one.1)));
        self.beyond.splice(at..end, [merged]);
        if self.beyond[0].0 <= self.upto + 1 {
            self.upto = self.upto.max(self.beyond.remove(0).1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_set_of_what_was_put_in(
            base in 0u64..5,
            stretches in prop::collection::vec((1u64..40, 0u64..4), 0..30),
        ) {
            let mut tracker = Tracker::new(base);
            let mut model: BTreeSet<u64> = (1..=base).collect();
            for (first, more) in stretches {
                tracker.insert(first, first + more);
                model.extend(first..=first + more);
                let upto = (1..).find(|v| !model.contains(v)).unwrap() - 1;
                prop_assert_eq!(tracker.upto(), upto);
                for version in 1..50 {
                    prop_assert_eq!(tracker.has(version), model.contains(&version), "{}", version);
                    let missing = (1..version).filter(|v| !model.contains(v)).count() as u64;
                    prop_assert_eq!(tracker.missing_below(version), missing);
                }
            }
        }
    }

    #[test]
    fn an_own_send_that_is_answered_early_waits_for_what_is_before_it() {
        let mut tracker = Tracker::new(3);
        tracker.insert(5, 5);
        assert_eq!((tracker.upto(), tracker.has(5), tracker.missing_below(6)), (3, true, 1));
        tracker.insert(4, 4);
        assert_eq!(tracker.upto(), 5);
    }
}
