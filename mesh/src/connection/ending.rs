//! How a connection ends so that the other side reads all that was said: a socket that is closed with input in it that
//! nobody read is reset, and a reset throws away what the other side has not read yet.

use std::io;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Connection, READ_BUFFER};

/// What is queued when a connection ends may take this long to be taken by the other side.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// As [`LAST_WORDS`], for a reader that was cut because it takes nothing: it may learn why, if it reads again soon.
const LAST_WORDS_TO_THE_SLOW: Duration = Duration::from_secs(1);

/// Who was told the end may take this long to end its own side.
const LAST_INPUT: Duration = Duration::from_secs(2);

/// More than the buffers of both sides hold: whoever sends more does not read.
const LAST_INPUT_BYTES: usize = 16 * 1024 * 1024;

impl Connection<'_> {
    /// Gives what is queued a bounded time to leave. True if all of it has.
    pub(super) async fn last_words(&self, cut: &CancellationToken) -> bool {
        let patience = if self.outbox.is_cut() { LAST_WORDS_TO_THE_SLOW } else { LAST_WORDS };
        let flushed = cut.run_until_cancelled(timeout(patience, self.flush())).await;
        matches!(flushed, Some(Ok(Ok(()))))
    }

    async fn flush(&self) -> io::Result<()> {
        while !self.outbox.flush()? {
            self.outbox.writable().await?;
        }
        Ok(())
    }

    /// Reads and throws away, until the other side has ended too, or for a bounded time.
    pub(super) async fn discard_input(&self, cut: &CancellationToken) {
        // Whether they end in time or not, the socket is closed then.
        let _ = cut.run_until_cancelled(timeout(LAST_INPUT, self.read_to_the_end())).await;
    }

    async fn read_to_the_end(&self) {
        let mut count = 0;
        while count < LAST_INPUT_BYTES && self.read.readable().await.is_ok() {
            match READ_BUFFER.with_borrow_mut(|buffer| self.read.try_read(buffer)) {
                Ok(0) => return,
                Ok(some) => count += some,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }
}
