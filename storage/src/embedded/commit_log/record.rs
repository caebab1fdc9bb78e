//! One record: a header of 40 bytes, then the payload, then zeros up to a multiple of 8.
//!
//! | offset | type | field |
//! | --- | --- | --- |
//! | 0 | u32 | length of the payload in bytes |
//! | 4 | u32 | kind: 1 a record, 2 a void, 3 a merged record |
//! | 8 | u64 | sequence: 1, 2, 3 … over the whole log |
//! | 16 | u32 | record: how many records right before it were not yet synced when it was written; void and merged record: how many sequence numbers it stands for |
//! | 20 | u32 | crc32c of the payload (a void's payload is not checked: 0) |
//! | 24 | u64 | the check of the record before; 0 in the log's first record; anything in the one after a void |
//! | 32 | u64 | check: xxh3-64 of bytes 0 to 31, its seed made of the segment's salt, the segment's number and this header's offset |
//!
//! All integers are little-endian. Since the salt is random and known to nobody who sends payloads, and since the
//! place is part of the seed, no bytes inside a payload and no copy of a record elsewhere pass for a record.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Bytes of a record's header.
pub(super) const HEADER_BYTES: u32 = 40;
/// Records begin at multiples of this many bytes.
pub(super) const ALIGN: u32 = 8;

/// The bytes that are checked.
const CHECKED: usize = 32;

/// Where a header lies, which decides its check.
#[derive(Copy, Clone, Debug)]
pub(super) struct Place {
    /// The segment's random number.
    pub salt: u64,
    /// The segment's number.
    pub segment: u32,
    /// The header's offset in the segment's file.
    pub offset: u32,
}

/// What follows a header.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// A payload that was appended.
    Record {
        /// How many records right before it were written but not synced when this one was written.
        unsynced: u32,
    },
    /// Bytes given up by a repair.
    Void {
        /// How many sequence numbers were given up.
        sequences: u32,
    },
    /// A payload that stands for several records, in a compacted segment.
    Merged {
        /// How many sequence numbers it stands for.
        sequences: u32,
    },
}

/// A record's header, but for its check.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) struct Header {
    pub length: u32,
    pub kind: Kind,
    pub sequence: u64,
    pub payload_crc: u32,
    pub previous: u64,
}

impl Header {
    /// The header's bytes, and the check that stands in them.
    pub fn encode(&self, place: Place) -> ([u8; HEADER_BYTES as usize], u64) {
        let (kind, count) = match self.kind {
            Kind::Record { unsynced } => (1u32, unsynced),
            Kind::Void { sequences } => (2u32, sequences),
            Kind::Merged { sequences } => (3u32, sequences),
        };
        let mut bytes = [0; HEADER_BYTES as usize];
        bytes[0..4].copy_from_slice(&self.length.to_le_bytes());
        bytes[4..8].copy_from_slice(&kind.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[16..20].copy_from_slice(&count.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.payload_crc.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.previous.to_le_bytes());
        let check = check(&bytes[..CHECKED], place);
        bytes[CHECKED..].copy_from_slice(&check.to_le_bytes());
        (bytes, check)
    }

    /// The header in the first 40 bytes of `bytes`, with its check; `None` where they are no header for this place.
    pub fn decode(bytes: &[u8], place: Place) -> Option<(Self, u64)> {
        let kind = u32_at(bytes, 4)?;
        let count = u32_at(bytes, 16)?;
        let kind = match kind {
            1 => Kind::Record { unsynced: count },
            2 => Kind::Void { sequences: count },
            3 => Kind::Merged { sequences: count },
            _ => return None,
        };
        let stored = u64_at(bytes, CHECKED)?;
        if stored != check(bytes.get(..CHECKED)?, place) {
            return None;
        }
        let header = Self {
            length: u32_at(bytes, 0)?,
            kind,
            sequence: u64_at(bytes, 8)?,
            payload_crc: u32_at(bytes, 20)?,
            previous: u64_at(bytes, 24)?,
        };
        Some((header, stored))
    }

    /// The sequence number up to which (itself not included) everything was durable when this was written.
    pub fn durable_before(&self) -> u64 {
        match self.kind {
            Kind::Record { unsynced } => self.sequence.saturating_sub(u64::from(unsynced)),
            Kind::Void { .. } | Kind::Merged { .. } => self.sequence,
        }
    }

    /// The sequence number that follows.
    pub fn next_sequence(&self) -> u64 {
        match self.kind {
            Kind::Record { .. } => self.sequence.saturating_add(1),
            Kind::Void { sequences } | Kind::Merged { sequences } => {
                self.sequence.saturating_add(u64::from(sequences))
            }
        }
    }

    /// Whether a payload follows that somebody wants.
    pub fn is_record(&self) -> bool {
        !matches!(self.kind, Kind::Void { .. })
    }

    /// Whether this is the payload that the header was made for.
    pub fn accepts(&self, payload: &[u8]) -> bool {
        match self.kind {
            Kind::Record { .. } | Kind::Merged { .. } => crc32c::crc32c(payload) == self.payload_crc,
            Kind::Void { .. } => true,
        }
    }

    /// Bytes from this header to the next.
    pub fn stride(&self) -> u64 {
        stride(u64::from(self.length))
    }
}

/// Bytes that a record with a payload of `length` bytes takes.
pub(super) fn stride(length: u64) -> u64 {
    u64::from(HEADER_BYTES) + length.next_multiple_of(u64::from(ALIGN))
}

/// crc32c over slices that follow one another.
pub(super) fn crc(payload: &[&[u8]]) -> u32 {
    payload.iter().fold(0, |crc, slice| crc32c::crc32c_append(crc, slice))
}

/// Little-endian integer at an offset, if the bytes reach that far.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_le_bytes(*chunk))
}

/// Little-endian integer at an offset, if the bytes reach that far.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
}

fn check(bytes: &[u8], place: Place) -> u64 {
    let at = u64::from(place.segment) << 32 | u64::from(place.offset);
    xxh3_64_with_seed(bytes, place.salt ^ at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place { salt: 99, segment: 3, offset: 4096 };

    fn header() -> Header {
        Header { length: 5, kind: Kind::Record { unsynced: 2 }, sequence: 17, payload_crc: 1, previous: 8 }
    }

    #[test]
    fn a_header_is_read_back() {
        let void = Header { kind: Kind::Void { sequences: 3 }, ..header() };
        let merged = Header { kind: Kind::Merged { sequences: 9 }, ..header() };
        for header in [header(), void, merged] {
            let (bytes, check) = header.encode(PLACE);
            assert_eq!(Header::decode(&bytes, PLACE), Some((header, check)));
        }
    }

    #[test]
    fn a_header_counts_only_in_its_own_place() {
        let (bytes, _) = header().encode(PLACE);
        for other in
            [Place { salt: 98, ..PLACE }, Place { segment: 4, ..PLACE }, Place { offset: 4104, ..PLACE }]
        {
            assert_eq!(Header::decode(&bytes, other), None);
        }
    }

    #[test]
    fn every_flipped_bit_of_a_header_is_noticed() {
        let (bytes, _) = header().encode(PLACE);
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(&bad, PLACE), None, "bit {bit}");
        }
    }

    #[test]
    fn zeros_and_short_bytes_are_no_header() {
        assert_eq!(Header::decode(&[0; 40], PLACE), None);
        let (bytes, _) = header().encode(PLACE);
        assert_eq!(Header::decode(&bytes[..39], PLACE), None);
    }

    #[test]
    fn a_crc_over_slices_is_that_of_the_whole() {
        assert_eq!(crc(&[b"abc", b"", b"defg"]), crc32c::crc32c(b"abcdefg"));
    }
}
