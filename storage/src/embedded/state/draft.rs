//! A record in the making: changes that were decided, encoded, and already visible to whatever is decided next.

use protocol::ids::Time;

use super::change::{Change, Place, put_header};
use super::keys::Key;
use super::pending::{ApplyError, Pending, Puts};
use super::values::LogMeta;
use super::view::{Pairs, View};
use crate::StoreError;

/// A record in the making.
pub(crate) struct Draft<'v, V> {
    pending: Pending<'v, V>,
    payload: Vec<u8>,
    empty: usize,
    /// The record's time.
    pub time: Time,
}

impl<'v, V: View> Draft<'v, V> {
    /// An empty record over a state.
    pub fn new(below: &'v V, time: Time) -> Self {
        let mut payload = Vec::new();
        put_header(&mut payload, time);
        Self { pending: Pending::new(below, time), empty: payload.len(), payload, time }
    }

    /// Whether nothing was decided that must be written.
    pub fn is_empty(&self) -> bool {
        self.payload.len() == self.empty
    }

    /// The record as it is to be written, and what changes once it is durable, with entries that count from its
    /// payload ([`super::pending::relocate`]).
    pub fn finish(self) -> (Vec<u8>, Puts) {
        (self.payload, self.pending.finish())
    }

    /// Puts a key that no record speaks of, since an index that is built anew finds it again.
    pub fn put_quietly(&mut self, key: Key, value: Vec<u8>) {
        self.pending.put_quietly(key, value);
    }

    /// What changes where nothing is to be written.
    pub fn finish_quietly(self) -> Puts {
        self.pending.finish_quietly()
    }

    /// The log as it is with this record; `None` if there is none of that name.
    pub fn log_meta(&self, log: &str) -> Result<Option<LogMeta>, StoreError> {
        match self.pending.named(log) {
            Some((_, meta)) => Ok(Some(meta)),
            None => self.pending.log(log),
        }
    }

    /// The log's number in this record, which names it if it did not before, and the log.
    pub fn slot(&mut self, log: &str) -> Result<(usize, LogMeta), StoreError> {
        if let Some(named) = self.pending.named(log) {
            return Ok(named);
        }
        let change = Change::Log { name: log };
        change.encode(self.time, &mut self.payload);
        self.pending.name_log(log)
    }

    /// The place after the log's newest entry.
    pub fn next_place(&mut self, log: &str) -> Result<Place, StoreError> {
        let (slot, meta) = self.slot(log)?;
        Ok(Place { slot, version: meta.head + 1 })
    }

    /// Adds a change. After an error the whole record is useless.
    pub fn write(&mut self, change: Change<'_>) -> Result<(), StoreError> {
        change.encode(self.time, &mut self.payload);
        let offset = match change {
            Change::Entry { content, .. } | Change::Pair { content, .. } => {
                self.payload.len() - content.len()
            }
            _ => 0,
        };
        self.pending.apply(&change, offset).map_err(|error| match error {
            ApplyError::Store(error) => error,
            ApplyError::Record(error) => StoreError::Unwritable(format!("a change makes no sense: {error}")),
        })
    }
}

impl<V: View> View for Draft<'_, V> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.pending.get(key)
    }

    fn scan(&self, from: &[u8], until: &[u8], limit: usize) -> Result<Pairs, StoreError> {
        self.pending.scan(from, until, limit)
    }
}
