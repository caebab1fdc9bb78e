//! Numbers and names as bytes: LEB128 integers, and byte strings behind their length.

use std::ops::Range;

/// Bytes that do not read back: what was expected where they went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} was expected")]
pub(crate) struct Malformed(pub &'static str);

/// Appends an integer, 1 to 10 bytes.
pub(crate) fn put_int(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends bytes behind their length.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_int(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Reads what [`put_int`] and [`put_bytes`] wrote, in place.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Whether everything was read.
    pub fn at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// How many bytes were read.
    pub fn position(&self) -> usize {
        self.at
    }

    pub fn byte(&mut self, what: &'static str) -> Result<u8, Malformed> {
        let byte = *self.bytes.get(self.at).ok_or(Malformed(what))?;
        self.at += 1;
        Ok(byte)
    }

    pub fn int(&mut self, what: &'static str) -> Result<u64, Malformed> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte(what)?;
            if shift == 63 && byte > 1 {
                return Err(Malformed(what));
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed(what))
    }

    /// An integer of at most 32 bits.
    pub fn int32(&mut self, what: &'static str) -> Result<u32, Malformed> {
        u32::try_from(self.int(what)?).map_err(|_| Malformed(what))
    }

    /// Where the next bytes behind their length lie.
    pub fn span(&mut self, what: &'static str) -> Result<Range<usize>, Malformed> {
        let len = usize::try_from(self.int(what)?).map_err(|_| Malformed(what))?;
        let end = self.at.checked_add(len).filter(|&end| end <= self.bytes.len()).ok_or(Malformed(what))?;
        let span = self.at..end;
        self.at = end;
        Ok(span)
    }

    pub fn bytes(&mut self, what: &'static str) -> Result<&'a [u8], Malformed> {
        let span = self.span(what)?;
        Ok(&self.bytes[span])
    }

    pub fn text(&mut self, what: &'static str) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes(what)?).map_err(|_| Malformed(what))
    }

    /// So many bytes as they are.
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Malformed> {
        let array = *self.bytes[self.at..].first_chunk::<N>().ok_or(Malformed(what))?;
        self.at += N;
        Ok(array)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_put_is_read(items in prop::collection::vec((any::<u64>(), prop::collection::vec(any::<u8>(), 0..99)), 0..9)) {
            let mut out = Vec::new();
            for (int, bytes) in &items {
                put_int(&mut out, *int);
                put_bytes(&mut out, bytes);
            }
            let mut reader = Reader::new(&out);
            for (int, bytes) in &items {
                prop_assert_eq!(reader.int("int"), Ok(*int));
                prop_assert_eq!(reader.bytes("bytes"), Ok(&bytes[..]));
            }
            prop_assert!(reader.at_end());
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut reader = Reader::new(&bytes);
            while reader.bytes("bytes").is_ok() && reader.int("int").is_ok() {}
        }
    }

    #[test]
    fn an_integer_of_more_than_64_bits_is_refused() {
        let bytes = [255, 255, 255, 255, 255, 255, 255, 255, 255, 2];
        assert_eq!(Reader::new(&bytes).int("size"), Err(Malformed("size")));
        assert_eq!(Reader::new(&[5, 1]).bytes("name"), Err(Malformed("name")));
        assert_eq!(Reader::new(&[5, 1]).array::<3>("three"), Err(Malformed("three")));
    }
}
