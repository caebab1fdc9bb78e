//! The system channels that a msg_server publishes and other processes subscribe to.

use std::fmt;

/// A system channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Channel {
    /// A session begins or ends.
    ClientStatus = 1,
    /// A topic or its membership changes.
    TopicStatus = 2,
    /// The msg_server begins or stops to follow a topic's log for online members.
    TopicSync = 3,
    /// A message was accepted, durable or volatile.
    Send = 4,
    /// Figures of every process, every few seconds.
    Monitor = 5,
    /// Accounts and sessions to be stored.
    StoreClientInfo = 6,
    /// Topics and members to be stored.
    StoreTopicInfo = 7,
    /// Durable messages to be appended, and logs to be read.
    StoreMessage = 8,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Self; 8] = [
        Self::ClientStatus,
        Self::TopicStatus,
        Self::TopicSync,
        Self::Send,
        Self::Monitor,
        Self::StoreClientInfo,
        Self::StoreTopicInfo,
        Self::StoreMessage,
    ];

    /// The channel's name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClientStatus => "/sysctrl/client-status",
            Self::TopicStatus => "/sysctrl/topic-status",
            Self::TopicSync => "/sysctrl/topic-sync",
            Self::Send => "/sysctrl/send",
            Self::Monitor => "/sysctrl/monitor",
            Self::StoreClientInfo => "/store/client-info",
            Self::StoreTopicInfo => "/store/topic-info",
            Self::StoreMessage => "/store/message",
        }
    }

    /// The channel of that name, if there is one.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.name() == name)
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Channels(u16);

impl Channels {
    /// Adds a channel.
    pub fn insert(&mut self, channel: Channel) {
        self.0 |= 1 << channel as u8;
    }

    /// Whether the channel is in it.
    pub fn contains(self, channel: Channel) -> bool {
        self.0 & 1 << channel as u8 != 0
    }
}

impl FromIterator<Channel> for Channels {
    fn from_iter<I: IntoIterator<Item = Channel>>(channels: I) -> Self {
        let mut set = Self::default();
        channels.into_iter().for_each(|channel| set.insert(channel));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_channels() {
        for channel in Channel::ALL {
            assert_eq!(Channel::named(channel.name()), Some(channel));
        }
        assert_eq!(Channel::named("/sysctrl"), None);
    }
}
