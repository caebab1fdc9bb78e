//! The index's keys. A key's first byte names its table; names are followed by a zero byte where something comes
//! after them (no name has one), so that keys sort by name first.
//!
//! | table | key | value |
//! | --- | --- | --- |
//! | `L` | log's name | [`LogMeta`](super::values::LogMeta) |
//! | `E` | log id, version | [`EntryRef`](super::values::EntryRef) |
//! | `D` | log id, hash of sender and message id | [`Seen`](super::values::Seen) |
//! | `O` | time, log id, version | nothing: the entry is the open half of a pair |
//! | `A` | user | [`AccountMeta`](super::values::AccountMeta) |
//! | `K` | user | the account's record |
//! | `S` | skeleton of a name | the user who has it: of those who look alike the first in their order |
//! | `T` | topic | [`TopicMeta`](super::values::TopicMeta) |
//! | `M` | topic, user | [`Relation`](crate::Relation) |
//! | `U` | user, topic | the same |
//! | `R` | user | how often the user's memberships changed |
//! | `C` | user, log, mark, device | version |
//! | `m` | a word | the store's own numbers |

use protocol::link::request::Mark;
use xxhash_rust::xxh3::Xxh3Default;

/// A key of the index.
pub(crate) type Key = Vec<u8>;

/// The next log id that is free.
pub(crate) const NEXT_LOG: &[u8] = b"m/next-log";
/// The time of the newest record.
pub(crate) const NEWEST_TIME: &[u8] = b"m/time";
/// The numbers of the compacted segments whose positions the index has.
pub(crate) const COMPACTED: &[u8] = b"m/compacted";
/// How far the index is complete; never in the overlay.
pub(crate) const CHECKPOINT: &[u8] = b"m/checkpoint";

pub(crate) const LOGS: u8 = b'L';
pub(crate) const ACCOUNTS: u8 = b'A';
pub(crate) const RECORDS: u8 = b'K';
pub(crate) const TOPICS: u8 = b'T';
pub(crate) const OPEN: u8 = b'O';
/// The tables of what appends ask for: logs, accounts, topics, relations, revisions, the store's numbers.
pub(crate) const HOT: &[u8] = b"LATMRm";

fn named(table: u8, name: &str) -> Key {
    let mut key = Vec::with_capacity(1 + name.len());
    key.push(table);
    key.extend_from_slice(name.as_bytes());
    key
}

fn two_names(table: u8, first: &str, second: &str) -> Key {
    let mut key = Vec::with_capacity(2 + first.len() + second.len());
    key.push(table);
    key.extend_from_slice(first.as_bytes());
    key.push(0);
    key.extend_from_slice(second.as_bytes());
    key
}

fn numbered(table: u8, log: u64, version: u64) -> Key {
    let mut key = Vec::with_capacity(17);
    key.push(table);
    key.extend_from_slice(&log.to_be_bytes());
    key.extend_from_slice(&version.to_be_bytes());
    key
}

pub(crate) fn log(name: &str) -> Key {
    named(LOGS, name)
}

pub(crate) fn entry(log: u64, version: u64) -> Key {
    numbered(b'E', log, version)
}

pub(crate) fn seen(log: u64, hash: u128) -> Key {
    let mut key = Vec::with_capacity(25);
    key.push(b'D');
    key.extend_from_slice(&log.to_be_bytes());
    key.extend_from_slice(&hash.to_be_bytes());
    key
}

pub(crate) fn open(time: u64, log: u64, version: u64) -> Key {
    let mut key = Vec::with_capacity(25);
    key.push(OPEN);
    for number in [time, log, version] {
        key.extend_from_slice(&number.to_be_bytes());
    }
    key
}

pub(crate) fn account(user: &str) -> Key {
    named(ACCOUNTS, user)
}

pub(crate) fn record(user: &str) -> Key {
    named(RECORDS, user)
}

pub(crate) fn skeleton(skeleton: &str) -> Key {
    named(b'S', skeleton)
}

pub(crate) fn topic(topic: &str) -> Key {
    named(TOPICS, topic)
}

pub(crate) fn relation(topic: &str, user: &str) -> Key {
    two_names(b'M', topic, user)
}

pub(crate) fn relation_of(user: &str, topic: &str) -> Key {
    two_names(b'U', user, topic)
}

pub(crate) fn revision(user: &str) -> Key {
    named(b'R', user)
}

/// All cursors of a user begin so.
pub(crate) fn cursors(user: &str) -> Key {
    two_names(b'C', user, "")
}

pub(crate) fn cursor(user: &str, log: &str, mark: Mark, device: Option<&str>) -> Key {
    let mut key = two_names(b'C', user, log);
    key.push(0);
    key.push(mark_byte(mark));
    key.extend_from_slice(device.unwrap_or_default().as_bytes());
    key
}

/// What follows the user in a cursor's key: log, mark and device; `None` if it is no such key.
pub(crate) fn read_cursor(rest: &[u8]) -> Option<(&str, Mark, Option<&str>)> {
    let end = rest.iter().position(|&byte| byte == 0)?;
    let (&mark, device) = rest[end + 1..].split_first()?;
    let log = std::str::from_utf8(&rest[..end]).ok()?;
    let device = std::str::from_utf8(device).ok()?;
    Some((log, byte_mark(mark)?, Some(device).filter(|device| !device.is_empty())))
}

/// The byte that stands for a mark, in keys and records.
pub(crate) fn mark_byte(mark: Mark) -> u8 {
    match mark {
        Mark::Received => b'd',
        Mark::Read => b'r',
    }
}

/// The mark that a byte stands for.
pub(crate) fn byte_mark(byte: u8) -> Option<Mark> {
    match byte {
        b'd' => Some(Mark::Received),
        b'r' => Some(Mark::Read),
        _ => None,
    }
}

/// The version in the key of an entry.
pub(crate) fn version_of(entry: &[u8]) -> Option<u64> {
    entry.last_chunk().copied().map(u64::from_be_bytes)
}

/// The first key that is greater than every key beginning with `prefix`, which has a byte below 255.
pub(crate) fn end_of(prefix: &[u8]) -> Key {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            break;
        }
    }
    end
}

/// The smallest key greater than `key`.
pub(crate) fn after(mut key: Key) -> Key {
    key.push(0);
    key
}

/// What a message is known by within its log: XXH3-128 of sender and message id.
pub(crate) fn message_hash(sender: &str, id: &str) -> u128 {
    let mut hash = Xxh3Default::new();
    hash.update(&(sender.len() as u64).to_le_bytes());
    hash.update(sender.as_bytes());
    hash.update(id.as_bytes());
    hash.digest128()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_sort_as_numbers_and_logs_stay_apart() {
        assert!(entry(1, 2) < entry(1, 10));
        assert!(entry(1, u64::MAX) < entry(2, 0));
    }

    #[test]
    fn a_name_that_begins_another_does_not_mix_with_it() {
        let amy = relation_of("amy", "");
        assert!(relation_of("amy", "garden").starts_with(&amy));
        assert!(!relation_of("amyx", "garden").starts_with(&amy));
        assert!(relation_of("amy", "zzz") < end_of(&amy));
    }

    #[test]
    fn a_cursors_key_reads_back() {
        for device in [None, Some("phone")] {
            let key = cursor("amy", "t/our garden", Mark::Read, device);
            let rest = &key[cursors("amy").len()..];
            assert_eq!(read_cursor(rest), Some(("t/our garden", Mark::Read, device)));
        }
        assert_eq!(read_cursor(b"u/amy"), None);
    }

    #[test]
    fn the_end_of_a_prefix_passes_over_255() {
        assert_eq!(end_of(&[1, 255]), vec![2]);
        assert!(keys_of(&[7]).iter().all(|key| *key < end_of(&[7])));
    }

    fn keys_of(prefix: &[u8]) -> Vec<Key> {
        [&[][..], &[0], &[255, 255, 255]].iter().map(|rest| [prefix, rest].concat()).collect()
    }

    #[test]
    fn sender_and_id_are_told_apart() {
        assert_ne!(message_hash("amy", "1"), message_hash("am", "y1"));
    }
}
