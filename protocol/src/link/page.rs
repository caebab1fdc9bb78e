//! Reading a log.

use super::parts::{Parts, kind, tag};
use crate::fields::{FieldError, put_bytes, put_int, put_some};

/// A read of entries after a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read<'a> {
    /// The request's number on this msg_server.
    pub ask: u64,
    /// The log.
    pub log: &'a str,
    /// Who reads: checked against the membership where the log is a topic's. Absent: the mesh itself.
    pub reader: Option<&'a str>,
    /// Entries after this one.
    pub after: u64,
    /// At most so many entries.
    pub max_entries: u64,
    /// At most so many bytes of content, but at least one entry.
    pub max_bytes: u64,
}

/// Entries of a log, or why there are none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page<'a> {
    /// The read's number.
    pub ask: u64,
    /// The first version that retention has left; 1 where it took nothing.
    pub first: u64,
    /// The newest version.
    pub head: u64,
    /// Oldest first, without a hole among them.
    pub entries: Vec<PageEntry<'a>>,
    /// The number of the [`crate::code::ErrorCode`] if it was refused; else 0.
    pub refused: u16,
    /// Of a topic: its count of ended memberships, read before the entries were.
    pub revision: u64,
    /// The reader sees nothing up to here, and is told of no gap there ([`super::request::LogState::since`]).
    pub since: u64,
}

/// One entry of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageEntry<'a> {
    /// Its version.
    pub version: u64,
    /// The owner's time.
    pub time: u64,
    /// The encoded content.
    pub content: &'a [u8],
}

impl<'a> PageEntry<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, FieldError> {
        let parts = Parts::read(bytes)?;
        Ok(Self {
            version: parts.number(tag::VERSION, "version")?,
            time: parts.int(tag::TIME, "time")?,
            content: parts.bytes(tag::CONTENT, "content")?,
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        put_int(out, tag::VERSION, self.version);
        put_int(out, tag::TIME, self.time);
        put_bytes(out, tag::CONTENT, self.content);
    }
}

impl<'a> Read<'a> {
    pub(super) fn from_parts(parts: &Parts<'a>) -> Result<Self, FieldError> {
        Ok(Self {
            ask: parts.number(tag::ASK, "ask")?,
            log: parts.text(tag::LOG, "log")?,
            reader: parts.maybe_text(tag::READER, "reader")?,
            after: parts.int(tag::AFTER, "after")?,
            max_entries: parts.number(tag::MAX_ENTRIES, "max entries")?,
            max_bytes: parts.number(tag::MAX_BYTES, "max bytes")?,
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(kind::READ);
        put_int(out, tag::ASK, self.ask);
        put_bytes(out, tag::LOG, self.log.as_bytes());
        if let Some(reader) = self.reader {
            put_bytes(out, tag::READER, reader.as_bytes());
        }
        put_int(out, tag::AFTER, self.after);
        put_int(out, tag::MAX_ENTRIES, self.max_entries);
        put_int(out, tag::MAX_BYTES, self.max_bytes);
    }
}

impl<'a> Page<'a> {
    pub(super) fn from_parts(parts: Parts<'a>) -> Result<Self, FieldError> {
        Ok(Self {
            ask: parts.number(tag::ASK, "ask")?,
            first: parts.int(tag::FIRST, "first")?,
            head: parts.int(tag::HEAD, "head")?,
            refused: parts.small(tag::CODE, "code")?,
            revision: parts.int(tag::REVISION, "revision")?,
            since: parts.int(tag::SINCE, "since")?,
            entries: parts.entries,
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(kind::PAGE);
        put_int(out, tag::ASK, self.ask);
        put_int(out, tag::FIRST, self.first);
        put_int(out, tag::HEAD, self.head);
        put_int(out, tag::CODE, u64::from(self.refused));
        put_some(out, tag::REVISION, self.revision);
        put_some(out, tag::SINCE, self.since);
        let mut encoded = Vec::new();
        for entry in &self.entries {
            encoded.clear();
            entry.write(&mut encoded);
            put_bytes(out, tag::ENTRY, &encoded);
        }
    }
}
