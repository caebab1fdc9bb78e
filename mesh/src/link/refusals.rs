//! Which msg_servers refuse this process: while one does, it serves none.
//!
//! A msg_server refuses whoever does not belong to its mesh, a manager with another store above all. Were such a manager to
//! serve those that know no better yet, one mesh would have two truths.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::config::HostPort;

/// The refusals that stand, shared by all links of a process.
#[derive(Debug)]
pub struct Refusals {
    by_them: watch::Sender<BTreeMap<HostPort, String>>,
    /// msg_servers of another `AuthMode`: these alone are not served.
    by_us: Mutex<BTreeMap<HostPort, String>>,
}

impl Default for Refusals {
    fn default() -> Self {
        Self { by_them: watch::Sender::new(BTreeMap::new()), by_us: Mutex::default() }
    }
}

impl Refusals {
    /// Why the process serves nobody, or not all, for people; empty where there is no refusal.
    pub fn troubles(&self) -> Vec<String> {
        let by_them = self.by_them.borrow();
        let by_them = by_them.iter().map(|(address, why)| format!("{address} refuses this process: {why}"));
        by_them.chain(self.by_us.lock().values().cloned()).collect()
    }

    /// The msg_server at `address` has another mode; false if that was known.
    pub(super) fn differ(&self, address: &HostPort, why: &str) -> bool {
        self.by_us.lock().insert(address.clone(), why.to_owned()).is_none_or(|known| known != why)
    }

    /// It has the same mode.
    pub(super) fn agree(&self, address: &HostPort) {
        self.by_us.lock().remove(address);
    }

    /// The msg_server at `address` refuses.
    pub(super) fn begin(&self, address: &HostPort, why: &str) {
        self.by_them.send_if_modified(|refusals| refusals.insert(address.clone(), why.to_owned()).is_none());
    }

    /// It does not, or it is gone.
    pub(super) fn end(&self, address: &HostPort) {
        self.by_them.send_if_modified(|refusals| refusals.remove(address).is_some());
    }

    /// Waits until another one than that at `address` refuses; returns why this one is not served.
    pub(super) async fn by_another(&self, address: &HostPort) -> String {
        let mut seen = self.by_them.subscribe();
        loop {
            let refusing = seen.borrow_and_update().keys().find(|other| *other != address).cloned();
            if let Some(other) = refusing {
                return format!("{other} refuses this process, so it serves no other either");
            }
            if seen.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    fn is_refused(refusals: &Refusals, address: &HostPort) -> bool {
        let by_another = pin!(refusals.by_another(address));
        by_another.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn while_one_refuses_only_that_one_is_tried() {
        let (a, b): (HostPort, HostPort) = ("a:1".parse().unwrap(), "b:1".parse().unwrap());
        let refusals = Refusals::default();
        assert!(!is_refused(&refusals, &a) && refusals.troubles().is_empty());
        refusals.begin(&a, "another store");
        assert!(is_refused(&refusals, &b) && !is_refused(&refusals, &a));
        assert_eq!(refusals.troubles(), ["a:1 refuses this process: another store"]);
        refusals.end(&a);
        assert!(!is_refused(&refusals, &b));
    }

    #[test]
    fn one_of_another_mode_is_told_once_and_does_not_keep_the_others_from_being_served() {
        let (a, b): (HostPort, HostPort) = ("a:1".parse().unwrap(), "b:1".parse().unwrap());
        let refusals = Refusals::default();
        assert!(refusals.differ(&a, "another mode") && !refusals.differ(&a, "another mode"));
        assert!(!is_refused(&refusals, &b));
        assert_eq!(refusals.troubles(), ["another mode"]);
        refusals.agree(&a);
        assert!(refusals.troubles().is_empty());
    }
}
