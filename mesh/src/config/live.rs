//! A value of the config that may change while the process runs.

use std::fmt;

use serde::{Deserialize, Deserializer};
use tokio::sync::watch;

/// A reloadable value: every clone shows the newest one, and whoever subscribes hears of each change.
///
/// SIGHUP replaces it from the config file; tests call [`Live::replace`] themselves.
#[derive(Clone)]
pub struct Live<T> {
    newest: watch::Sender<T>,
}

impl<T: Clone + PartialEq> Live<T> {
    /// Starts with `value`.
    pub fn new(value: T) -> Self {
        Self { newest: watch::Sender::new(value) }
    }

    /// The newest value.
    pub fn get(&self) -> T {
        self.newest.borrow().clone()
    }

    /// A receiver that has seen the newest value and wakes at each later one.
    pub fn subscribe(&self) -> watch::Receiver<T> {
        self.newest.subscribe()
    }

    /// Sets the value for every clone; `false`, and nobody wakes, where it is the same as before.
    pub fn replace(&self, value: T) -> bool {
        self.newest.send_if_modified(|old| {
            let changed = *old != value;
            *old = value;
            changed
        })
    }
}

impl<'de, T: Deserialize<'de> + Clone + PartialEq> Deserialize<'de> for Live<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        T::deserialize(from).map(Self::new)
    }
}

impl<T: fmt::Debug> fmt::Debug for Live<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.newest.borrow().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_reaches_clones_and_subscribers_and_the_same_value_wakes_nobody() {
        let live = Live::new(1);
        let mut heard = live.clone().subscribe();
        assert!(!live.replace(1));
        assert!(!heard.has_changed().unwrap());
        assert!(live.clone().replace(2));
        assert!(heard.has_changed().unwrap());
        assert_eq!((*heard.borrow_and_update(), live.get()), (2, 2));
    }
}
