//! What a msg_server may have stored: checked once, here.

use bytes::Bytes;
use protocol::content::Content;
use protocol::ids::{LogKind, LogName, UserId};
use protocol::link;
use storage::Append;

/// An append that may go to the store.
#[derive(Debug, PartialEq, Eq)]
pub enum Checked {
    /// For one log.
    One(Append),
    /// For the inboxes of sender and recipient.
    Pair {
        /// The encoded content.
        content: Bytes,
        /// Sender and recipient are the same.
        to_oneself: bool,
    },
}

/// Checks an append as it came.
///
/// Only pairs go into inboxes and only single appends into topics: so the two never share a log, and the order within
/// each kind is the order within each log.
///
/// # Errors
/// What is wrong, for people.
pub fn check(append: &link::Append<'_>) -> Result<Checked, &'static str> {
    let log = LogName::new(append.log).map_err(|_| "the log is neither u/<user> nor t/<topic>")?;
    let content = Content::parse(append.content).map_err(|_| "the content cannot be read")?;
    if content.sender.is_empty() || content.sender.len() > UserId::MAX_BYTES || content.id.is_empty() {
        return Err("the content names no sender or no message id");
    }
    match (append.pair, log.kind(), content.to) {
        (true, LogKind::Inbox(owner), Some(to)) if owner == content.sender => {
            Ok(Checked::Pair { content: Bytes::copy_from_slice(append.content), to_oneself: to == owner })
        }
        (true, LogKind::Inbox(_), Some(_)) => Err("the log is not the sender's inbox"),
        (false, LogKind::Topic(_), None) => {
            Ok(Checked::One(Append { log, content: Bytes::copy_from_slice(append.content), open: false }))
        }
        (true, _, None) | (false, _, Some(_)) => Err("a p2p message has a recipient, and no other has"),
        (true, LogKind::Topic(_), _) | (false, LogKind::Inbox(_), _) => {
            Err("a p2p message goes into inboxes, and only into those")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_one(log: &str, pair: bool, content: Content<'_>) -> Result<Checked, &'static str> {
        check(&link::Append { ask: 1, log, pair, content: &content.to_bytes() })
    }

    #[test]
    fn a_pair_goes_from_its_sender_s_inbox_and_anything_else_into_a_topic() {
        for (to, to_oneself) in [("bob", false), ("amy", true)] {
            let content = Content::text("amy", "1", Some(to), "hi");
            let pair = Checked::Pair { content: content.to_bytes(), to_oneself };
            assert_eq!(check_one("u/amy", true, content), Ok(pair));
        }
        let to_all = Content::text("amy", "1", None, "hi");
        let log = LogName::new("t/garden").unwrap();
        let append = Append { log, content: to_all.to_bytes(), open: false };
        assert_eq!(check_one("t/garden", false, to_all), Ok(Checked::One(append)));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let to_bob = Content::text("amy", "1", Some("bob"), "hi");
        let to_all = Content { to: None, ..to_bob };
        for (log, pair, content) in [
            ("u/bob", true, to_bob),
            ("t/garden", true, to_bob),
            ("u/amy", true, to_all),
            ("u/amy", false, to_all),
            ("t/garden", false, to_bob),
            ("x/garden", false, to_all),
            ("t/garden", false, Content { sender: "", ..to_all }),
            ("t/garden", false, Content { id: "", ..to_all }),
            ("t/garden", false, Content::void()),
        ] {
            assert!(check_one(log, pair, content).is_err(), "{log} {pair} {content:?}");
        }
        assert!(check(&link::Append { ask: 1, log: "t/x", pair: false, content: b"\xff" }).is_err());
    }
}
