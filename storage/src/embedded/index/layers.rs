//! The newest keys, not yet in the index: those that still gather, and those that are being written to it.

use std::cmp::Ordering;
use std::collections::btree_map::Range;
use std::iter::Peekable;
use std::ops::Bound;
use std::sync::Arc;

use super::Checkpoint;
use crate::embedded::state::keys::Key;
use crate::embedded::state::pending::Puts;
use crate::embedded::state::view::Pairs;

/// Bytes that a key counts for beside its own and its value's.
const KEY_OVERHEAD: usize = 64;

/// What of a range is in the layers.
pub(super) struct Newest {
    /// In order; `None`: the key is gone, whatever the index says.
    pub puts: Vec<(Key, Option<Vec<u8>>)>,
    /// Whether there may be more after the last of them.
    pub more: bool,
}

/// The newest keys.
#[derive(Default)]
pub(super) struct Layers {
    gathering: Puts,
    bytes: usize,
    /// Never changed while it is written.
    writing: Arc<Puts>,
    /// How far the log has come with all of this; `None` as long as it is empty.
    through: Option<Checkpoint>,
    /// Whether there is anything that was not given to be written.
    is_new: bool,
}

impl Layers {
    /// Nothing new over an index that is complete up to there.
    pub fn over(through: Option<Checkpoint>) -> Self {
        Self { through, ..Self::default() }
    }

    /// Takes puts, and how far the log has come with them if they are a record's.
    pub fn add(&mut self, puts: Puts, through: Option<Checkpoint>) {
        self.is_new |= through.is_some() || !puts.is_empty();
        for (key, value) in puts {
            let bytes = key.len() + value.as_ref().map_or(0, Vec::len) + KEY_OVERHEAD;
            if self.gathering.insert(key, value).is_none() {
                self.bytes += bytes;
            }
        }
        self.through = through.or(self.through);
    }

    /// Bytes that gather.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What was written is in the index now.
    pub fn written(&mut self) {
        self.writing = Arc::default();
    }

    /// Takes everything that gathers for writing; `None` where nothing does.
    pub fn freeze(&mut self) -> Option<(Arc<Puts>, Checkpoint)> {
        let through = self.through.filter(|_| self.is_new)?;
        self.is_new = false;
        self.writing = Arc::new(std::mem::take(&mut self.gathering));
        self.bytes = 0;
        Some((Arc::clone(&self.writing), through))
    }

    /// The key's value; `None`: ask the index.
    pub fn get(&self, key: &[u8]) -> Option<&Option<Vec<u8>>> {
        self.gathering.get(key).or_else(|| self.writing.get(key))
    }

    /// Of the keys from `from` on and below `until`, which is greater: the first `limit` that have a value, and those that are gone between them.
    pub fn range(&self, from: &[u8], until: &[u8], limit: usize) -> Newest {
        let mut newest = Newest { puts: Vec::new(), more: false };
        let bounds = (Bound::Included(from), Bound::Excluded(until));
        let mut layers = Merged {
            newer: self.gathering.range::<[u8], _>(bounds).peekable(),
            older: self.writing.range::<[u8], _>(bounds).peekable(),
        };
        let mut values = 0;
        for (key, value) in &mut layers {
            values += usize::from(value.is_some());
            newest.puts.push((key.clone(), value.clone()));
            if values == limit {
                newest.more = true;
                break;
            }
        }
        newest
    }
}

/// Two layers as one, in order, the newer one's values first.
struct Merged<'a> {
    newer: Peekable<Range<'a, Key, Option<Vec<u8>>>>,
    older: Peekable<Range<'a, Key, Option<Vec<u8>>>>,
}

impl<'a> Iterator for Merged<'a> {
    type Item = (&'a Key, &'a Option<Vec<u8>>);

    fn next(&mut self) -> Option<Self::Item> {
        let order = match (self.newer.peek(), self.older.peek()) {
            (Some((newer, _)), Some((older, _))) => newer.cmp(older),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        match order {
            Ordering::Less => self.newer.next(),
            Ordering::Greater => self.older.next(),
            Ordering::Equal => {
                self.older.next();
                self.newer.next()
            }
        }
    }
}

/// The first `limit` of the newest keys and those of the index together.
pub(super) fn merge(newest: Newest, older: Pairs, limit: usize) -> Pairs {
    let end = newest.more.then(|| newest.puts.last().map(|(key, _)| key.clone())).flatten();
    let mut all: Puts = older.into_iter().map(|(key, value)| (key, Some(value))).collect();
    all.extend(newest.puts);
    all.into_iter()
        .take_while(|(key, _)| end.as_ref().is_none_or(|end| key <= end))
        .filter_map(|(key, value)| Some((key, value?)))
        .take(limit)
        .collect()
}
