//! A whole store as one portable file, whatever the backend: for back-ups, and for moving to another backend.
//!
//! The file begins with [`MAGIC`] and a byte for the format's version (2; 1 is read too, in which accounts were names
//! only). What follows is one zstd stream of items, each behind its length. Counts of everything and an XXH3-128 of all
//! items are the last item: a file that was cut or changed is refused before anything of it is imported. Both directions are streamed, and hold a few MiB at a time.
//!
//! It holds the hashes of passwords and tokens: whoever keeps such a file keeps it to themselves. Not in it: the message
//! ids of entries that retention took, and counters that only notice changes.

mod item;
mod read;
mod write;

pub use read::{ImportError, import, verify};
pub use write::{ExportError, export};

/// What an export begins with. The line ends are broken by programs that take it for text.
pub const MAGIC: &[u8] = b"shoal export\r\n\x1a";
/// The format's version that is written, and the newest that is read.
pub const VERSION: u8 = 2;

/// How much of each is in an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Accounts.
    pub accounts: u64,
    /// Topics.
    pub topics: u64,
    /// Memberships, invitations and removals.
    pub members: u64,
    /// Logs with entries.
    pub logs: u64,
    /// Entries.
    pub entries: u64,
    /// Cursors.
    pub cursors: u64,
    /// Bytes of all contents.
    pub content_bytes: u64,
}
