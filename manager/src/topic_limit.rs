//! Holds users to the number of topics that each may be a member of.
//!
//! Whoever has room is not looked up before joining, so that questions keep the order in which they came; whoever has none is
//! found out after the last one that fitted. So what is asked at once, or after a restart, may be a few more.

use protocol::access::Act;
use protocol::code::ErrorCode;
use protocol::ids::{LogName, TopicName, UserId};
use protocol::link::request::Reply;
use storage::{StoreError, TopicError};

use crate::answers::Refusal;
use crate::desk::Desk;
use crate::topic_quota::Room;

/// Refuses whoever is a member of as many topics as may be, unless the topic is one of them. Of others it asks nothing.
pub async fn admit(user: &UserId, topic: &TopicName, desk: &Desk) -> Result<(), Refusal> {
    let was_full = desk.topic_quota().was_full(user);
    if !was_full || has_room(user, desk).await? {
        return Ok(());
    }
    match desk.store().may(Act::Read, topic.clone(), user.clone()).await {
        Ok(_) => Ok(()),
        Err(TopicError::Refused(_)) => Err(ErrorCode::LimitReached.into()),
        Err(TopicError::Store(error)) => Err(error.into()),
    }
}

/// After an answer that makes the user a member: whether that topic was the last that fits is known from now on.
pub async fn note(user: &UserId, reply: &Reply, desk: &Desk) -> Result<(), StoreError> {
    if let Reply::Joined { already: false, .. } = reply {
        has_room(user, desk).await?;
    }
    Ok(())
}

async fn has_room(user: &UserId, desk: &Desk) -> Result<bool, StoreError> {
    let bounds = desk.store().bounds(vec![LogName::inbox(user)]).await?;
    let revision = bounds.first().map_or(0, |inbox| inbox.revision);
    let room = desk.topic_quota().room(user, revision);
    if room != Room::Uncounted {
        return Ok(room == Room::Left);
    }
    let topics = desk.store().topics_of(user.clone()).await?.topics.len() as u64;
    let mut quota = desk.topic_quota();
    quota.counted(user.clone(), revision, topics);
    Ok(quota.room(user, revision) == Room::Left)
}
