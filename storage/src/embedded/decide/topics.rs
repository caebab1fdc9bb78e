//! Topics: making and ending them, and how users stand to them.

use protocol::access::{self, Act, History};
use protocol::code::ErrorCode;
use protocol::ids::{LogName, TopicName, UserId};

use super::accounts::is_not_there;
use crate::codec::Malformed;
use crate::embedded::state::admission::{Admitted, admit, standing};
use crate::embedded::state::change::{Change, Place};
use crate::embedded::state::draft::Draft;
use crate::embedded::state::keys;
use crate::embedded::state::view::{View, damaged};
use crate::{NewTopic, Relation, StoreError, TopicError};

/// What was done to a topic, or why nothing.
pub(crate) type Done<T> = Result<Result<T, TopicError>, StoreError>;

fn refused<T>(code: ErrorCode) -> Done<T> {
    Ok(Err(TopicError::Refused(code)))
}

/// Makes the topic with its creator as a member, unless there is one of that name; whether the creator was a member.
pub(crate) fn create_topic<V: View>(draft: &mut Draft<'_, V>, new: &NewTopic) -> Done<bool> {
    let (name, creator) = (new.name.as_str(), new.creator.as_str());
    match admit(draft, Act::Create, name, creator)? {
        Ok(Admitted { topic, relation: Some(Relation::Member { .. }) }) if new.is_met_by(topic.rules) => {
            Ok(Ok(true))
        }
        Ok(_) => refused(ErrorCode::TopicExists),
        Err(ErrorCode::UnknownTopic) => {
            let (created, rules) = (draft.time, new.rules());
            let creator_life = draft.account_meta(creator)?.map_or(0, |account| account.life);
            draft.write(Change::Topic { name, creator, created, rules, creator_life })?;
            draft.write(Change::Join { topic: name, user: creator, since: 0 })?;
            Ok(Ok(false))
        }
        Err(code) => refused(code),
    }
}

/// Makes the user a member; whether the user was one before.
pub(crate) fn join_topic<V: View>(draft: &mut Draft<'_, V>, topic: &TopicName, user: &UserId) -> Done<bool> {
    let (name, user) = (topic.as_str(), user.as_str());
    let Admitted { topic: meta, relation } = match admit(draft, Act::Join, name, user)? {
        Ok(admitted) => admitted,
        Err(code) => return refused(code),
    };
    let already = relation.is_some_and(|relation| relation.is_member());
    if !already {
        let since = match meta.rules.history {
            History::All => 0,
            History::FromJoin => draft.log_meta(LogName::topic(topic).as_str())?.map_or(0, |meta| meta.head),
        };
        draft.write(Change::Join { topic: name, user, since })?;
    }
    Ok(Ok(already))
}

/// Ends the membership, or declines the invitation, if there is one. A membership that ended is counted.
pub(crate) fn leave_topic<V: View>(
    draft: &mut Draft<'_, V>,
    topic: &TopicName,
    user: &UserId,
) -> Done<Option<u64>> {
    let (topic, user) = (topic.as_str(), user.as_str());
    let Admitted { topic: meta, relation } = match admit(draft, Act::Leave, topic, user)? {
        Ok(admitted) => admitted,
        Err(ErrorCode::UnknownTopic) => return Ok(Ok(None)),
        Err(code) => return refused(code),
    };
    match relation {
        Some(Relation::Member { .. }) => {
            draft.write(Change::Leave { topic, user })?;
            Ok(Ok(Some(meta.revision + 1)))
        }
        Some(Relation::Invited { .. }) => {
            draft.write(Change::Leave { topic, user })?;
            Ok(Ok(None))
        }
        Some(Relation::Removed) | None => Ok(Ok(None)),
    }
}

/// Lets the user in; whether that is news.
pub(crate) fn invite<V: View>(
    draft: &mut Draft<'_, V>,
    topic: &TopicName,
    user: &UserId,
    by: &UserId,
) -> Done<bool> {
    let (topic, user, by) = (topic.as_str(), user.as_str(), by.as_str());
    if let Err(code) = admit(draft, Act::Invite, topic, by)? {
        return refused(code);
    }
    match draft.relation(topic, user)? {
        Some(Relation::Member { .. } | Relation::Invited { .. }) => Ok(Ok(false)),
        Some(Relation::Removed) | None => match is_not_there(draft, user)? {
            Some(code) => refused(code),
            None => {
                draft.write(Change::Invite { topic, user, by })?;
                Ok(Ok(true))
            }
        },
    }
}

/// Puts the user out. A membership that ended is counted.
pub(crate) fn remove_member<V: View>(
    draft: &mut Draft<'_, V>,
    topic: &TopicName,
    user: &UserId,
    by: &UserId,
) -> Done<Option<u64>> {
    let (topic, user, by) = (topic.as_str(), user.as_str(), by.as_str());
    let meta = match admit(draft, Act::Remove, topic, by)? {
        Ok(admitted) => admitted.topic,
        Err(code) => return refused(code),
    };
    let relation = draft.relation(topic, user)?;
    if let Err(code) = access::may_befall(Act::Remove, standing(draft, &meta, relation.as_ref(), user)?) {
        return refused(code);
    }
    match relation {
        Some(Relation::Removed) => return Ok(Ok(None)),
        None if !draft.has(&keys::account(user))? => return refused(ErrorCode::UnknownUser),
        _ => draft.write(Change::Remove { topic, user })?,
    }
    Ok(Ok(relation.is_some_and(|relation| relation.is_member()).then_some(meta.revision + 1)))
}

/// Ends the topic. Its log ends empty, so that nothing of it is given out by a read that was admitted before; repeats
/// stay known.
pub(crate) fn dissolve<V: View>(draft: &mut Draft<'_, V>, topic: &TopicName, by: &UserId) -> Done<()> {
    if let Err(code) = admit(draft, Act::Dissolve, topic.as_str(), by.as_str())? {
        return refused(code);
    }
    draft.write(Change::Dissolve { topic: topic.as_str() })?;
    let log = LogName::topic(topic);
    if let Some(meta) = draft.log_meta(log.as_str())? {
        let (slot, _) = draft.slot(log.as_str())?;
        draft.write(Change::First { place: Place { slot, version: meta.head + 1 } })?;
    }
    Ok(Ok(()))
}

/// Ends all that a user has to do with topics: the name is emptied.
pub(super) fn end_all<V: View>(draft: &mut Draft<'_, V>, user: &UserId) -> Result<(), StoreError> {
    let prefix = keys::relation_of(user.as_str(), "");
    for (key, _) in draft.all(&prefix)? {
        let topic = std::str::from_utf8(&key[prefix.len()..]).map_err(|_| damaged(Malformed("a topic")))?;
        draft.write(Change::Leave { topic, user: user.as_str() })?;
    }
    Ok(())
}
