//! The keys that appends ask for again and again, kept by the thread that commits, which is the only one to change
//! them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use super::State;
use crate::StoreError;
use crate::embedded::state::keys::{self, Key};
use crate::embedded::state::pending::Puts;
use crate::embedded::state::view::{Pairs, View};

/// A generation has so many keys at most; there are two. With names of 40 bytes that is some 20 MB in all.
const GENERATION: usize = 50_000;

/// The state, with the keys of logs, accounts, topics and members that were asked for lately.
pub(crate) struct Hot {
    state: Arc<State>,
    kept: RefCell<Kept>,
}

/// What was asked for since the young generation began is in it; the old one is forgotten when the young one is full.
#[derive(Default)]
struct Kept {
    young: HashMap<Key, Option<Vec<u8>>>,
    old: HashMap<Key, Option<Vec<u8>>>,
}

impl Kept {
    fn get(&mut self, key: &[u8]) -> Option<Option<Vec<u8>>> {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let (key, value) = self.old.remove_entry(key)?;
        self.put(key, value.clone());
        Some(value)
    }

    fn put(&mut self, key: Key, value: Option<Vec<u8>>) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    /// Takes the new value of a key that is kept.
    fn change(&mut self, key: &[u8], value: &Option<Vec<u8>>) {
        for generation in [&mut self.young, &mut self.old] {
            if let Some(kept) = generation.get_mut(key) {
                kept.clone_from(value);
            }
        }
    }
}

impl Hot {
    pub fn new(state: Arc<State>) -> Self {
        Self { state, kept: RefCell::default() }
    }

    /// To be told what each record changed.
    pub fn changed(&self, puts: &Puts) {
        let mut kept = self.kept.borrow_mut();
        for (key, value) in puts.iter().filter(|(key, _)| is_kept(key)) {
            kept.change(key, value);
        }
    }
}

fn is_kept(key: &[u8]) -> bool {
    key.first().is_some_and(|table| keys::HOT.contains(table))
}

impl View for Hot {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if !is_kept(key) {
            return self.state.get(key);
        }
        if let Some(value) = self.kept.borrow_mut().get(key) {
            return Ok(value);
        }
        let value = self.state.get(key)?;
        self.kept.borrow_mut().put(key.to_vec(), value.clone());
        Ok(value)
    }

    fn scan(&self, from: &[u8], until: &[u8], limit: usize) -> Result<Pairs, StoreError> {
        self.state.scan(from, until, limit)
    }
}

#[cfg(test)]
mod tests {
    use super::super::MemoryIndex;
    use super::*;

    #[test]
    fn a_kept_key_has_the_value_of_the_last_record() {
        let hot = Hot::new(Arc::new(State::new(Box::new(MemoryIndex::default()), None, 1_000)));
        let (amy, bob) = (keys::account("amy"), keys::account("bob"));
        assert_eq!(hot.get(&amy), Ok(None));
        hot.changed(&Puts::from([(amy.clone(), Some(vec![1])), (bob.clone(), Some(vec![2]))]));
        assert_eq!(hot.get(&amy), Ok(Some(vec![1])));
        assert_eq!(hot.get(&bob), Ok(None), "what was not kept is asked for");
        hot.changed(&Puts::from([(amy.clone(), None)]));
        assert_eq!(hot.get(&amy), Ok(None));
    }

    #[test]
    fn what_is_asked_for_stays_and_the_rest_is_forgotten() {
        let mut kept = Kept::default();
        kept.put(vec![0], Some(vec![7]));
        for number in 0..3 * GENERATION as u64 {
            kept.put(number.to_be_bytes().to_vec(), None);
            if number.is_multiple_of(1_000) {
                assert_eq!(kept.get(&[0]), Some(Some(vec![7])));
            }
        }
        assert!(kept.young.len() + kept.old.len() <= 2 * GENERATION);
        assert_eq!(kept.get(&0u64.to_be_bytes()), None);
    }
}
