//! Tagged fields: the encoding inside link frames and message contents.
//!
//! A field is a key byte (`tag << 1 | form`), then, by form, `0`: an unsigned LEB128 integer, or
//! `1`: a LEB128 length and that many bytes. A reader skips tags it does not know, so fields can be
//! added without breaking a process of the version before.

/// What was wrong with encoded fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// The bytes end inside a field.
    #[error("the fields end in the middle of one")]
    Truncated,
    /// An integer has more than 64 bits.
    #[error("a field's integer has more than 64 bits")]
    Overflow,
    /// A field that must be there is not.
    #[error("the field {0} is missing")]
    Missing(&'static str),
    /// A field's value is not what it must be.
    #[error("the field {0} has a value that it must not have")]
    Invalid(&'static str),
}

/// One field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// An integer.
    Int(u64),
    /// Bytes, in place.
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The integer.
    ///
    /// # Errors
    /// [`FieldError::Invalid`] if the field holds bytes.
    pub fn int(self, what: &'static str) -> Result<u64, FieldError> {
        match self {
            Self::Int(value) => Ok(value),
            Self::Bytes(_) => Err(FieldError::Invalid(what)),
        }
    }

    /// The bytes.
    ///
    /// # Errors
    /// [`FieldError::Invalid`] if the field holds an integer.
    pub fn bytes(self, what: &'static str) -> Result<&'a [u8], FieldError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Int(_) => Err(FieldError::Invalid(what)),
        }
    }

    /// The bytes as text.
    ///
    /// # Errors
    /// [`FieldError::Invalid`] if the field holds an integer or bytes that are not UTF-8.
    pub fn text(self, what: &'static str) -> Result<&'a str, FieldError> {
        std::str::from_utf8(self.bytes(what)?).map_err(|_| FieldError::Invalid(what))
    }
}

/// Appends an integer field. `tag` is below 128.
pub fn put_int(out: &mut Vec<u8>, tag: u8, value: u64) {
    out.push(tag << 1);
    put_varint(out, value);
}

/// Appends an integer field, unless it is 0: which is what a reader takes a field for that is left out.
pub fn put_some(out: &mut Vec<u8>, tag: u8, value: u64) {
    if value != 0 {
        put_int(out, tag, value);
    }
}

/// Appends a bytes field. `tag` is below 128.
pub fn put_bytes(out: &mut Vec<u8>, tag: u8, value: &[u8]) {
    out.push(tag << 1 | 1);
    put_varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Reads fields one after another.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Reads the fields in `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn byte(&mut self) -> Result<u8, FieldError> {
        let (&first, rest) = self.rest.split_first().ok_or(FieldError::Truncated)?;
        self.rest = rest;
        Ok(first)
    }

    fn varint(&mut self) -> Result<u64, FieldError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(FieldError::Overflow);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(FieldError::Overflow)
    }

    fn value(&mut self, form: u8) -> Result<Value<'a>, FieldError> {
        let number = self.varint()?;
        if form == 0 {
            return Ok(Value::Int(number));
        }
        let len = usize::try_from(number).map_err(|_| FieldError::Truncated)?;
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(FieldError::Truncated)?;
        self.rest = rest;
        Ok(Value::Bytes(bytes))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u8, Value<'a>), FieldError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (&key, rest) = self.rest.split_first()?;
        self.rest = rest;
        let field = self.value(key & 1).map(|value| (key >> 1, value));
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_put_is_read(items in prop::collection::vec((0u8..128, any::<u64>(), prop::collection::vec(any::<u8>(), 0..300)), 0..20)) {
            let mut out = Vec::new();
            for (tag, int, bytes) in &items {
                put_int(&mut out, *tag, *int);
                put_bytes(&mut out, *tag, bytes);
            }
            let read: Vec<_> = Fields::new(&out).collect::<Result<_, _>>().unwrap();
            let put: Vec<_> = items
                .iter()
                .flat_map(|(tag, int, bytes)| [(*tag, Value::Int(*int)), (*tag, Value::Bytes(bytes))])
                .collect();
            prop_assert_eq!(read, put);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic_and_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Fields::new(&bytes).count() <= bytes.len());
        }
    }

    #[test]
    fn a_cut_field_is_an_error() {
        let mut out = Vec::new();
        put_bytes(&mut out, 3, b"hello");
        for end in 1..out.len() {
            assert_eq!(Fields::new(&out[..end]).next(), Some(Err(FieldError::Truncated)));
        }
        assert_eq!(Fields::new(&[0; 1]).next(), Some(Err(FieldError::Truncated)));
        assert_eq!(
            Fields::new(&[2, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2]).next(),
            Some(Err(FieldError::Overflow))
        );
    }
}
