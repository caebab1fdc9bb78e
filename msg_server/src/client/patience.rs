//! How long a client that takes nothing of what waits for it is waited for.

use std::cell::Cell;
use std::time::Duration;

use mesh::outbox::Outbox;
use tokio::time::Instant;

/// Since when a client has taken nothing, as far as it was looked.
#[derive(Default)]
pub(crate) struct Patience(Cell<Option<Watch>>);

#[derive(Clone, Copy)]
struct Watch {
    /// What it had taken then, in bytes.
    taken: u64,
    /// When it will have had its time.
    over: Instant,
}

impl Patience {
    /// When it is over, unless something is taken before; `None` where nothing waits.
    pub(crate) fn until(&self, outbox: &Outbox, allowed: Duration) -> Option<Instant> {
        let taken = outbox.taken();
        let watch = taken.map(|taken| match self.0.get() {
            Some(watch) if watch.taken == taken => watch,
            _ => Watch { taken, over: Instant::now() + allowed },
        });
        self.0.set(watch);
        watch.map(|watch| watch.over)
    }

    /// Whether the client took nothing for as long as it may.
    pub(crate) fn is_over(&self, outbox: &Outbox) -> bool {
        let stuck = |watch: &Watch| outbox.taken() == Some(watch.taken) && watch.over <= Instant::now();
        self.0.get().is_some_and(|watch| stuck(&watch))
    }
}
