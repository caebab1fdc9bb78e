//! Messages that say by themselves who sent them and as which of its messages, so that none can be taken for another.

use std::fmt;
use std::str::FromStr;

/// A message: the `MsgId` under which it is sent, and the first word of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId {
    /// Which client sends it.
    pub client: u16,
    /// Which of that client's messages it is, counted from 0.
    pub number: u32,
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}-{}", self.client, self.number)
    }
}

/// A text that is no id of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the id of a message of this run")]
pub struct NotOurs;

impl FromStr for MessageId {
    type Err = NotOurs;

    fn from_str(text: &str) -> Result<Self, NotOurs> {
        let (client, number) = text.strip_prefix('c').and_then(|rest| rest.split_once('-')).ok_or(NotOurs)?;
        let id = Self {
            client: client.parse().map_err(|_| NotOurs)?,
            number: number.parse().map_err(|_| NotOurs)?,
        };
        Ok(id)
    }
}

impl MessageId {
    /// The text of this message: its id and a filler that differs from message to message, `bytes` long or a little longer.
    pub fn text(self, bytes: usize) -> String {
        let mut text = format!("{self} ");
        let mut state = u64::from(self.client) << 32 | u64::from(self.number);
        while text.len() < bytes {
            // A multiplicative step: neighbours get different fillers.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push(char::from(b'a' + ((state >> 33) % 26) as u8));
        }
        text
    }

    /// Whether `text` is the whole text of this message, unchanged.
    pub fn is_text(self, text: &str, bytes: usize) -> bool {
        self.text(bytes) == text
    }
}

/// The name of a client.
pub fn user(client: usize) -> String {
    format!("c{client}")
}

/// The name of a topic.
pub fn topic(number: usize) -> String {
    format!("t{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back_and_nothing_else_is() {
        let id = MessageId { client: 17, number: 42 };
        assert_eq!(id.to_string().parse(), Ok(id));
        for other in ["", "c1", "c-1", "x1-2", "c1-2-3", "c70000-1"] {
            assert_eq!(other.parse::<MessageId>(), Err(NotOurs), "{other}");
        }
    }

    #[test]
    fn a_text_belongs_to_one_message_only() {
        let id = MessageId { client: 1, number: 2 };
        let next = MessageId { client: 1, number: 3 };
        assert!(id.is_text(&id.text(100), 100));
        assert!(!id.is_text(&next.text(100), 100));
        assert_ne!(id.text(100)[5..], next.text(100)[5..]);
        assert_eq!(id.text(0), "c1-2 ");
    }
}
