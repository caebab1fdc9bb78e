//! What a message says.

use bytes::Bytes;

/// A message's body: text, or any bytes with a media type.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Body {
    /// The bytes; UTF-8 where it is text.
    pub bytes: Bytes,
    /// The media type; `None`: plain text.
    pub content_type: Option<String>,
}

impl Body {
    /// Bytes of a media type, for example `image/png`.
    pub fn of_type(content_type: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        Self { bytes: bytes.into(), content_type: Some(content_type.into()) }
    }

    /// The body as text, if it is UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes).ok()
    }
}

impl From<&str> for Body {
    fn from(text: &str) -> Self {
        Self { bytes: Bytes::copy_from_slice(text.as_bytes()), content_type: None }
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self { bytes: text.into(), content_type: None }
    }
}
