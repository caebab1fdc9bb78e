//! The thread that writes the state's newest keys to the index.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::State;
use crate::StoreError;

/// So long nothing waits in memory before it is written to the index.
const INTERVAL: Duration = Duration::from_secs(5);

/// The thread; dropping it writes what is left and waits for that.
pub(crate) struct Flusher {
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

impl Flusher {
    /// Starts the thread. `failed` is called when the index cannot be written any more.
    pub fn start(state: Arc<State>, failed: impl FnOnce(StoreError) + Send + 'static) -> io::Result<Self> {
        let flushed = Arc::clone(&state);
        let thread = thread::Builder::new().name("store-index".to_owned()).spawn(move || {
            let ended = panic::catch_unwind(AssertUnwindSafe(|| flushed.keep_flushing(INTERVAL)));
            let ended = ended.unwrap_or_else(|_| Err(panicked()));
            if let Err(error) = ended {
                flushed.fail(error.clone());
                failed(error);
            }
        })?;
        Ok(Self { state, thread: Some(thread) })
    }
}

fn panicked() -> StoreError {
    let text =
        "the index's library panicked: start again; an index that is damaged is built anew from the log";
    StoreError::Unwritable(text.to_owned())
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.state.close();
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the thread that writes the index panicked");
        }
    }
}
