//! What the store is asked about topics and whoever stands to them.

use protocol::access::Act;
use protocol::account::Invite;
use protocol::code::ErrorCode;
use protocol::ids::{DeviceId, LogName, TopicName, UserId, Version};

use super::queries::{Queries, name};
use crate::embedded::state::admission::admit;
use crate::embedded::state::keys;
use crate::embedded::state::values::{TopicMeta, decode_relation};
use crate::embedded::state::view::{View, damaged};
use crate::{MOST_INVITES, Membership, Relation, StoreError, Topic, TopicsOf};

impl Queries {
    pub fn membership(
        &self,
        topic: &TopicName,
        user: &UserId,
        device: Option<&DeviceId>,
        already: bool,
    ) -> Result<Membership, StoreError> {
        let volatile = self.state.topic(topic.as_str())?.is_some_and(|topic| topic.rules.volatile);
        let relation = self.state.relation(topic.as_str(), user.as_str())?;
        let since = relation.map_or(Version::ZERO, |relation| relation.since());
        let log = self.log_state(LogName::topic(topic), volatile, since, Some((user, device)))?;
        Ok(Membership { log, already })
    }

    /// Whether the user may do that to the topic, and after which version they read.
    pub fn may(
        &self,
        act: Act,
        topic: &TopicName,
        user: &UserId,
    ) -> Result<Result<Version, ErrorCode>, StoreError> {
        let admitted = admit(&*self.state, act, topic.as_str(), user.as_str())?;
        Ok(admitted.map(|admitted| admitted.relation.map_or(Version::ZERO, |relation| relation.since())))
    }

    pub fn topic(&self, name: &TopicName) -> Result<Option<Topic>, StoreError> {
        self.state.topic(name.as_str())?.map(|meta| topic(name.clone(), &meta)).transpose()
    }

    pub fn members(
        &self,
        topic: &TopicName,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<UserId>, StoreError> {
        self.related(topic, after, limit, |user, relation| relation.is_member().then_some(user))
    }

    pub fn relations(
        &self,
        topic: &TopicName,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<(UserId, Relation)>, StoreError> {
        self.related(topic, after, limit, |user, relation| Some((user, relation)))
    }

    /// At most `limit` of those who stand somehow to the topic, after a name.
    fn related<T>(
        &self,
        topic: &TopicName,
        after: Option<&UserId>,
        limit: usize,
        take: impl Fn(UserId, Relation) -> Option<T>,
    ) -> Result<Vec<T>, StoreError> {
        let all = keys::relation(topic.as_str(), "");
        let after = after.map(|user| keys::relation(topic.as_str(), user.as_str()));
        self.page(&all, after, limit, |key, value| {
            let relation = decode_relation(value).map_err(damaged)?;
            Ok(take(name(&key[all.len()..], UserId::new)?, relation))
        })
    }

    pub fn topics_of(&self, user: &UserId) -> Result<TopicsOf, StoreError> {
        self.relations_of(user, None)
    }

    /// What the user is a member of, and is invited to.
    pub(super) fn relations_of(
        &self,
        user: &UserId,
        cursors: Option<(&UserId, Option<&DeviceId>)>,
    ) -> Result<TopicsOf, StoreError> {
        let prefix = keys::relation_of(user.as_str(), "");
        let mut found = TopicsOf { topics: Vec::new(), invites: Vec::new() };
        for (key, value) in self.state.all(&prefix)? {
            let topic = name(&key[prefix.len()..], TopicName::new)?;
            let Some(meta) = self.state.topic(topic.as_str())?.filter(|topic| !topic.dissolved) else {
                continue;
            };
            match decode_relation(&value).map_err(damaged)? {
                Relation::Member { since } => {
                    let log = LogName::topic(&topic);
                    found.topics.push(self.log_state(log, meta.rules.volatile, since, cursors)?);
                }
                Relation::Invited { by } if found.invites.len() < MOST_INVITES => {
                    found.invites.push(Invite { topic, by });
                }
                Relation::Invited { .. } | Relation::Removed => {}
            }
        }
        Ok(found)
    }

    pub fn topics(&self, after: Option<&TopicName>, limit: usize) -> Result<Vec<Topic>, StoreError> {
        self.names(keys::TOPICS, after.map(TopicName::as_str), limit, |key, value| {
            let meta = TopicMeta::decode(value).map_err(damaged)?;
            topic(name(key.as_bytes(), TopicName::new)?, &meta).map(Some)
        })
    }
}

fn topic(topic: TopicName, meta: &TopicMeta) -> Result<Topic, StoreError> {
    let creator = name(meta.creator.as_bytes(), UserId::new)?;
    let TopicMeta { created, rules, dissolved, creator_life, .. } = *meta;
    Ok(Topic { name: topic, creator, created, rules, dissolved, creator_life })
}
