//! How the embedded store is opened.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use protocol::ids::Time;

use super::files::{Disk, Files};

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

/// How the embedded store is opened. Every value has a default that suits a small server.
#[derive(Clone)]
pub struct Options {
    /// The largest content of one entry in bytes, at most an eighth of `segment_bytes` and 8 MiB; 2 MiB unless
    /// set.
    pub entry_bytes: usize,
    /// How long a message that retention took is still known when it is sent again; for ever unless set.
    pub dedupe: Option<Duration>,
    /// Calls that wait to be committed may hold so many bytes; 64 MiB unless set. What comes beyond that is refused as
    /// busy, and did not happen.
    pub queue_bytes: usize,
    /// Size of each file of the commit log in bytes; existing files keep theirs. 64 MiB unless set.
    pub segment_bytes: u32,
    /// Memory for the index's blocks in bytes; 64 MiB unless set.
    pub index_cache_bytes: u64,
    /// So many bytes of new keys gather in memory before they are written to the index; 8 MiB unless set. Up to four
    /// times as many are held when the disk is slow.
    pub index_flush_bytes: usize,
    /// Threads that read; 4 unless set.
    pub readers: usize,
    /// How often is looked for files of the commit log that are mostly dead, to give their space back; 10 minutes unless
    /// set.
    pub compact_every: Duration,
    /// So many bytes a second are read and written for that at most; 16 MiB unless set.
    pub compact_bytes_per_second: u64,
    /// Throws the index away and builds it anew from the commit log.
    pub rebuild: bool,
    /// The clock that entries get their times from; the machine's unless set.
    pub clock: Clock,
    /// The files that the commit log lies in; the machine's unless set. (The index always lies on the machine's.)
    pub files: Arc<dyn Files>,
}

impl Options {
    /// The largest record of the commit log in bytes.
    pub(super) fn record_bytes(&self) -> u32 {
        (self.segment_bytes / 2).min(32 << 20)
    }

    /// A record takes calls of so many bytes, or one that is larger; a content and a part of a divided batch have
    /// at most as many. So every record fits.
    pub(super) fn share_bytes(&self) -> usize {
        self.record_bytes() as usize / 4
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            entry_bytes: 2 << 20,
            dedupe: None,
            queue_bytes: 64 << 20,
            segment_bytes: 64 << 20,
            index_cache_bytes: 64 << 20,
            index_flush_bytes: 8 << 20,
            readers: 4,
            compact_every: Duration::from_secs(600),
            compact_bytes_per_second: 16 << 20,
            rebuild: false,
            clock: Arc::new(machine_time),
            files: Arc::new(Disk),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("entry_bytes", &self.entry_bytes)
            .field("dedupe", &self.dedupe)
            .field("queue_bytes", &self.queue_bytes)
            .field("segment_bytes", &self.segment_bytes)
            .field("rebuild", &self.rebuild)
            .finish_non_exhaustive()
    }
}

/// Milliseconds since 1970 by the machine's clock; 0 before that.
fn machine_time() -> Time {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    Time(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
