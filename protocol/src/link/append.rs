//! Appends and their answers.

use super::parts::{Parts, kind, tag};
use crate::event;
use crate::fields::{FieldError, put_bytes, put_int, put_some};

/// A durable message to be appended. With `pair` it goes into the inboxes of its sender and of its recipient;
/// `log` then is the sender's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Append<'a> {
    /// The request's number on this msg_server.
    pub ask: u64,
    /// The log, or the sender's inbox.
    pub log: &'a str,
    /// Whether it is a p2p message.
    pub pair: bool,
    /// The encoded content.
    pub content: &'a [u8],
}

/// What became of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended<'a> {
    /// The append's number.
    pub ask: u64,
    /// Stored or refused.
    pub outcome: Outcome<'a>,
}

/// Stored or refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// It is in its log, or logs, on disk.
    Stored(Stored),
    /// It was refused.
    Refused {
        /// The number of the [`crate::code::ErrorCode`].
        code: u16,
        /// For people.
        message: &'a str,
        /// Whether it may be in its log after all.
        stored: event::Stored,
    },
}

/// Where a message was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Its version in the log, or in the sender's inbox.
    pub version: u64,
    /// Its version in the recipient's inbox, for a p2p message to somebody else; else 0.
    pub peer_version: u64,
    /// The owner's time.
    pub time: u64,
    /// Of a topic: its count of ended memberships at that moment.
    pub revision: u64,
}

impl<'a> Append<'a> {
    pub(super) fn from_parts(parts: &Parts<'a>) -> Result<Self, FieldError> {
        Ok(Self {
            ask: parts.number(tag::ASK, "ask")?,
            log: parts.text(tag::LOG, "log")?,
            pair: parts.int(tag::PAIR, "pair")? != 0,
            content: parts.bytes(tag::CONTENT, "content")?,
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(kind::APPEND);
        put_int(out, tag::ASK, self.ask);
        put_bytes(out, tag::LOG, self.log.as_bytes());
        if self.pair {
            put_int(out, tag::PAIR, 1);
        }
        put_bytes(out, tag::CONTENT, self.content);
    }
}

impl<'a> Appended<'a> {
    pub(super) fn from_parts(parts: &Parts<'a>) -> Result<Self, FieldError> {
        let code = parts.small(tag::CODE, "code")?;
        let outcome = if code == 0 {
            Outcome::Stored(Stored {
                version: parts.number(tag::VERSION, "version")?,
                peer_version: parts.int(tag::PEER_VERSION, "peer version")?,
                time: parts.int(tag::TIME, "time")?,
                revision: parts.int(tag::REVISION, "revision")?,
            })
        } else {
            let maybe = parts.int(tag::MAYBE, "maybe")? != 0;
            Outcome::Refused {
                code,
                message: parts.maybe_text(tag::MESSAGE, "message")?.unwrap_or_default(),
                stored: if maybe { event::Stored::Maybe } else { event::Stored::No },
            }
        };
        Ok(Self { ask: parts.number(tag::ASK, "ask")?, outcome })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(kind::APPENDED);
        put_int(out, tag::ASK, self.ask);
        match self.outcome {
            Outcome::Stored(stored) => {
                put_int(out, tag::VERSION, stored.version);
                put_int(out, tag::PEER_VERSION, stored.peer_version);
                put_int(out, tag::TIME, stored.time);
                put_some(out, tag::REVISION, stored.revision);
            }
            Outcome::Refused { code, message, stored } => {
                put_int(out, tag::CODE, u64::from(code));
                put_bytes(out, tag::MESSAGE, message.as_bytes());
                put_int(out, tag::MAYBE, u64::from(stored == event::Stored::Maybe));
            }
        }
    }
}
