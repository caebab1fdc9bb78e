//! Questions about topics, answered by the store, which alone decides who may what.

use protocol::access::Act;
use protocol::ids::{LogName, TopicName, UserId};
use protocol::link::request::Reply;
use storage::{Membership, NewTopic, Store, TopicError};

use crate::answers::Refusal;
use crate::desk::Desk;
use crate::news;

/// Members that one answer may name, and users that one question may.
const MOST: usize = 1_000;

pub async fn create(new: NewTopic, store: &dyn Store) -> Result<Reply, Refusal> {
    Ok(joined(store.create_topic(new).await?))
}

pub fn joined(membership: Membership) -> Reply {
    Reply::Joined { log: membership.log, already: membership.already }
}

pub async fn leave(topic: TopicName, user: UserId, desk: &Desk) -> Result<Reply, Refusal> {
    let ended = desk.store().leave_topic(topic.clone(), user.clone()).await?;
    tell_ended(desk, topic, user, ended).await;
    Ok(Reply::Left)
}

pub async fn remove(topic: TopicName, user: UserId, by: UserId, desk: &Desk) -> Result<Reply, Refusal> {
    let ended = desk.store().remove_member(topic.clone(), user.clone(), by).await?;
    tell_ended(desk, topic, user, ended).await;
    Ok(Reply::Done)
}

async fn tell_ended(desk: &Desk, topic: TopicName, user: UserId, ended: Option<u64>) {
    if let Some(revision) = ended {
        news::membership_ended(desk, topic, user, revision).await;
    }
}

pub async fn dissolve(topic: TopicName, by: UserId, desk: &Desk) -> Result<Reply, Refusal> {
    desk.store().dissolve(topic.clone(), by).await?;
    news::topic_dissolved(desk, topic).await;
    Ok(Reply::Done)
}

/// The members after a name, told to a member.
pub async fn members(
    topic: TopicName,
    user: UserId,
    after: Option<UserId>,
    limit: u32,
    store: &dyn Store,
) -> Result<Reply, Refusal> {
    store.may(Act::Members, topic.clone(), user).await?;
    let limit = (limit as usize).clamp(1, MOST);
    // One more than wanted tells whether there are more.
    let mut members = store.members(topic, after, limit + 1).await?;
    let more = members.len() > limit;
    members.truncate(limit);
    Ok(Reply::Members { members, more })
}

/// Which of these users are members: for a msg_server that may have missed who went.
pub async fn among(topic: TopicName, users: Vec<UserId>, store: &dyn Store) -> Result<Reply, Refusal> {
    let bounds = store.bounds(vec![LogName::topic(&topic)]).await?;
    let revision = bounds.first().map_or(0, |bounds| bounds.revision);
    let mut members = Vec::new();
    for user in users.into_iter().take(MOST) {
        match store.may(Act::Read, topic.clone(), user.clone()).await {
            Ok(_) => members.push(user),
            Err(TopicError::Refused(_)) => {}
            Err(TopicError::Store(error)) => return Err(error.into()),
        }
    }
    Ok(Reply::Among { members, revision })
}
