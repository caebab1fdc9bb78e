//! Which processes do not want this msg_server, and why: for people.

use std::collections::BTreeMap;

use mesh::link::Greeting;
use parking_lot::Mutex;

/// So many are remembered.
const MOST: usize = 100;

/// The refusals that stand, by role and uuid.
#[derive(Default)]
pub(crate) struct RefusedBy(Mutex<BTreeMap<String, String>>);

impl RefusedBy {
    /// It has refused; said once, however often it comes again.
    pub fn begin(&self, who: &Greeting, why: &str) {
        let mut refusals = self.0.lock();
        if refusals.len() < MOST && refusals.insert(name(who), why.to_owned()).as_deref() != Some(why) {
            tracing::error!("the {} refuses this msg_server: {why}", name(who));
        }
    }

    /// It does not any more.
    pub fn end(&self, who: &Greeting) {
        self.0.lock().remove(&name(who));
    }

    /// What whoever looks at this msg_server should know.
    pub fn troubles(&self) -> Vec<String> {
        let refusals = self.0.lock();
        refusals.iter().map(|(who, why)| format!("the {who} refuses this msg_server: {why}")).collect()
    }
}

fn name(who: &Greeting) -> String {
    format!("{} {}", who.role, who.uuid)
}
