//! Who is to hear that a cursor passed their messages: plain code.

use protocol::content::{Content, Entry};
use protocol::ids::{MessageId, UserId, Version};
use protocol::link::request::Receipt;

/// At most so many of the newest entries that a cursor passed are looked at.
pub const ENTRIES: u64 = 1_000;

/// After which version a cursor that moved is looked at; `None` if it did not move.
pub fn begins_after(stood: Version, moved_to: Version, head: Version) -> Option<Version> {
    let to = moved_to.min(head);
    (to > stood).then(|| stood.max(Version(to.0.saturating_sub(ENTRIES))))
}

/// Gathers the newest message of each sender to one user. Entries are added in the order of their versions.
#[derive(Debug)]
pub struct Receipts {
    user: UserId,
    found: Vec<Receipt>,
}

impl Receipts {
    /// Of messages to this user.
    pub fn new(user: UserId) -> Self {
        Self { user, found: Vec::new() }
    }

    /// The cursor passed this entry.
    pub fn passed(&mut self, entry: &Entry) {
        let Some((sender, id)) = self.message(entry) else { return };
        match self.found.iter_mut().find(|receipt| receipt.sender == sender) {
            Some(receipt) => receipt.id = id,
            None => self.found.push(Receipt { sender, id }),
        }
    }

    /// One for each sender.
    pub fn into_vec(self) -> Vec<Receipt> {
        self.found
    }

    /// The sender and id of a message that somebody else sent to the user.
    fn message(&self, entry: &Entry) -> Option<(UserId, MessageId)> {
        let content = Content::parse(&entry.content).ok()?;
        let is_to_us = content.to == Some(self.user.as_str()) && content.sender != self.user.as_str();
        let (sender, id) = is_to_us.then_some((content.sender, content.id))?;
        Some((UserId::new(sender).ok()?, MessageId::new(id).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use protocol::ids::Time;

    use super::*;

    fn entry(version: u64, content: Content<'_>) -> Entry {
        Entry { version: Version(version), time: Time(0), content: content.to_bytes() }
    }

    #[test]
    fn each_sender_hears_of_the_newest_of_their_messages_only() {
        let mut receipts = Receipts::new(UserId::new("bob").unwrap());
        for (version, (sender, id, to)) in [
            ("amy", "a1", Some("bob")),
            ("bob", "b1", Some("amy")),
            ("eve", "e1", Some("bob")),
            ("amy", "a2", Some("bob")),
            ("bob", "b2", Some("bob")),
            ("amy", "a3", None),
        ]
        .into_iter()
        .enumerate()
        {
            receipts.passed(&entry(version as u64, Content::text(sender, id, to, "hi")));
        }
        receipts.passed(&entry(9, Content::void()));
        let found: Vec<_> = receipts.into_vec();
        let found: Vec<_> =
            found.iter().map(|receipt| (receipt.sender.as_str(), receipt.id.as_str())).collect();
        assert_eq!(found, [("amy", "a2"), ("eve", "e1")]);
    }

    #[test]
    fn only_a_cursor_that_moved_is_looked_at_and_only_its_newest_part() {
        let begins = |stood, to, head| begins_after(Version(stood), Version(to), Version(head));
        assert_eq!(begins(5, 5, 9), None);
        assert_eq!(begins(5, 3, 9), None);
        assert_eq!(begins(9, 12, 9), None);
        assert_eq!(begins(5, 7, 9), Some(Version(5)));
        assert_eq!(begins(5, 5000, 3000), Some(Version(2000)));
    }
}
