//! The items of an export.

use bytes::Bytes;
use protocol::content::Entry;
use protocol::ids::{DeviceId, LogName, StoreId, Time, TopicName, UserId, Version};
use protocol::link::request::Mark;

use super::Counts;
use crate::codec::{Malformed, Reader, put_bytes, put_int};
use crate::topic::Traits;
use crate::{Account, CursorMove, Relation, Restored, Topic};

const STORE: u8 = 1;
/// The name of an account: all that there was of one in version 1.
const NAME: u8 = 2;
const TOPIC: u8 = 3;
const MEMBER: u8 = 4;
const LOG: u8 = 5;
const ENTRY: u8 = 6;
const CURSOR: u8 = 7;
const END: u8 = 8;
const ACCOUNT: u8 = 9;
const RELATION: u8 = 20;

/// What a relation is.
const MEMBERSHIP: u64 = 1;
const INVITATION: u64 = 2;
const REMOVAL: u64 = 3;

/// One item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    /// Which store it was: the first item.
    Store(StoreId),
    /// A log, and its first version; its entries follow.
    Log(LogName, Version),
    /// An entry of the log named last.
    Entry(Entry),
    /// Anything else that is restored: an account, a topic, how somebody stands to it, a cursor.
    Other(Restored),
    /// The last item.
    End { counts: Counts, hash: u128 },
}

impl Item {
    /// Counts itself.
    pub fn count(&self, counts: &mut Counts) {
        match self {
            Self::Log(..) => counts.logs += 1,
            Self::Entry(entry) => {
                counts.entries += 1;
                counts.content_bytes += entry.content.len() as u64;
            }
            Self::Other(Restored::Account(_)) => counts.accounts += 1,
            Self::Other(Restored::Topic(_)) => counts.topics += 1,
            Self::Other(Restored::Relation(..)) => counts.members += 1,
            Self::Other(Restored::Cursor(_)) => counts.cursors += 1,
            Self::Store(_) | Self::Other(_) | Self::End { .. } => {}
        }
    }

    /// Appends the item, without its length.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Store(id) => {
                out.push(STORE);
                out.extend_from_slice(&id.0);
            }
            Self::Log(log, first) => put(out, LOG, &[log.as_str()], &[first.0]),
            Self::Entry(entry) => {
                put(out, ENTRY, &[], &[entry.version.0, entry.time.0]);
                out.extend_from_slice(&entry.content);
            }
            Self::Other(thing) => encode_other(thing, out),
            Self::End { counts, hash } => {
                put(out, END, &[], &counts.numbers());
                out.extend_from_slice(&hash.to_le_bytes());
            }
        }
    }

    /// Reads an item that fills `bytes`.
    pub fn decode(bytes: &Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let tag = reader.byte("an item")?;
        let item = match tag {
            ACCOUNT => {
                let account = Account::decode(&bytes[reader.position()..])?;
                return Ok(Self::Other(Restored::Account(Box::new(account))));
            }
            STORE => Self::Store(StoreId(reader.array("a store id")?)),
            LOG => Self::Log(log(&mut reader)?, version(&mut reader)?),
            ENTRY => {
                let (version, time) = (version(&mut reader)?, Time(reader.int("a time")?));
                return Ok(Self::Entry(Entry { version, time, content: bytes.slice(reader.position()..) }));
            }
            END => {
                let counts = Counts::read(&mut reader)?;
                Self::End { counts, hash: u128::from_le_bytes(reader.array("a hash")?) }
            }
            _ => Self::Other(decode_other(tag, &mut reader)?),
        };
        if reader.at_end() { Ok(item) } else { Err(Malformed("the end of an item")) }
    }
}

fn put(out: &mut Vec<u8>, tag: u8, names: &[&str], numbers: &[u64]) {
    out.push(tag);
    names.iter().for_each(|name| put_bytes(out, name.as_bytes()));
    numbers.iter().for_each(|number| put_int(out, *number));
}

fn encode_other(thing: &Restored, out: &mut Vec<u8>) {
    match thing {
        Restored::Account(account) => {
            out.push(ACCOUNT);
            out.extend_from_slice(&account.encode());
        }
        Restored::Topic(topic) => {
            let names = [topic.name.as_str(), topic.creator.as_str()];
            let Topic { created, rules, dissolved, creator_life, .. } = *topic;
            let bits = Traits { rules, dissolved, creator_life }.bits();
            put(out, TOPIC, &names, &[created.0, bits]);
        }
        Restored::Relation(topic, user, relation) => {
            let (by, numbers) = match relation {
                Relation::Member { since } => ("", [MEMBERSHIP, since.0]),
                Relation::Invited { by } => (by.as_str(), [INVITATION, 0]),
                Relation::Removed => ("", [REMOVAL, 0]),
            };
            put(out, RELATION, &[topic.as_str(), user.as_str(), by], &numbers);
        }
        Restored::Cursor(cursor) => {
            let device = cursor.device.as_ref().map_or("", DeviceId::as_str);
            let names = [cursor.user.as_str(), device, cursor.log.as_str()];
            put(out, CURSOR, &names, &[u64::from(cursor.mark == Mark::Read), cursor.version.0]);
        }
        Restored::Entry(log, entry) => {
            Item::Log(log.clone(), entry.version).encode(out);
        }
        Restored::First(log, first) => Item::Log(log.clone(), *first).encode(out),
    }
}

fn decode_other(tag: u8, reader: &mut Reader<'_>) -> Result<Restored, Malformed> {
    Ok(match tag {
        NAME => {
            let account = Account { revision: 1, ..Account::unclaimed(user(reader)?, Time(0)) };
            Restored::Account(Box::new(account))
        }
        TOPIC => {
            let (name, creator) = (topic(reader)?, user(reader)?);
            let created = Time(reader.int("a time")?);
            let Traits { rules, dissolved, creator_life } = Traits::from_bits(reader.int("rules")?);
            Restored::Topic(Topic { name, creator, created, rules, dissolved, creator_life })
        }
        MEMBER => {
            let member = Relation::Member { since: Version::ZERO };
            Restored::Relation(topic(reader)?, user(reader)?, member)
        }
        RELATION => {
            let (topic, user) = (topic(reader)?, user(reader)?);
            let relation = relation(reader)?;
            Restored::Relation(topic, user, relation)
        }
        CURSOR => {
            let user = user(reader)?;
            let device = match reader.text("a device")? {
                "" => None,
                device => Some(DeviceId::new(device).map_err(|_| Malformed("a device"))?),
            };
            let log = log(reader)?;
            let mark = if reader.int("a mark")? == 1 { Mark::Read } else { Mark::Received };
            Restored::Cursor(CursorMove { user, device, log, mark, version: version(reader)? })
        }
        _ => return Err(Malformed("a known item")),
    })
}

fn relation(reader: &mut Reader<'_>) -> Result<Relation, Malformed> {
    let by = reader.text("who invited")?;
    let (kind, since) = (reader.int("a relation")?, version(reader)?);
    match kind {
        MEMBERSHIP => Ok(Relation::Member { since }),
        INVITATION => Ok(Relation::Invited { by: UserId::new(by).map_err(|_| Malformed("who invited"))? }),
        REMOVAL => Ok(Relation::Removed),
        _ => Err(Malformed("a relation")),
    }
}

fn user(reader: &mut Reader<'_>) -> Result<UserId, Malformed> {
    UserId::new(reader.text("a user")?).map_err(|_| Malformed("a user"))
}

fn topic(reader: &mut Reader<'_>) -> Result<TopicName, Malformed> {
    TopicName::new(reader.text("a topic")?).map_err(|_| Malformed("a topic"))
}

fn log(reader: &mut Reader<'_>) -> Result<LogName, Malformed> {
    LogName::new(reader.text("a log")?).map_err(|_| Malformed("a log"))
}

fn version(reader: &mut Reader<'_>) -> Result<Version, Malformed> {
    Ok(Version(reader.int("a version")?))
}

impl Counts {
    fn numbers(&self) -> [u64; 7] {
        [self.accounts, self.topics, self.members, self.logs, self.entries, self.cursors, self.content_bytes]
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut number = || reader.int("a count");
        Ok(Self {
            accounts: number()?,
            topics: number()?,
            members: number()?,
            logs: number()?,
            entries: number()?,
            cursors: number()?,
            content_bytes: number()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rules;

    #[test]
    fn items_read_back() {
        let (amy, garden) = (UserId::new("amy").unwrap(), TopicName::new("garden").unwrap());
        let log = LogName::inbox(&amy);
        let topic = |bits, dissolved| {
            let (name, creator, rules) = (garden.clone(), amy.clone(), Rules::from_bits(bits));
            let (created, creator_life) = (Time(1 << 40), 1 << 30);
            Item::Other(Restored::Topic(Topic { name, creator, created, rules, dissolved, creator_life }))
        };
        let relation = |relation| Item::Other(Restored::Relation(garden.clone(), amy.clone(), relation));
        let entry = Entry { version: Version(7), time: Time(8), content: Bytes::from_static(b"said") };
        let mark = Mark::Read;
        let cursor = |device| {
            let (user, log, version) = (amy.clone(), log.clone(), Version(3));
            Item::Other(Restored::Cursor(CursorMove { user, device, log, mark, version }))
        };
        let items = [
            Item::Store(StoreId([7; 16])),
            Item::Log(log.clone(), Version(5)),
            Item::Entry(entry),
            Item::Other(Restored::Account(Box::new(Account::unclaimed(amy.clone(), Time(7))))),
            topic(1, false),
            topic(6, true),
            relation(Relation::Member { since: Version(9) }),
            relation(Relation::Invited { by: amy.clone() }),
            relation(Relation::Removed),
            cursor(None),
            cursor(Some(DeviceId::new("phone").unwrap())),
            Item::End { counts: Counts { members: 300, cursors: 9, ..Counts::default() }, hash: 1 << 100 },
        ];
        for item in items {
            let mut bytes = Vec::new();
            item.encode(&mut bytes);
            assert_eq!(Item::decode(&bytes.into()), Ok(item));
        }
    }

    #[test]
    fn an_account_of_version_1_is_nobodys_yet() {
        let item = Item::decode(&Bytes::from_static(b"\x02\x03amy")).unwrap();
        let Item::Other(Restored::Account(account)) = item else { panic!("{item:?}") };
        assert_eq!((account.user.as_str(), account.claimed, account.revision), ("amy", false, 1));
    }

    #[test]
    fn a_member_of_an_export_of_version_1_reads_everything() {
        let mut bytes = Vec::new();
        put(&mut bytes, MEMBER, &["garden", "amy"], &[]);
        let (topic, user) = (TopicName::new("garden").unwrap(), UserId::new("amy").unwrap());
        let member = Relation::Member { since: Version::ZERO };
        assert_eq!(Item::decode(&bytes.into()), Ok(Item::Other(Restored::Relation(topic, user, member))));
    }
}
