//! A record of the commit log: the changes of one group commit, as they are written.
//!
//! A record is its format's version (one byte, 2), its time (milliseconds), and then changes one after another, each
//! a byte that says which and its parts. A log is named once in a record, by a `Log` change; the entries that follow
//! name it by its number in the record, 0, 1, 2 …. Versions are written out, so that entries keep theirs
//! even where a repair gave up records before them. Format 2 knows more changes than format 1, which is read as well.
//! Format 1 knew of accounts by their names and devices only.

use protocol::ids::Time;
use protocol::link::request::Mark;

use super::keys::{byte_mark, mark_byte};
use crate::Rules;
use crate::codec::{Malformed, Reader, put_bytes, put_int};
use crate::topic::Traits;

/// The newest format of records that this program knows.
pub(crate) const FORMAT: u8 = 2;

/// A place in a log: the log's number in the record, and the version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub slot: usize,
    pub version: u64,
}

/// One change of the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change<'a> {
    /// Gives this log the next number in the record.
    Log { name: &'a str },
    /// A new entry.
    Entry { place: Place, time: Time, open: bool, content: &'a [u8] },
    /// A new entry in two logs, stored once.
    Pair { sender: Place, recipient: Place, time: Time, content: &'a [u8] },
    /// An open entry is whole.
    Closed { place: Place },
    /// The log begins at this version now; a log without entries will go on from there.
    First { place: Place },
    /// Repeats of entries before this version are not known any more.
    Forget { place: Place },
    /// A new account that nobody has claimed; only in format 1.
    Account { user: &'a str, time: Time },
    /// A user's new device; only in format 1.
    Device { user: &'a str, device: &'a str, time: Time },
    /// The account's record is this one now.
    Record { user: &'a str, record: &'a [u8] },
    /// The count of the user's membership changes moves, though no membership changed.
    Revised { user: &'a str },
    /// A new topic, made in this life of its creator's name.
    Topic { name: &'a str, creator: &'a str, created: Time, rules: Rules, creator_life: u64 },
    /// A new member, who reads what comes after this version.
    Join { topic: &'a str, user: &'a str, since: u64 },
    /// A member, or somebody invited, less.
    Leave { topic: &'a str, user: &'a str },
    /// Somebody may become a member.
    Invite { topic: &'a str, user: &'a str, by: &'a str },
    /// Somebody is put out.
    Remove { topic: &'a str, user: &'a str },
    /// The topic is no more.
    Dissolve { topic: &'a str },
    /// A cursor stands here now; at 0, there is none any more.
    Cursor { user: &'a str, device: Option<&'a str>, log: &'a str, mark: Mark, version: u64 },
    /// An entry of one log or two that retention took: only repeats of it are to be known, by what
    /// [`super::keys::message_hash`] and [`protocol::content::Content::fingerprint`] gave.
    Stub { place: Place, peer: Option<Place>, time: Time, hash: u128, fingerprint: u128 },
}

const LOG: u8 = 1;
const ENTRY: u8 = 2;
const OPEN_ENTRY: u8 = 3;
const PAIR: u8 = 4;
const CLOSED: u8 = 5;
const FIRST: u8 = 6;
const FORGET: u8 = 7;
const ACCOUNT: u8 = 8;
const DEVICE: u8 = 9;
const TOPIC: u8 = 10;
const VOLATILE_TOPIC: u8 = 11;
const JOIN: u8 = 12;
const LEAVE: u8 = 13;
const CURSOR: u8 = 14;
const ACCOUNT_AT: u8 = 15;
const DEVICE_AT: u8 = 16;
const STUB: u8 = 17;
const PAIR_STUB: u8 = 18;
const RECORD: u8 = 20;
const REVISED: u8 = 21;
const TOPIC_WITH_RULES: u8 = 32;
const JOIN_SINCE: u8 = 33;
const INVITE: u8 = 34;
const REMOVE: u8 = 35;
const DISSOLVE: u8 = 36;

/// Begins a record.
pub(crate) fn put_header(out: &mut Vec<u8>, time: Time) {
    out.push(FORMAT);
    put_int(out, time.0);
}

impl Change<'_> {
    /// Appends the change to a record of the time `base`. A content is the last of it.
    pub fn encode(&self, base: Time, out: &mut Vec<u8>) {
        match *self {
            Self::Log { name } => put_names(out, LOG, &[name]),
            Self::Entry { place, time, open, content } => {
                out.push(if open { OPEN_ENTRY } else { ENTRY });
                place.encode(out);
                put_time(out, base, time);
                put_bytes(out, content);
            }
            Self::Pair { sender, recipient, time, content } => {
                out.push(PAIR);
                sender.encode(out);
                recipient.encode(out);
                put_time(out, base, time);
                put_bytes(out, content);
            }
            Self::Closed { place } => put_place(out, CLOSED, place),
            Self::First { place } => put_place(out, FIRST, place),
            Self::Forget { place } => put_place(out, FORGET, place),
            Self::Account { user, time } => put_timed(out, [ACCOUNT, ACCOUNT_AT], &[user], base, time),
            Self::Device { user, device, time } => {
                put_timed(out, [DEVICE, DEVICE_AT], &[user, device], base, time);
            }
            Self::Record { user, record } => {
                put_names(out, RECORD, &[user]);
                put_bytes(out, record);
            }
            Self::Revised { user } => put_names(out, REVISED, &[user]),
            Self::Topic { name, creator, created, rules, creator_life } => {
                put_names(out, TOPIC_WITH_RULES, &[name, creator]);
                put_time(out, base, created);
                put_int(out, Traits { rules, dissolved: false, creator_life }.bits());
            }
            Self::Join { topic, user, since } => {
                put_names(out, JOIN_SINCE, &[topic, user]);
                put_int(out, since);
            }
            Self::Leave { topic, user } => put_names(out, LEAVE, &[topic, user]),
            Self::Invite { topic, user, by } => put_names(out, INVITE, &[topic, user, by]),
            Self::Remove { topic, user } => put_names(out, REMOVE, &[topic, user]),
            Self::Dissolve { topic } => put_names(out, DISSOLVE, &[topic]),
            Self::Cursor { user, device, log, mark, version } => {
                put_names(out, CURSOR, &[user, device.unwrap_or_default(), log]);
                out.push(mark_byte(mark));
                put_int(out, version);
            }
            Self::Stub { place, peer, time, hash, fingerprint } => {
                put_place(out, if peer.is_some() { PAIR_STUB } else { STUB }, place);
                if let Some(peer) = peer {
                    peer.encode(out);
                }
                put_time(out, base, time);
                out.extend_from_slice(&hash.to_be_bytes());
                out.extend_from_slice(&fingerprint.to_be_bytes());
            }
        }
    }
}

/// Names and a time, which is written only if it is not the record's: that is what the second tag says.
fn put_timed(out: &mut Vec<u8>, tags: [u8; 2], names: &[&str], base: Time, time: Time) {
    let [of_record, own] = tags;
    put_names(out, if time == base { of_record } else { own }, names);
    if time != base {
        put_time(out, base, time);
    }
}

fn put_names(out: &mut Vec<u8>, tag: u8, names: &[&str]) {
    out.push(tag);
    names.iter().for_each(|name| put_bytes(out, name.as_bytes()));
}

fn put_place(out: &mut Vec<u8>, tag: u8, place: Place) {
    out.push(tag);
    place.encode(out);
}

/// Times are mostly the record's own: they are written as the difference, its sign in the lowest bit.
fn put_time(out: &mut Vec<u8>, base: Time, time: Time) {
    let difference = time.0.wrapping_sub(base.0) as i64;
    put_int(out, (difference << 1 ^ difference >> 63) as u64);
}

fn read_time(reader: &mut Reader<'_>, base: Time) -> Result<Time, Malformed> {
    let coded = reader.int("a time")?;
    let difference = (coded >> 1) as i64 ^ -((coded & 1) as i64);
    Ok(Time(base.0.wrapping_add(difference as u64)))
}

impl Place {
    fn encode(self, out: &mut Vec<u8>) {
        put_int(out, self.slot as u64);
        put_int(out, self.version);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let slot = reader.int32("a log's number")? as usize;
        Ok(Self { slot, version: reader.int("a version")? })
    }
}

/// Why a record does not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("it has format {0}, this program knows formats up to {FORMAT}")]
    Newer(u8),
    #[error("{0}")]
    Malformed(#[from] Malformed),
}

/// Reads a record's changes, each with the offset at which its content (or what would follow it) begins.
pub(crate) struct Changes<'a> {
    payload: &'a [u8],
    reader: Reader<'a>,
    /// The record's time.
    pub time: Time,
}

impl<'a> Changes<'a> {
    pub fn new(payload: &'a [u8]) -> Result<Self, RecordError> {
        let mut reader = Reader::new(payload);
        match reader.byte("a format")? {
            0 => return Err(Malformed("a format").into()),
            1..=FORMAT => {}
            newer => return Err(RecordError::Newer(newer)),
        }
        let time = Time(reader.int("a time")?);
        Ok(Self { payload, reader, time })
    }

    fn content(&mut self, offset: &mut usize) -> Result<&'a [u8], Malformed> {
        let span = self.reader.span("a content")?;
        *offset = span.start;
        Ok(&self.payload[span])
    }

    /// The next change, and where its content begins in the record (0 where it has none); `None` at the end.
    pub fn next(&mut self) -> Result<Option<(Change<'a>, usize)>, Malformed> {
        if self.reader.at_end() {
            return Ok(None);
        }
        let mut offset = 0;
        let tag = self.reader.byte("a change")?;
        let change = match tag {
            ENTRY | OPEN_ENTRY => {
                let place = Place::read(&mut self.reader)?;
                let time = read_time(&mut self.reader, self.time)?;
                Change::Entry { place, time, open: tag == OPEN_ENTRY, content: self.content(&mut offset)? }
            }
            PAIR => {
                let sender = Place::read(&mut self.reader)?;
                let recipient = Place::read(&mut self.reader)?;
                let time = read_time(&mut self.reader, self.time)?;
                Change::Pair { sender, recipient, time, content: self.content(&mut offset)? }
            }
            _ => self.small(tag)?,
        };
        Ok(Some((change, offset)))
    }

    /// A change without a content.
    fn small(&mut self, tag: u8) -> Result<Change<'a>, Malformed> {
        let reader = &mut self.reader;
        Ok(match tag {
            LOG => Change::Log { name: reader.text("a log")? },
            CLOSED => Change::Closed { place: Place::read(reader)? },
            FIRST => Change::First { place: Place::read(reader)? },
            FORGET => Change::Forget { place: Place::read(reader)? },
            ACCOUNT | ACCOUNT_AT => {
                let user = reader.text("a user")?;
                Change::Account { user, time: self.time_of(tag == ACCOUNT_AT)? }
            }
            DEVICE | DEVICE_AT => {
                let (user, device) = (reader.text("a user")?, reader.text("a device")?);
                Change::Device { user, device, time: self.time_of(tag == DEVICE_AT)? }
            }
            RECORD => Change::Record { user: reader.text("a user")?, record: reader.bytes("an account")? },
            REVISED => Change::Revised { user: reader.text("a user")? },
            TOPIC | VOLATILE_TOPIC | TOPIC_WITH_RULES => {
                let (name, creator) = (reader.text("a topic")?, reader.text("a creator")?);
                let created = read_time(reader, self.time)?;
                let volatile = Rules { volatile: tag == VOLATILE_TOPIC, ..Rules::default() };
                let traits = match tag {
                    TOPIC_WITH_RULES => Traits::from_bits(reader.int("rules")?),
                    _ => Traits { rules: volatile, dissolved: false, creator_life: 0 },
                };
                let Traits { rules, creator_life, .. } = traits;
                Change::Topic { name, creator, created, rules, creator_life }
            }
            JOIN | JOIN_SINCE => Change::Join {
                topic: reader.text("a topic")?,
                user: reader.text("a user")?,
                since: if tag == JOIN { 0 } else { reader.int("a version")? },
            },
            LEAVE => Change::Leave { topic: reader.text("a topic")?, user: reader.text("a user")? },
            INVITE => Change::Invite {
                topic: reader.text("a topic")?,
                user: reader.text("a user")?,
                by: reader.text("who invites")?,
            },
            REMOVE => Change::Remove { topic: reader.text("a topic")?, user: reader.text("a user")? },
            DISSOLVE => Change::Dissolve { topic: reader.text("a topic")? },
            CURSOR => Change::Cursor {
                user: reader.text("a user")?,
                device: Some(reader.text("a device")?).filter(|device| !device.is_empty()),
                log: reader.text("a log")?,
                mark: byte_mark(reader.byte("a mark")?).ok_or(Malformed("a mark"))?,
                version: reader.int("a version")?,
            },
            STUB | PAIR_STUB => {
                let place = Place::read(reader)?;
                let peer = if tag == PAIR_STUB { Some(Place::read(reader)?) } else { None };
                let time = read_time(reader, self.time)?;
                let mut number = || reader.array("a hash").map(u128::from_be_bytes);
                Change::Stub { place, peer, time, hash: number()?, fingerprint: number()? }
            }
            _ => return Err(Malformed("a known change")),
        })
    }

    /// The time that follows, or the record's where none does.
    fn time_of(&mut self, follows: bool) -> Result<Time, Malformed> {
        if follows { read_time(&mut self.reader, self.time) } else { Ok(self.time) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Time = Time(1_000);

    fn made(created: u64, rules: u64, creator_life: u64) -> Change<'static> {
        let (created, rules) = (Time(created), Rules::from_bits(rules));
        Change::Topic { name: "garden", creator: "amy", created, rules, creator_life }
    }

    fn one_of_each() -> Vec<Change<'static>> {
        let (place, recipient) = (Place { slot: 0, version: 7 }, Place { slot: 300, version: 1 << 50 });
        let (user, topic, content) = ("amy", "garden", &b"said"[..]);
        vec![
            Change::Log { name: "u/amy" },
            Change::Entry { place, time: Time(3), open: false, content },
            Change::Entry { place, time: BASE, open: true, content: b"" },
            Change::Pair { sender: place, recipient, time: Time(u64::MAX), content },
            Change::Closed { place },
            Change::First { place },
            Change::Forget { place },
            Change::Account { user, time: BASE },
            Change::Account { user, time: Time(7) },
            Change::Device { user, device: "phone", time: BASE },
            Change::Device { user, device: "phone", time: Time(u64::MAX) },
            Change::Record { user, record: b"record" },
            Change::Revised { user },
            made(9, 0, 0),
            made(9_999, 7, 1 << 40),
            Change::Join { topic, user, since: 1 << 50 },
            Change::Leave { topic, user },
            Change::Invite { topic, user, by: "bob" },
            Change::Remove { topic, user },
            Change::Dissolve { topic },
            Change::Cursor { user, device: None, log: "t/garden", mark: Mark::Read, version: 9 },
            Change::Cursor { user, device: Some("d"), log: "u/amy", mark: Mark::Received, version: 9 },
            Change::Stub { place, peer: None, time: Time(5), hash: 1 << 100, fingerprint: 7 },
            Change::Stub { place, peer: Some(recipient), time: BASE, hash: 0, fingerprint: u128::MAX },
        ]
    }

    fn record() -> Vec<u8> {
        let mut payload = Vec::new();
        put_header(&mut payload, BASE);
        one_of_each().iter().for_each(|change| change.encode(BASE, &mut payload));
        payload
    }

    #[test]
    fn a_record_reads_back() {
        let payload = record();
        let mut changes = Changes::new(&payload).unwrap();
        assert_eq!(changes.time, BASE);
        for expected in one_of_each() {
            let (change, offset) = changes.next().unwrap().unwrap();
            assert_eq!(change, expected);
            if let Change::Entry { content, .. } | Change::Pair { content, .. } = change {
                assert_eq!(&payload[offset..offset + content.len()], content);
            }
        }
        assert_eq!(changes.next(), Ok(None));
    }

    #[test]
    fn a_cut_record_is_an_error_or_ends_between_two_changes() {
        let payload = record();
        for end in 0..payload.len() {
            let Ok(mut changes) = Changes::new(&payload[..end]) else { continue };
            while let Ok(Some(_)) = changes.next() {}
        }
    }

    #[test]
    fn a_newer_format_is_named() {
        assert_eq!(Changes::new(&[FORMAT + 1, 0]).err(), Some(RecordError::Newer(FORMAT + 1)));
    }

    #[test]
    fn topics_of_a_time_without_rules_are_open_and_their_members_read_everything() {
        let mut payload = vec![1, 0];
        for (tag, second) in [(TOPIC, "amy"), (VOLATILE_TOPIC, "amy"), (JOIN, "bob")] {
            put_names(&mut payload, tag, &["garden", second]);
            if tag != JOIN {
                put_time(&mut payload, Time(0), Time(0));
            }
        }
        let mut changes = Changes::new(&payload).unwrap();
        let join = Change::Join { topic: "garden", user: "bob", since: 0 };
        for expected in [made(0, 0, 0), made(0, 1, 0), join] {
            assert_eq!(changes.next().unwrap().map(|(change, _)| change), Some(expected));
        }
    }

    #[test]
    fn an_older_format_is_read() {
        let older = [&[1, 0, ACCOUNT, 3][..], b"amy"].concat();
        let mut changes = Changes::new(&older).unwrap();
        assert_eq!(changes.next(), Ok(Some((Change::Account { user: "amy", time: Time(0) }, 0))));
    }
}
