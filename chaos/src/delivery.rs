//! A message as a client is told of it, and whether it is, in every part, the one that was sent.

use protocol::command::{Packet, name};

use crate::message::{self, MessageId};
use crate::workload::Workload;

/// What a push says.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// The log's name.
    pub log: &'a str,
    /// The topic, if it is a topic's message.
    pub topic: Option<&'a str>,
    /// The text.
    pub text: &'a str,
    /// Who sent it.
    pub sender: &'a str,
    /// Whom an own p2p message was for.
    pub to: Option<&'a str>,
    /// The id that its sender gave it.
    pub id: &'a str,
}

impl<'a> Delivery<'a> {
    /// What a packet says, if it is a message.
    pub fn of(packet: &'a Packet<'_>) -> Option<Self> {
        let topic = &*packet.cmd_name == name::RESP_MESSAGE_TOPIC;
        if !topic && &*packet.cmd_name != name::RESP_MESSAGE_P2P {
            return None;
        }
        let first = usize::from(topic);
        Some(Self {
            log: packet.log.as_deref()?,
            topic: packet.args.get(0).filter(|_| topic),
            text: packet.args.get(first)?,
            sender: packet.args.get(first + 1)?,
            to: packet.to.as_deref(),
            id: packet.msg_id.as_deref()?,
        })
    }

    /// The message that it is, if its id, text, sender, log and recipient fit each other.
    pub fn message(&self, workload: &Workload, reader: usize) -> Option<MessageId> {
        let id: MessageId = self.id.parse().ok()?;
        let sender = usize::from(id.client);
        let addressed = match self.topic {
            Some(topic) => self.log.strip_prefix("t/") == Some(topic) && self.to.is_none(),
            None if sender == reader => self.to == Some(&message::user(workload.partner(reader))),
            None => self.to.is_none() && workload.partner(sender) == reader,
        };
        let known = workload.log_named(self.log).is_some();
        let sound = known && addressed && self.sender == message::user(sender);
        (sound && id.is_text(self.text, workload.bytes)).then_some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[test]
    fn a_message_that_was_changed_in_any_part_is_not_the_one_that_was_sent() {
        let workload = Workload::new(&Settings { clients: 4, ..Settings::default() });
        let id = MessageId { client: 1, number: 5 };
        let text = id.text(workload.bytes);
        let sound = Delivery { log: "u/c0", topic: None, text: &text, sender: "c1", to: None, id: "c1-5" };
        assert_eq!(sound.message(&workload, 0), Some(id));
        let changed = text.replace('w', "x");
        for other in [
            Delivery { text: &changed, ..sound },
            Delivery { sender: "c2", ..sound },
            Delivery { id: "c1-6", ..sound },
            Delivery { to: Some("c0"), ..sound },
            Delivery { log: "u/c9", ..sound },
            Delivery { topic: Some("t0"), ..sound },
        ] {
            assert_eq!(other.message(&workload, 0), None, "{other:?}");
        }
        assert_eq!(sound.message(&workload, 2), None);
        let own = Delivery { log: "u/c1", to: Some("c0"), ..sound };
        assert_eq!(own.message(&workload, 1), Some(id));
        let topic = Delivery { log: "t/t0", topic: Some("t0"), ..sound };
        assert_eq!(topic.message(&workload, 3), Some(id));
    }
}
