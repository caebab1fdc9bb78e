//! Putting back what an export holds. What is there already, and is the same, is left.

use protocol::content::{Content, Entry};
use protocol::ids::{LogName, Version};

use super::cursors::move_cursor;
use crate::embedded::state::change::{Change, Place};
use crate::embedded::state::draft::Draft;
use crate::embedded::state::view::View;
use crate::{Account, Relation, Restored, StoreError, Topic};

/// Puts one thing back; an `Ok(Err(…))` names what is in the way.
pub(crate) fn restore<V: View>(
    draft: &mut Draft<'_, V>,
    thing: &Restored,
) -> Result<Result<(), StoreError>, StoreError> {
    match thing {
        Restored::Account(account) => restore_account(draft, account),
        Restored::Topic(topic) => restore_topic(draft, topic),
        Restored::Relation(topic, user, relation) => {
            restore_relation(draft, topic.as_str(), user.as_str(), relation)
        }
        Restored::Entry(log, entry) => restore_entry(draft, log, entry),
        Restored::First(log, first) => restore_first(draft, log, *first),
        Restored::Cursor(cursor) => move_cursor(draft, cursor).map(|_| Ok(())),
    }
}

fn in_the_way(what: String) -> Result<Result<(), StoreError>, StoreError> {
    Ok(Err(StoreError::Unwritable(format!("{what}: import into an empty store"))))
}

fn restore_account<V: View>(
    draft: &mut Draft<'_, V>,
    account: &Account,
) -> Result<Result<(), StoreError>, StoreError> {
    let user = account.user.as_str();
    match draft.record(user)? {
        Some(there) if there == *account => Ok(Ok(())),
        Some(_) => in_the_way(format!("another account {user:?} is in the store")),
        None => draft.write(Change::Record { user, record: &account.encode() }).map(Ok),
    }
}

fn restore_topic<V: View>(
    draft: &mut Draft<'_, V>,
    topic: &Topic,
) -> Result<Result<(), StoreError>, StoreError> {
    let name = topic.name.as_str();
    match draft.topic(name)? {
        Some(there)
            if there.creator != topic.creator.as_str()
                || there.rules != topic.rules
                || there.dissolved != topic.dissolved
                || there.creator_life != topic.creator_life =>
        {
            in_the_way(format!("another topic {name:?} is in the store"))
        }
        Some(_) => Ok(Ok(())),
        None => {
            let Topic { created, rules, creator_life, .. } = *topic;
            draft.write(Change::Topic {
                name,
                creator: topic.creator.as_str(),
                created,
                rules,
                creator_life,
            })?;
            if topic.dissolved {
                draft.write(Change::Dissolve { topic: name })?;
            }
            Ok(Ok(()))
        }
    }
}

fn restore_relation<V: View>(
    draft: &mut Draft<'_, V>,
    topic: &str,
    user: &str,
    relation: &Relation,
) -> Result<Result<(), StoreError>, StoreError> {
    match draft.relation(topic, user)? {
        Some(there) if there == *relation => return Ok(Ok(())),
        Some(_) => return in_the_way(format!("{user:?} stands otherwise to {topic:?} in the store")),
        None => {}
    }
    match relation {
        Relation::Member { since } => draft.write(Change::Join { topic, user, since: since.0 })?,
        Relation::Invited { by } => draft.write(Change::Invite { topic, user, by: by.as_str() })?,
        Relation::Removed => draft.write(Change::Remove { topic, user })?,
    }
    Ok(Ok(()))
}

fn restore_entry<V: View>(
    draft: &mut Draft<'_, V>,
    log: &LogName,
    entry: &Entry,
) -> Result<Result<(), StoreError>, StoreError> {
    if Content::parse(&entry.content).is_err() {
        return in_the_way(format!("entry {} of {log} is no content", entry.version));
    }
    let meta = draft.log_meta(log.as_str())?;
    let (head, first) = meta.map_or((0, 1), |meta| (meta.head, meta.first));
    let version = entry.version.0;
    if version == head + 1 {
        let place = draft.next_place(log.as_str())?;
        draft.write(Change::Entry { place, time: entry.time, open: false, content: &entry.content })?;
        return Ok(Ok(()));
    }
    if version > head {
        return in_the_way(format!("entry {version} of {log} cannot follow entry {head}"));
    }
    if version < first {
        return Ok(Ok(()));
    }
    let there = match meta {
        Some(meta) => draft.entry(meta.id, version)?,
        None => None,
    };
    let same = there.is_some_and(|there| {
        there.time == entry.time
            && there.bytes as usize == entry.content.len()
            && there.crc == crc32c::crc32c(&entry.content)
    });
    if same { Ok(Ok(())) } else { in_the_way(format!("another entry {version} of {log} is in the store")) }
}

fn restore_first<V: View>(
    draft: &mut Draft<'_, V>,
    log: &LogName,
    first: Version,
) -> Result<Result<(), StoreError>, StoreError> {
    let first = first.0;
    let meta = draft.log_meta(log.as_str())?;
    match meta {
        Some(meta) if meta.first >= first => return Ok(Ok(())),
        Some(meta) if meta.head > 0 && meta.head < first => {
            return in_the_way(format!("{log} ends at {} in the store, before {first}", meta.head));
        }
        None if first <= 1 => return Ok(Ok(())),
        _ => {}
    }
    let (slot, _) = draft.slot(log.as_str())?;
    draft.write(Change::First { place: Place { slot, version: first } })?;
    Ok(Ok(()))
}
