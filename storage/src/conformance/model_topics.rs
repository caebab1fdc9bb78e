//! The model's topics.

use protocol::access::{self, Act, History};
use protocol::account::Invite;
use protocol::code::ErrorCode;
use protocol::ids::{DeviceId, LogName, TopicName, UserId, Version};

use super::model::{Model, after_name};
use crate::{MOST_INVITES, Membership, NewTopic, Relation, StoreError, Topic, TopicError, TopicsOf};

impl Model {
    /// Whether the user may do that to the topic; the topic if so.
    pub(super) fn admit(&self, act: Act, name: &TopicName, user: &UserId) -> Result<&Topic, ErrorCode> {
        if self.has_ended(user) {
            return Err(ErrorCode::NotAllowed);
        }
        let topic = self.topics.get(name).ok_or(ErrorCode::UnknownTopic)?;
        if topic.dissolved {
            return Err(ErrorCode::NameGone);
        }
        let standing = Relation::standing(self.relation(name, user), self.made(user, topic));
        access::may(act, standing, topic.rules.join).map(|()| topic)
    }

    /// Whether the user, and not somebody who had the name before or after, made the topic.
    fn made(&self, user: &UserId, topic: &Topic) -> bool {
        topic.creator == *user && topic.creator_life == self.life(user)
    }

    fn relation(&self, topic: &TopicName, user: &UserId) -> Option<&Relation> {
        self.relations.get(&(topic.clone(), user.clone()))
    }

    fn is_member(&self, topic: &TopicName, user: &UserId) -> bool {
        self.relation(topic, user).is_some_and(Relation::is_member)
    }

    /// Sets the relation; how many memberships have ended, if this ended one.
    pub(super) fn relate(
        &mut self,
        topic: &TopicName,
        user: &UserId,
        relation: Option<Relation>,
    ) -> Option<u64> {
        let was_member = self.is_member(topic, user);
        let is_member = relation.as_ref().is_some_and(Relation::is_member);
        let key = (topic.clone(), user.clone());
        match relation {
            Some(relation) => drop(self.relations.insert(key, relation)),
            None => drop(self.relations.remove(&key)),
        }
        if was_member != is_member {
            self.revise(user);
        }
        (was_member && !is_member).then(|| {
            let ended = self.ended.entry(topic.clone()).or_default();
            *ended += 1;
            *ended
        })
    }

    pub fn create_topic(&mut self, new: &NewTopic) -> Result<Membership, TopicError> {
        let (name, creator) = (&new.name, &new.creator);
        match self.admit(Act::Create, name, creator) {
            Ok(there) => {
                if !new.is_met_by(there.rules) || !self.is_member(name, creator) {
                    return Err(ErrorCode::TopicExists.into());
                }
            }
            Err(ErrorCode::UnknownTopic) => {
                let (creator_life, creator) = (self.life(creator), creator.clone());
                let (created, rules, dissolved) = (self.now, new.rules(), false);
                let topic = Topic { name: name.clone(), creator, created, rules, dissolved, creator_life };
                self.topics.insert(name.clone(), topic);
            }
            Err(code) => return Err(code.into()),
        }
        self.join_topic(name, creator, None)
    }

    pub fn join_topic(
        &mut self,
        name: &TopicName,
        user: &UserId,
        device: Option<&DeviceId>,
    ) -> Result<Membership, TopicError> {
        let history = self.admit(Act::Join, name, user)?.rules.history;
        let already = self.is_member(name, user);
        let log = LogName::topic(name);
        if !already {
            let since = match history {
                History::All => Version::ZERO,
                History::FromJoin => self.bounds(&log).head,
            };
            self.relate(name, user, Some(Relation::Member { since }));
        }
        Ok(Membership { log: self.log_state(log, user, Some(device)), already })
    }

    pub fn leave_topic(&mut self, topic: &TopicName, user: &UserId) -> Result<Option<u64>, TopicError> {
        match self.admit(Act::Leave, topic, user) {
            Ok(_) if self.relation(topic, user) == Some(&Relation::Removed) => Ok(None),
            Ok(_) => Ok(self.relate(topic, user, None)),
            Err(ErrorCode::UnknownTopic) => Ok(None),
            Err(code) => Err(code.into()),
        }
    }

    pub fn invite(&mut self, topic: &TopicName, user: &UserId, by: &UserId) -> Result<bool, TopicError> {
        self.admit(Act::Invite, topic, by)?;
        match self.relation(topic, user) {
            Some(Relation::Member { .. } | Relation::Invited { .. }) => Ok(false),
            _ if !self.accounts.contains_key(user) => Err(ErrorCode::UnknownUser.into()),
            _ if self.is_gone(user) => Err(ErrorCode::NameGone.into()),
            _ => {
                self.relate(topic, user, Some(Relation::Invited { by: by.clone() }));
                Ok(true)
            }
        }
    }

    pub fn remove_member(
        &mut self,
        topic: &TopicName,
        user: &UserId,
        by: &UserId,
    ) -> Result<Option<u64>, TopicError> {
        let is_creator = self.made(user, self.admit(Act::Remove, topic, by)?);
        let relation = self.relation(topic, user);
        access::may_befall(Act::Remove, Relation::standing(relation, is_creator))?;
        if relation.is_none() && !self.accounts.contains_key(user) {
            return Err(ErrorCode::UnknownUser.into());
        }
        Ok(self.relate(topic, user, Some(Relation::Removed)))
    }

    pub fn dissolve(&mut self, name: &TopicName, by: &UserId) -> Result<(), TopicError> {
        self.admit(Act::Dissolve, name, by)?;
        if let Some(topic) = self.topics.get_mut(name) {
            topic.dissolved = true;
        }
        self.empty(&LogName::topic(name));
        Ok(())
    }

    /// The topics that the user stands to somehow.
    pub(super) fn related_to(&self, user: &UserId) -> Vec<TopicName> {
        self.relations.keys().filter(|(_, of)| of == user).map(|(topic, _)| topic.clone()).collect()
    }

    pub fn may(&self, act: Act, topic: &TopicName, user: &UserId) -> Result<Version, TopicError> {
        self.admit(act, topic, user)?;
        Ok(self.since(topic, user))
    }

    /// After which version the user reads the topic.
    pub(super) fn since(&self, topic: &TopicName, user: &UserId) -> Version {
        self.relation(topic, user).map_or(Version::ZERO, Relation::since)
    }

    pub fn topic(&self, topic: &TopicName) -> Option<Topic> {
        self.topics.get(topic).cloned()
    }

    pub fn relations(
        &self,
        topic: &TopicName,
        after: Option<&UserId>,
        limit: usize,
    ) -> Vec<(UserId, Relation)> {
        let of_topic = self
            .relations
            .iter()
            .filter(|((of, user), _)| of == topic && after.is_none_or(|after| user > after));
        of_topic.map(|((_, user), relation)| (user.clone(), relation.clone())).take(limit).collect()
    }

    pub fn members(&self, topic: &TopicName, after: Option<&UserId>, limit: usize) -> Vec<UserId> {
        let all = self.relations(topic, after, usize::MAX).into_iter();
        all.filter(|(_, relation)| relation.is_member()).map(|(user, _)| user).take(limit).collect()
    }

    pub fn topics_of(&self, user: &UserId, cursors: Option<Option<&DeviceId>>) -> TopicsOf {
        let mut found = TopicsOf { topics: Vec::new(), invites: Vec::new() };
        for ((topic, _), relation) in self.relations.iter().filter(|((_, of), _)| of == user) {
            match relation {
                _ if self.topics.get(topic).is_none_or(|topic| topic.dissolved) => {}
                Relation::Member { .. } => {
                    found.topics.push(self.log_state(LogName::topic(topic), user, cursors));
                }
                Relation::Invited { by } => {
                    found.invites.push(Invite { topic: topic.clone(), by: by.clone() });
                }
                Relation::Removed => {}
            }
        }
        found.invites.truncate(MOST_INVITES);
        found
    }

    pub fn topics(&self, after: Option<&TopicName>, limit: usize) -> Vec<Topic> {
        let names = after_name(self.topics.keys(), after, limit);
        names.iter().filter_map(|name| self.topics.get(name).cloned()).collect()
    }

    pub(super) fn restore_topic(&mut self, topic: &Topic) -> Result<(), StoreError> {
        let there = self.topics.entry(topic.name.clone()).or_insert_with(|| topic.clone());
        if there == topic { Ok(()) } else { Err(super::model::in_the_way()) }
    }

    pub(super) fn restore_relation(
        &mut self,
        topic: &TopicName,
        user: &UserId,
        relation: &Relation,
    ) -> Result<(), StoreError> {
        match self.relation(topic, user) {
            Some(there) if there != relation => Err(super::model::in_the_way()),
            Some(_) => Ok(()),
            None => {
                self.relate(topic, user, Some(relation.clone()));
                Ok(())
            }
        }
    }
}
