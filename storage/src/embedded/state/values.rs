//! The index's values.

use protocol::ids::{Time, UserId, Version};

use crate::codec::{Malformed, Reader, put_bytes, put_int};
use crate::embedded::commit_log::Position;
use crate::topic::Traits;
use crate::{Account, AccountState, Relation, Rules};

/// What is known of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogMeta {
    /// Stands for the log's name in other keys; given in the order in which the logs came to be.
    pub id: u64,
    /// The newest version.
    pub head: u64,
    /// The first version that retention has left.
    pub first: u64,
    /// Entries before this one are forgotten altogether: a repeat of them is not known any more.
    pub remembered: u64,
}

impl LogMeta {
    /// A log without entries.
    pub fn empty(id: u64) -> Self {
        Self { id, head: 0, first: 1, remembered: 1 }
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(12);
        for number in [self.id, self.head, self.first, self.remembered] {
            put_int(&mut out, number);
        }
        out
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        Ok(Self {
            id: reader.int("a log's id")?,
            head: reader.int("a log's head")?,
            first: reader.int("a log's first version")?,
            remembered: reader.int("a log's first remembered version")?,
        })
    }
}

/// Where an entry's content lies, and what is known without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EntryRef {
    /// Where the content begins in the commit log.
    pub position: Position,
    /// Bytes of content; [`EntryRef::STUB`] where there is none any more.
    pub bytes: u32,
    /// CRC-32C of the content: the commit log checks whole records only.
    pub crc: u32,
    /// When the entry was taken.
    pub time: Time,
    /// [`super::keys::message_hash`]; `None` for an entry without sender or id.
    pub hash: Option<u128>,
}

impl EntryRef {
    const STUB: u32 = u32::MAX;

    /// The entry with this content, which begins at `offset` in its record's payload.
    pub fn of(content: &[u8], offset: usize, time: Time, hash: Option<u128>) -> Result<Self, Malformed> {
        let offset = u32::try_from(offset).map_err(|_| Malformed("an offset"))?;
        let bytes = u32::try_from(content.len()).map_err(|_| Malformed("a length"))?;
        let position = Position { segment: 0, offset };
        Ok(Self { position, bytes, crc: crc32c::crc32c(content), time, hash })
    }

    /// What is left of an entry that retention took.
    pub fn stub(time: Time, hash: u128) -> Self {
        let position = Position { segment: 0, offset: 0 };
        Self { position, bytes: Self::STUB, crc: 0, time, hash: Some(hash) }
    }

    /// Whether there is no content.
    pub fn is_stub(&self) -> bool {
        self.bytes == Self::STUB
    }

    /// The position comes first and has a fixed width, so that [`EntryRef::relocate`] changes it in place.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(40);
        out.extend_from_slice(&self.position.segment.to_be_bytes());
        out.extend_from_slice(&self.position.offset.to_be_bytes());
        out.extend_from_slice(&self.crc.to_be_bytes());
        put_int(&mut out, u64::from(self.bytes));
        put_int(&mut out, self.time.0);
        if let Some(hash) = self.hash {
            out.extend_from_slice(&hash.to_be_bytes());
        }
        out
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let segment = u32::from_be_bytes(reader.array("a segment")?);
        let offset = u32::from_be_bytes(reader.array("an offset")?);
        let crc = u32::from_be_bytes(reader.array("a checksum")?);
        let bytes = reader.int32("a length")?;
        let time = Time(reader.int("a time")?);
        let hash = match reader.at_end() {
            true => None,
            false => Some(u128::from_be_bytes(reader.array("a message hash")?)),
        };
        Ok(Self { position: Position { segment, offset }, bytes, crc, time, hash })
    }

    /// Moves an encoded entry that counts from its record's payload to where that payload lies; one that has a place
    /// already stays there.
    pub fn relocate(encoded: &mut [u8], payload: Position) {
        let Some((segment, rest)) = encoded.split_first_chunk_mut::<4>() else { return };
        let Some(offset) = rest.first_chunk_mut::<4>().filter(|_| *segment == [0; 4]) else { return };
        *segment = payload.segment.to_be_bytes();
        *offset = (u32::from_be_bytes(*offset) + payload.offset).to_be_bytes();
    }
}

/// A message that a log has, or had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Its version.
    pub version: u64,
    /// When it was taken.
    pub time: Time,
    /// [`protocol::content::Content::fingerprint`].
    pub fingerprint: u128,
}

impl Seen {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(28);
        out.extend_from_slice(&self.fingerprint.to_be_bytes());
        put_int(&mut out, self.version);
        put_int(&mut out, self.time.0);
        out
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let fingerprint = u128::from_be_bytes(reader.array("a fingerprint")?);
        Ok(Self { fingerprint, version: reader.int("a version")?, time: Time(reader.int("a time")?) })
    }
}

/// What others have to know of an account; the rest is in its record, which is larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AccountMeta {
    /// When it was made.
    pub made: Time,
    /// Whether it may be used.
    pub state: AccountState,
    /// How many had the name before.
    pub life: u64,
}

impl AccountMeta {
    pub fn of(account: &Account) -> Self {
        Self { made: account.made, state: account.state, life: account.life }
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(9);
        put_int(&mut out, self.made.0);
        out.push(self.state.byte());
        put_int(&mut out, self.life);
        out
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let made = Time(reader.int("a time")?);
        let state = AccountState::from_byte(reader.byte("the state of an account")?)?;
        Ok(Self { made, state, life: reader.int("a number of lives")? })
    }
}

/// What is known of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicMeta {
    /// Who made it.
    pub creator: String,
    /// When.
    pub created: Time,
    /// What it is from then on.
    pub rules: Rules,
    /// It is no more.
    pub dissolved: bool,
    /// How many memberships have ended.
    pub revision: u64,
    /// The life of the creator's name in which it was made.
    pub creator_life: u64,
}

impl TopicMeta {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.creator.len() + 12);
        let Self { rules, dissolved, creator_life, .. } = *self;
        put_int(&mut out, Traits { rules, dissolved, creator_life }.bits());
        put_int(&mut out, self.created.0);
        put_bytes(&mut out, self.creator.as_bytes());
        put_int(&mut out, self.revision);
        out
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let Traits { rules, dissolved, creator_life } = Traits::from_bits(reader.int("rules")?);
        Ok(Self {
            rules,
            dissolved,
            creator_life,
            created: Time(reader.int("a time")?),
            creator: reader.text("a creator")?.to_owned(),
            revision: reader.int("a revision")?,
        })
    }
}

const MEMBER: u8 = 1;
const INVITED: u8 = 2;
const REMOVED: u8 = 3;

/// A relation as a value.
pub(crate) fn encode_relation(relation: &Relation) -> Vec<u8> {
    let mut out = Vec::with_capacity(6);
    match relation {
        Relation::Member { since } => {
            out.push(MEMBER);
            put_int(&mut out, since.0);
        }
        Relation::Invited { by } => {
            out.push(INVITED);
            put_bytes(&mut out, by.as_str().as_bytes());
        }
        Relation::Removed => out.push(REMOVED),
    }
    out
}

/// What [`encode_relation`] wrote.
pub(crate) fn decode_relation(bytes: &[u8]) -> Result<Relation, Malformed> {
    let mut reader = Reader::new(bytes);
    match reader.byte("a relation")? {
        MEMBER => Ok(Relation::Member { since: Version(reader.int("a version")?) }),
        INVITED => {
            let by = UserId::new(reader.text("who invited")?).map_err(|_| Malformed("who invited"))?;
            Ok(Relation::Invited { by })
        }
        REMOVED => Ok(Relation::Removed),
        _ => Err(Malformed("a relation")),
    }
}

/// A number on its own.
pub(crate) fn encode_number(number: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(6);
    put_int(&mut out, number);
    out
}

/// What [`encode_number`] wrote.
pub(crate) fn decode_number(bytes: &[u8]) -> Result<u64, Malformed> {
    Reader::new(bytes).int("a number")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_back() {
        let log = LogMeta { id: 9, head: 1 << 40, first: 3, remembered: 2 };
        assert_eq!(LogMeta::decode(&log.encode()), Ok(log));
        let seen = Seen { version: 7, time: Time(1 << 41), fingerprint: 1 << 99 };
        assert_eq!(Seen::decode(&seen.encode()), Ok(seen));
        let account = AccountMeta { made: Time(1 << 41), state: AccountState::Deleted, life: 3 };
        assert_eq!(AccountMeta::decode(&account.encode()), Ok(account));
        for (dissolved, bits, creator_life) in [(false, 1, 0), (true, 6, 1 << 40)] {
            let (creator, rules, revision) = ("amy".into(), Rules::from_bits(bits), 1 << 40);
            let topic = TopicMeta { creator, created: Time(5), rules, dissolved, revision, creator_life };
            assert_eq!(TopicMeta::decode(&topic.encode()), Ok(topic));
        }
        let by = UserId::new("amy").unwrap();
        for relation in
            [Relation::Member { since: Version(1 << 40) }, Relation::Invited { by }, Relation::Removed]
        {
            assert_eq!(decode_relation(&encode_relation(&relation)), Ok(relation));
        }
        assert_eq!(decode_number(&encode_number(300)), Ok(300));
    }

    #[test]
    fn an_entry_reads_back_and_is_moved() {
        for hash in [None, Some(1 << 100)] {
            let position = Position { segment: 0, offset: 17 };
            let entry = EntryRef { position, bytes: 5, crc: 6, time: Time(7), hash };
            let mut encoded = entry.encode();
            assert_eq!(EntryRef::decode(&encoded), Ok(entry));
            EntryRef::relocate(&mut encoded, Position { segment: 3, offset: 4096 });
            let moved = EntryRef { position: Position { segment: 3, offset: 4113 }, ..entry };
            assert_eq!(EntryRef::decode(&encoded), Ok(moved));
            EntryRef::relocate(&mut encoded, Position { segment: 9, offset: 9 });
            assert_eq!(EntryRef::decode(&encoded), Ok(moved), "once");
        }
    }
}
