//! How far an index is complete, and of which log.

use protocol::ids::StoreId;
use xxhash_rust::xxh3::xxh3_64;

use crate::codec::{Malformed, Reader, put_int};
use crate::embedded::commit_log::{Mark, Position};

/// The format of keys and values that this program writes; an index of another one is built anew.
const FORMAT: u64 = 3;

/// Up to where an index holds what the log says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// The log's store.
    pub store: StoreId,
    /// The place after the last record that is in the index.
    pub next: Mark,
    /// Where that record's payload begins.
    pub last: Position,
    /// XXH3-64 of that payload: a log that goes on differently at the same place is another log.
    pub hash: u64,
}

impl Checkpoint {
    /// After the record with this payload at `last`, where the log goes on at `next`.
    pub fn after(store: StoreId, payload: &[u8], last: Position, next: Mark) -> Self {
        Self { store, next, last, hash: xxh3_64(payload) }
    }

    /// Whether the payload is that of the last record.
    pub fn ends_with(&self, payload: &[u8]) -> bool {
        xxh3_64(payload) == self.hash
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        put_int(&mut out, FORMAT);
        out.extend_from_slice(&self.store.0);
        for position in [self.next.position, self.last] {
            put_int(&mut out, u64::from(position.segment));
            put_int(&mut out, u64::from(position.offset));
        }
        put_int(&mut out, self.next.sequence);
        put_int(&mut out, self.hash);
        out
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        if reader.int("a format")? != FORMAT {
            return Err(Malformed("an index of this program's format"));
        }
        let store = StoreId(reader.array("a store id")?);
        let mut position = || -> Result<Position, Malformed> {
            let segment = reader.int32("a segment")?;
            Ok(Position { segment, offset: reader.int32("an offset")? })
        };
        let (next, last) = (position()?, position()?);
        let next = Mark { position: next, sequence: reader.int("a sequence number")? };
        Ok(Self { store, next, last, hash: reader.int("a hash")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_reads_back() {
        let (last, position) = (Position { segment: 1, offset: 72 }, Position { segment: 2, offset: 99 });
        let next = Mark { position, sequence: 1 << 40 };
        let checkpoint = Checkpoint::after(StoreId([7; 16]), b"payload", last, next);
        assert_eq!(Checkpoint::decode(&checkpoint.encode()), Ok(checkpoint));
        assert!(checkpoint.ends_with(b"payload") && !checkpoint.ends_with(b"another"));
    }

    #[test]
    fn another_format_is_refused() {
        assert!((1..FORMAT as u8).all(|older| Checkpoint::decode(&[older]).is_err()));
        assert!(Checkpoint::decode(&[FORMAT as u8 + 1]).is_err());
    }
}
