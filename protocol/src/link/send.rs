//! A message on its way to whoever follows its log.

use super::Frame;
use super::parts::{Parts, kind, tag};
use crate::fields::{FieldError, put_bytes, put_int};

/// A message for everybody who follows `log`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Send<'a> {
    /// The log, which for a volatile message only names the recipients.
    pub log: &'a str,
    /// Its version; 0: volatile.
    pub version: u64,
    /// The owner's time; 0: volatile.
    pub time: u64,
    /// The encoded content.
    pub content: &'a [u8],
}

impl<'a> Send<'a> {
    pub(super) fn from_parts(parts: &Parts<'a>) -> Result<Self, FieldError> {
        Ok(Self {
            log: parts.text(tag::LOG, "log")?,
            version: parts.int(tag::VERSION, "version")?,
            time: parts.int(tag::TIME, "time")?,
            content: parts.bytes(tag::CONTENT, "content")?,
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(kind::SEND);
        put_bytes(out, tag::LOG, self.log.as_bytes());
        put_int(out, tag::VERSION, self.version);
        put_int(out, tag::TIME, self.time);
        put_bytes(out, tag::CONTENT, self.content);
    }
}

/// A [`Send`] as a whole frame: what msg_server, router and msg_server pass on as it is.
pub fn encode_send(send: &Send<'_>) -> bytes::Bytes {
    Frame::Send(*send).to_bytes()
}
