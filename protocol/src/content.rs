//! What a message says: encoded once at the edge, carried as it is from there on.
//!
//! A content is a run of [`crate::fields`]: 1 kind, 2 sender, 3 message id, 4 recipient (p2p only),
//! 5 the sender's device, 6 content type, 7 body. An [`Entry`] is a content with the version and the time that the
//! log's owner gave it.

use bytes::Bytes;
use xxhash_rust::xxh3::Xxh3Default;

use crate::fields::{FieldError, Fields, put_bytes, put_int};
use crate::ids::{Time, Version};

/// What sort of entry it is. A reader that does not know a kind counts its version and shows nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kind(pub u8);

impl Kind {
    /// Something that somebody said.
    pub const MESSAGE: Self = Self(1);
    /// Nothing: it fills a version that was lost.
    pub const VOID: Self = Self(2);
    /// What retention left of an entry: sender and id, so that a repeat is still known.
    pub const STUB: Self = Self(3);

    /// The kind's name on the wire; `None` for a kind of a later version.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::MESSAGE => Some("message"),
            Self::VOID => Some("void"),
            Self::STUB => Some("stub"),
            _ => None,
        }
    }
}

/// A content, its parts in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content<'a> {
    /// What sort of entry.
    pub kind: Kind,
    /// The sender's user id; empty in a void.
    pub sender: &'a str,
    /// The id that the sender gave it; empty in a void.
    pub id: &'a str,
    /// Whom a p2p message is for; `None` in a topic.
    pub to: Option<&'a str>,
    /// Which of the sender's devices it came from, where that was said.
    pub device: Option<&'a str>,
    /// The body's media type; `None`: plain UTF-8 text.
    pub content_type: Option<&'a str>,
    /// The body: opaque from the edge to the store and back.
    pub body: &'a [u8],
}

const KIND: u8 = 1;
const SENDER: u8 = 2;
const ID: u8 = 3;
const TO: u8 = 4;
const DEVICE: u8 = 5;
const TYPE: u8 = 6;
const BODY: u8 = 7;

impl<'a> Content<'a> {
    /// A text from `sender`, to a topic where `to` is `None`.
    pub fn text(sender: &'a str, id: &'a str, to: Option<&'a str>, text: &'a str) -> Self {
        let body = text.as_bytes();
        Self { kind: Kind::MESSAGE, sender, id, to, device: None, content_type: None, body }
    }

    /// An entry that says nothing.
    pub fn void() -> Self {
        Self { kind: Kind::VOID, ..Self::text("", "", None, "") }
    }

    /// Appends the encoded content.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_int(out, KIND, u64::from(self.kind.0));
        put_bytes(out, SENDER, self.sender.as_bytes());
        put_bytes(out, ID, self.id.as_bytes());
        for (tag, part) in [(TO, self.to), (DEVICE, self.device), (TYPE, self.content_type)] {
            if let Some(part) = part {
                put_bytes(out, tag, part.as_bytes());
            }
        }
        put_bytes(out, BODY, self.body);
    }

    /// The encoded content, on its own.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.body.len() + self.sender.len() + self.id.len() + 80);
        self.encode(&mut out);
        out.into()
    }

    /// Reads an encoded content in place; parts of later versions are skipped.
    ///
    /// # Errors
    /// [`FieldError`] if the bytes are no content.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FieldError> {
        let mut content = Self::void();
        let mut kind = None;
        for field in Fields::new(bytes) {
            let (tag, value) = field?;
            match tag {
                KIND => {
                    kind = Some(u8::try_from(value.int("kind")?).map_err(|_| FieldError::Invalid("kind"))?)
                }
                SENDER => content.sender = value.text("sender")?,
                ID => content.id = value.text("message id")?,
                TO => content.to = Some(value.text("recipient")?),
                DEVICE => content.device = Some(value.text("device")?),
                TYPE => content.content_type = Some(value.text("content type")?),
                BODY => content.body = value.bytes("body")?,
                _ => {}
            }
        }
        content.kind = Kind(kind.ok_or(FieldError::Missing("kind"))?);
        Ok(content)
    }

    /// The fingerprint by which a repeat is told from another message under the same id: XXH3-128 of
    /// kind, recipient, content type and body. Sender and id are what it is looked up by; the device does not
    /// count, so a message may be sent again from another one.
    pub fn fingerprint(&self) -> u128 {
        let mut hash = Xxh3Default::new();
        hash.update(&[self.kind.0]);
        for part in [self.to, self.content_type] {
            hash.update(&[u8::from(part.is_some())]);
            let text = part.unwrap_or_default();
            hash.update(&(text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        }
        hash.update(self.body);
        hash.digest128()
    }
}

/// One entry of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the log.
    pub version: Version,
    /// When the log's owner took it.
    pub time: Time,
    /// The encoded [`Content`], known to be well-formed.
    pub content: Bytes,
}

impl Entry {
    /// Bytes that it counts for in every bound.
    pub fn weight(&self) -> usize {
        self.content.len() + 32
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_content_reads_back(
            kind in 1u8..9, sender in ".{0,20}", id in "[a-z0-9]{0,20}", to in prop::option::of(".{1,9}"),
            device in prop::option::of("[a-z]{1,9}"), content_type in prop::option::of("[a-z/]{1,9}"),
            body in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let content = Content {
                kind: Kind(kind), sender: &sender, id: &id, to: to.as_deref(),
                device: device.as_deref(), content_type: content_type.as_deref(), body: &body,
            };
            let bytes = content.to_bytes();
            prop_assert_eq!(Content::parse(&bytes), Ok(content));
        }

        #[test]
        fn any_bytes_are_parsed_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Content::parse(&bytes);
        }
    }

    #[test]
    fn the_fingerprint_is_of_what_is_said_to_whom() {
        let said = Content::text("amy", "1", Some("bob"), "hi");
        let from_phone = Content { device: Some("phone"), ..said };
        assert_eq!(said.fingerprint(), from_phone.fingerprint());
        for other in [
            Content { to: Some("eve"), ..said },
            Content { to: None, ..said },
            Content { body: b"ho", ..said },
            Content { content_type: Some("text/plain"), ..said },
            Content { to: Some("bo"), body: b"bhi", ..said },
        ] {
            assert_ne!(said.fingerprint(), other.fingerprint(), "{other:?}");
        }
    }
}
