//! Contents, from the commit log.

use bytes::Bytes;

use crate::StoreError;
use crate::embedded::commit_log::LogReader;
use crate::embedded::state::values::EntryRef;

/// Contents, from the commit log.
pub(crate) struct Contents(LogReader);

impl Contents {
    pub fn new(log: LogReader) -> Self {
        Self(log)
    }

    /// The entry's content, checked.
    pub fn read(&self, entry: &EntryRef) -> Result<Bytes, StoreError> {
        let content = self
            .0
            .read(entry.position, entry.bytes)
            .map_err(|error| StoreError::Unreadable(error.to_string()))?;
        if crc32c::crc32c(&content) != entry.crc {
            return Err(StoreError::Unreadable(format!(
                "the {} bytes at {} of the commit log do not check: `shoal store check` says whether the log or the \
                 index is damaged",
                entry.bytes, entry.position
            )));
        }
        Ok(content)
    }
}
