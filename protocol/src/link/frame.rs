//! The binary frames of a link, parsed in place.

use crate::event;
use crate::fields::{FieldError, Fields, Value, put_bytes, put_int};
use crate::packet;

/// A frame of a link, its parts in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A command packet: JSON.
    Packet(&'a [u8]),
    /// msg_server to manager: store this.
    Append(Append<'a>),
    /// manager to msg_server: what became of an append.
    Appended(Appended<'a>),
    /// msg_server to router to msg_server: a message for whoever follows the log.
    Send(Send<'a>),
    /// msg_server to manager: entries after a version.
    Read(Read<'a>),
    /// manager to msg_server: the entries.
    Page(Page<'a>),
    /// msg_server to subscriber: one thing of a channel's state changed, or is part of its snapshot.
    Change(Change<'a>),
    /// subscriber to msg_server: changes up to this number are applied; msg_server to subscriber: the snapshot
    /// ends here, and stands for everything up to this number.
    Confirm(Confirm),
    /// A question in JSON ([`super::request::Request`]), to be answered under its number.
    Ask(u64, &'a [u8]),
    /// The answer in JSON ([`super::request::Reply`]).
    Answer(u64, &'a [u8]),
    /// A process's figures in JSON, on their way to `/sysctrl/monitor`.
    Report(&'a [u8]),
    /// An order to the process at the other end, in JSON.
    Order(&'a [u8]),
    /// News that is nobody's state, in JSON ([`super::request::Notice`]).
    Notice(&'a [u8]),
    /// A frame of a later version.
    Unknown(u8),
}

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
}

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

/// Whether something began or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// It is so from now on.
    Begin,
    /// It is so no longer.
    End,
}

/// A change of a channel's state. In a snapshot `number` is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    /// The number of this change on this subscription, counted up by one; 0: part of the snapshot.
    pub number: u64,
    /// The channel, as [`crate::channel::Channel`]'s number.
    pub channel: u8,
    /// Begin or end.
    pub direction: Direction,
    /// The log that this msg_server begins or stops to follow.
    pub log: &'a str,
    /// For a session: the device (empty: none was named).
    pub device: Option<&'a str>,
    /// For a session: the number of its login, greater than that of any earlier login.
    pub stamp: u64,
}

/// Up to which number changes are applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confirm {
    /// The number.
    pub number: u64,
}

mod kind {
    pub const APPEND: u8 = 1;
    pub const APPENDED: u8 = 2;
    pub const SEND: u8 = 3;
    pub const READ: u8 = 4;
    pub const PAGE: u8 = 5;
    pub const CHANGE: u8 = 6;
    pub const CONFIRM: u8 = 7;
    pub const ASK: u8 = 8;
    pub const ANSWER: u8 = 9;
    pub const REPORT: u8 = 10;
    pub const ORDER: u8 = 11;
    pub const NOTICE: u8 = 12;
}

/// Tags shared by all frames: one meaning each.
mod tag {
    pub const ASK: u8 = 1;
    pub const LOG: u8 = 2;
    pub const VERSION: u8 = 3;
    pub const TIME: u8 = 4;
    pub const CONTENT: u8 = 5;
    pub const PAIR: u8 = 6;
    pub const PEER_VERSION: u8 = 7;
    pub const CODE: u8 = 8;
    pub const MESSAGE: u8 = 9;
    pub const MAYBE: u8 = 10;
    pub const READER: u8 = 11;
    pub const AFTER: u8 = 12;
    pub const MAX_ENTRIES: u8 = 13;
    pub const MAX_BYTES: u8 = 14;
    pub const FIRST: u8 = 15;
    pub const HEAD: u8 = 16;
    pub const ENTRY: u8 = 17;
    pub const NUMBER: u8 = 18;
    pub const CHANNEL: u8 = 19;
    pub const END: u8 = 20;
    pub const DEVICE: u8 = 21;
    pub const STAMP: u8 = 22;
    pub const JSON: u8 = 23;
}

/// The fields of one frame, by tag; the last of a repeated tag counts, but for entries, which gather.
struct Parts<'a> {
    values: [Option<Value<'a>>; 24],
    entries: Vec<PageEntry<'a>>,
}

impl<'a> Parts<'a> {
    fn read(body: &'a [u8]) -> Result<Self, FieldError> {
        let mut parts = Self { values: [None; 24], entries: Vec::new() };
        for field in Fields::new(body) {
            let (tag, value) = field?;
            if tag == tag::ENTRY {
                parts.entries.push(PageEntry::read(value.bytes("entry")?)?);
            } else if let Some(slot) = parts.values.get_mut(usize::from(tag)) {
                *slot = Some(value);
            }
        }
        Ok(parts)
    }

    fn int(&self, tag: u8, what: &'static str) -> Result<u64, FieldError> {
        self.values[usize::from(tag)].map_or(Ok(0), |value| value.int(what))
    }

    fn number(&self, tag: u8, what: &'static str) -> Result<u64, FieldError> {
        self.values[usize::from(tag)].ok_or(FieldError::Missing(what))?.int(what)
    }

    fn small<T: TryFrom<u64>>(&self, tag: u8, what: &'static str) -> Result<T, FieldError> {
        T::try_from(self.int(tag, what)?).map_err(|_| FieldError::Invalid(what))
    }

    fn text(&self, tag: u8, what: &'static str) -> Result<&'a str, FieldError> {
        self.values[usize::from(tag)].ok_or(FieldError::Missing(what))?.text(what)
    }

    fn maybe_text(&self, tag: u8, what: &'static str) -> Result<Option<&'a str>, FieldError> {
        self.values[usize::from(tag)].map(|value| value.text(what)).transpose()
    }

    fn bytes(&self, tag: u8, what: &'static str) -> Result<&'a [u8], FieldError> {
        self.values[usize::from(tag)].ok_or(FieldError::Missing(what))?.bytes(what)
    }
}

impl<'a> PageEntry<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, FieldError> {
        let parts = Parts::read(bytes)?;
        Ok(Self {
            version: parts.number(tag::VERSION, "version")?,
            time: parts.int(tag::TIME, "time")?,
            content: parts.bytes(tag::CONTENT, "content")?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        put_int(out, tag::VERSION, self.version);
        put_int(out, tag::TIME, self.time);
        put_bytes(out, tag::CONTENT, self.content);
    }
}

impl<'a> Frame<'a> {
    /// Reads a frame's body in place.
    ///
    /// # Errors
    /// [`FieldError`] if it is no frame of a link.
    pub fn parse(body: &'a [u8]) -> Result<Self, FieldError> {
        let (&first, fields) = body.split_first().ok_or(FieldError::Truncated)?;
        if first == b'{' {
            return Ok(Self::Packet(body));
        }
        let parts = Parts::read(fields)?;
        Ok(match first {
            kind::APPEND => Self::Append(Append::from_parts(&parts)?),
            kind::APPENDED => Self::Appended(Appended::from_parts(&parts)?),
            kind::SEND => Self::Send(Send::from_parts(&parts)?),
            kind::READ => Self::Read(Read::from_parts(&parts)?),
            kind::PAGE => Self::Page(Page::from_parts(parts)?),
            kind::CHANGE => Self::Change(Change::from_parts(&parts)?),
            kind::CONFIRM => Self::Confirm(Confirm { number: parts.number(tag::NUMBER, "number")? }),
            kind::ASK => Self::Ask(parts.number(tag::ASK, "ask")?, parts.bytes(tag::JSON, "json")?),
            kind::ANSWER => Self::Answer(parts.number(tag::ASK, "ask")?, parts.bytes(tag::JSON, "json")?),
            kind::REPORT => Self::Report(parts.bytes(tag::JSON, "json")?),
            kind::ORDER => Self::Order(parts.bytes(tag::JSON, "json")?),
            kind::NOTICE => Self::Notice(parts.bytes(tag::JSON, "json")?),
            other => Self::Unknown(other),
        })
    }

    /// Appends the frame, its length in front.
    pub fn encode(&self, out: &mut Vec<u8>) {
        packet::write(out, |out| self.write(out));
    }

    /// The frame as bytes, its length in front.
    pub fn to_bytes(&self) -> bytes::Bytes {
        let mut out = Vec::with_capacity(128);
        self.encode(&mut out);
        out.into()
    }

    fn write(&self, out: &mut Vec<u8>) {
        let json = |out: &mut Vec<u8>, kind: u8, ask: Option<u64>, json: &[u8]| {
            out.push(kind);
            if let Some(ask) = ask {
                put_int(out, tag::ASK, ask);
            }
            put_bytes(out, tag::JSON, json);
        };
        match self {
            Self::Packet(body) => out.extend_from_slice(body),
            Self::Append(append) => append.write(out),
            Self::Appended(appended) => appended.write(out),
            Self::Send(send) => send.write(out),
            Self::Read(read) => read.write(out),
            Self::Page(page) => page.write(out),
            Self::Change(change) => change.write(out),
            Self::Confirm(confirm) => {
                out.push(kind::CONFIRM);
                put_int(out, tag::NUMBER, confirm.number);
            }
            Self::Ask(ask, body) => json(out, kind::ASK, Some(*ask), body),
            Self::Answer(ask, body) => json(out, kind::ANSWER, Some(*ask), body),
            Self::Report(body) => json(out, kind::REPORT, None, body),
            Self::Order(body) => json(out, kind::ORDER, None, body),
            Self::Notice(body) => json(out, kind::NOTICE, None, body),
            Self::Unknown(kind) => out.push(*kind),
        }
    }
}

impl<'a> Append<'a> {
    fn from_parts(parts: &Parts<'a>) -> Result<Self, FieldError> {
        Ok(Self {
            ask: parts.number(tag::ASK, "ask")?,
            log: parts.text(tag::LOG, "log")?,
            pair: parts.int(tag::PAIR, "pair")? != 0,
            content: parts.bytes(tag::CONTENT, "content")?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
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
    fn from_parts(parts: &Parts<'a>) -> Result<Self, FieldError> {
        let code = parts.small(tag::CODE, "code")?;
        let outcome = if code == 0 {
            Outcome::Stored(Stored {
                version: parts.number(tag::VERSION, "version")?,
                peer_version: parts.int(tag::PEER_VERSION, "peer version")?,
                time: parts.int(tag::TIME, "time")?,
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

    fn write(&self, out: &mut Vec<u8>) {
        out.push(kind::APPENDED);
        put_int(out, tag::ASK, self.ask);
        match self.outcome {
            Outcome::Stored(stored) => {
                put_int(out, tag::VERSION, stored.version);
                put_int(out, tag::PEER_VERSION, stored.peer_version);
                put_int(out, tag::TIME, stored.time);
            }
            Outcome::Refused { code, message, stored } => {
                put_int(out, tag::CODE, u64::from(code));
                put_bytes(out, tag::MESSAGE, message.as_bytes());
                put_int(out, tag::MAYBE, u64::from(stored == event::Stored::Maybe));
            }
        }
    }
}

impl<'a> Send<'a> {
    fn from_parts(parts: &Parts<'a>) -> Result<Self, FieldError> {
        Ok(Self {
            log: parts.text(tag::LOG, "log")?,
            version: parts.int(tag::VERSION, "version")?,
            time: parts.int(tag::TIME, "time")?,
            content: parts.bytes(tag::CONTENT, "content")?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
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

impl<'a> Read<'a> {
    fn from_parts(parts: &Parts<'a>) -> Result<Self, FieldError> {
        Ok(Self {
            ask: parts.number(tag::ASK, "ask")?,
            log: parts.text(tag::LOG, "log")?,
            reader: parts.maybe_text(tag::READER, "reader")?,
            after: parts.int(tag::AFTER, "after")?,
            max_entries: parts.number(tag::MAX_ENTRIES, "max entries")?,
            max_bytes: parts.number(tag::MAX_BYTES, "max bytes")?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
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
    fn from_parts(parts: Parts<'a>) -> Result<Self, FieldError> {
        Ok(Self {
            ask: parts.number(tag::ASK, "ask")?,
            first: parts.int(tag::FIRST, "first")?,
            head: parts.int(tag::HEAD, "head")?,
            refused: parts.small(tag::CODE, "code")?,
            entries: parts.entries,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(kind::PAGE);
        put_int(out, tag::ASK, self.ask);
        put_int(out, tag::FIRST, self.first);
        put_int(out, tag::HEAD, self.head);
        put_int(out, tag::CODE, u64::from(self.refused));
        let mut encoded = Vec::new();
        for entry in &self.entries {
            encoded.clear();
            entry.write(&mut encoded);
            put_bytes(out, tag::ENTRY, &encoded);
        }
    }
}

impl<'a> Change<'a> {
    fn from_parts(parts: &Parts<'a>) -> Result<Self, FieldError> {
        let end = parts.int(tag::END, "end")? != 0;
        Ok(Self {
            number: parts.int(tag::NUMBER, "number")?,
            channel: parts.small(tag::CHANNEL, "channel")?,
            direction: if end { Direction::End } else { Direction::Begin },
            log: parts.text(tag::LOG, "log")?,
            device: parts.maybe_text(tag::DEVICE, "device")?,
            stamp: parts.int(tag::STAMP, "stamp")?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(kind::CHANGE);
        put_int(out, tag::NUMBER, self.number);
        put_int(out, tag::CHANNEL, u64::from(self.channel));
        if self.direction == Direction::End {
            put_int(out, tag::END, 1);
        }
        put_bytes(out, tag::LOG, self.log.as_bytes());
        if let Some(device) = self.device {
            put_bytes(out, tag::DEVICE, device.as_bytes());
        }
        put_int(out, tag::STAMP, self.stamp);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames() -> Vec<Frame<'static>> {
        let entry = PageEntry { version: 4, time: 9, content: b"c" };
        let refused = Outcome::Refused { code: 4003, message: "no", stored: event::Stored::Maybe };
        let stored = Outcome::Stored(Stored { version: 3, peer_version: 0, time: 8 });
        let change = Change {
            number: 7,
            channel: 1,
            direction: Direction::End,
            log: "u/a",
            device: Some(""),
            stamp: 3,
        };
        vec![
            Frame::Packet(b"{}"),
            Frame::Append(Append { ask: 1, log: "u/a", pair: true, content: b"x" }),
            Frame::Appended(Appended { ask: 1, outcome: stored }),
            Frame::Appended(Appended { ask: 1, outcome: refused }),
            Frame::Send(Send { log: "t/x", version: 1 << 40, time: 2, content: b"" }),
            Frame::Read(Read {
                ask: 2,
                log: "t/x",
                reader: Some("amy"),
                after: 5,
                max_entries: 9,
                max_bytes: 10,
            }),
            Frame::Page(Page { ask: 2, first: 1, head: 5, entries: vec![entry, entry], refused: 0 }),
            Frame::Change(change),
            Frame::Confirm(Confirm { number: 12 }),
            Frame::Ask(3, b"{}"),
            Frame::Answer(3, b"{}"),
            Frame::Report(b"{}"),
            Frame::Order(b"{}"),
            Frame::Notice(b"{}"),
            Frame::Unknown(99),
        ]
    }

    #[test]
    fn every_frame_reads_back() {
        for frame in frames() {
            let bytes = frame.to_bytes();
            assert_eq!(Frame::parse(&bytes[4..]), Ok(frame));
        }
    }

    #[test]
    fn fields_of_a_later_version_are_skipped() {
        for frame in frames() {
            let mut body = frame.to_bytes()[4..].to_vec();
            if body[0] != b'{' {
                put_bytes(&mut body, 120, b"new");
                put_int(&mut body, 24, 5);
            }
            assert_eq!(Frame::parse(&body), Ok(frame));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_without_a_panic(kind in 0u8..14, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Frame::parse(&[&[kind][..], &bytes].concat());
        }
    }
}
