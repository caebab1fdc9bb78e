//! Topics and who is a member.

use protocol::ids::{TopicName, UserId};

use crate::embedded::state::change::Change;
use crate::embedded::state::draft::Draft;
use crate::embedded::state::keys;
use crate::embedded::state::view::View;
use crate::{StoreError, TopicError};

/// A refusal, or whether the user was a member before.
pub(crate) type Already = Result<Result<bool, TopicError>, StoreError>;

/// Makes the topic with its creator as a member, unless there is one of that name.
pub(crate) fn create_topic<V: View>(
    draft: &mut Draft<'_, V>,
    topic: &TopicName,
    creator: &UserId,
    volatile: bool,
) -> Already {
    let (name, user) = (topic.as_str(), creator.as_str());
    if let Some(existing) = draft.topic(name)? {
        let same = existing.volatile == volatile && draft.has(&keys::member(name, user))?;
        return Ok(if same { Ok(true) } else { Err(TopicError::Exists) });
    }
    let created = draft.time;
    draft.write(Change::Topic { name, creator: user, created, volatile })?;
    draft.write(Change::Join { topic: name, user })?;
    Ok(Ok(false))
}

/// Makes the user a member of a topic that exists.
pub(crate) fn join_topic<V: View>(draft: &mut Draft<'_, V>, topic: &TopicName, user: &UserId) -> Already {
    let (topic, user) = (topic.as_str(), user.as_str());
    if draft.topic(topic)?.is_none() {
        return Ok(Err(TopicError::Unknown));
    }
    let already = draft.has(&keys::member(topic, user))?;
    if !already {
        draft.write(Change::Join { topic, user })?;
    }
    Ok(Ok(already))
}

/// Ends the membership, if there is one.
pub(crate) fn leave_topic<V: View>(
    draft: &mut Draft<'_, V>,
    topic: &TopicName,
    user: &UserId,
) -> Result<(), StoreError> {
    let (topic, user) = (topic.as_str(), user.as_str());
    if draft.has(&keys::member(topic, user))? {
        draft.write(Change::Leave { topic, user })?;
    }
    Ok(())
}
