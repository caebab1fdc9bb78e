//! The binary frames of a link, parsed in place.

use super::append::{Append, Appended};
use super::change::{Change, Confirm};
use super::page::{Page, Read};
use super::parts::{Parts, kind, tag};
use super::send::Send;
use crate::fields::{FieldError, put_bytes, put_int};
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event;
    use crate::link::{Direction, Outcome, PageEntry, Stored};

    fn frames() -> Vec<Frame<'static>> {
        let entry = PageEntry { version: 4, time: 9, content: b"c" };
        let refused = Outcome::Refused { code: 4003, message: "no", stored: event::Stored::Maybe };
        let stored = Outcome::Stored(Stored { version: 3, peer_version: 0, time: 8, revision: 4 });
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
            Frame::Page(Page {
                ask: 2,
                first: 1,
                head: 5,
                entries: vec![entry, entry],
                refused: 0,
                revision: 3,
                since: 2,
            }),
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
                put_int(&mut body, 121, 5);
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
