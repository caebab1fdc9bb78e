//! What the programs say, in one place for both.

use protocol::code::ErrorCode;

use super::clock;
use super::paint::{Paint, harmless};
use crate::{Message, Reason, SendError, Target, UserId};

/// A message from somebody, or from another device of one's own.
pub fn message(message: &Message, me: &UserId, topic_shown: Option<&str>, paint: Paint) -> String {
    let time = message.time.map_or_else(|| "     ".to_owned(), clock::local);
    let from = if message.from == *me { paint.own_name("you") } else { paint.name(message.from.as_str()) };
    let to = match (&message.to, message.topic()) {
        (Some(to), _) => format!(" to {to}"),
        (None, Some(topic)) if topic_shown != Some(topic.as_str()) => format!(" in {topic}"),
        _ => String::new(),
    };
    let volatile = if message.is_volatile() { paint.dim(" (not stored)") } else { String::new() };
    format!("{}  {from}{to}: {}{volatile}", paint.dim(&time), body(message))
}

fn body(message: &Message) -> String {
    match (message.body.text(), &message.body.content_type) {
        (Some(text), None) => harmless(text).replace('\n', "\n       "),
        (Some(text), Some(kind)) => format!("[{kind}] {}", harmless(text)),
        (None, kind) => {
            let kind = kind.as_deref().unwrap_or("bytes");
            format!("[{}: {} bytes]", harmless(kind), message.body.bytes.len())
        }
    }
}

/// Why a message was not sent, and what helps.
pub fn send_error(target: &Target, error: &SendError) -> String {
    let SendError::Refused { code, message } = error else { return error.to_string() };
    match (ErrorCode::from_number(*code), target) {
        (Some(ErrorCode::UnknownUser), Target::User(user)) => {
            format!("{user} has never logged in here; once they have, as --id {user}, send it again")
        }
        (Some(ErrorCode::UnknownTopic), Target::Topic(topic)) => {
            format!("there is no topic {topic}: /create {topic} (or --create {topic}) makes it")
        }
        (Some(ErrorCode::NotAMember), Target::Topic(topic)) => {
            format!("you are not a member of {topic}: /join {topic} (or --join {topic}) first")
        }
        (Some(ErrorCode::WrongDurability), Target::Topic(topic)) => {
            format!(
                "{topic} is a volatile topic or a durable one, and this message is not: see --volatile ({message})"
            )
        }
        _ => format!("{message} ({code})"),
    }
}

/// Why the client has ended, and what helps.
pub fn ended(reason: &Reason) -> String {
    match reason {
        Reason::Told { code: 3000, .. } => {
            "the same id and device logged in elsewhere, and this session was ended; \
             to have both at once, give each a --device of its own"
                .to_owned()
        }
        other => other.to_string(),
    }
}

/// Why there is no connection yet, and what helps.
pub fn unreachable(trouble: Option<&Reason>, gateway: &str) -> String {
    match trouble {
        Some(reason @ Reason::Unreachable { .. }) => {
            format!("{reason}; is the mesh running there (shoal up)? another place is given with --gateway")
        }
        Some(reason) => reason.to_string(),
        None => format!("no answer from {gateway} in time"),
    }
}

/// A list of names, as one says it.
pub fn listed<T: ToString>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| name.to_string()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Body, LogName, TopicName, Version};

    const PLAIN: Paint = Paint { colours: false, unicode: true };

    fn from(from: &str, log: &str, to: Option<&str>, text: &str) -> Message {
        Message {
            log: LogName::new(log).unwrap(),
            version: Some(Version(1)),
            id: None,
            from: UserId::new(from).unwrap(),
            to: to.map(|to| UserId::new(to).unwrap()),
            device: None,
            time: None,
            body: Body::from(text),
        }
    }

    #[test]
    fn a_message_says_who_and_where_to() {
        let me = UserId::new("amy").unwrap();
        let line = |it: &Message, topic| message(it, &me, topic, PLAIN).trim().to_owned();
        assert_eq!(line(&from("bob", "u/amy", None, "hi"), None), "bob: hi");
        assert_eq!(line(&from("amy", "u/amy", Some("bob"), "hi"), None), "you to bob: hi");
        assert_eq!(line(&from("bob", "t/x", None, "hi"), Some("x")), "bob: hi");
        assert_eq!(line(&from("bob", "t/x", None, "a\nb\x1b"), Some("y")), "bob in x: a\n       b\u{FFFD}");
    }

    #[test]
    fn an_unknown_recipient_gets_a_line_that_helps() {
        let refused = SendError::Refused { code: 4005, message: "x".into() };
        let line = send_error(&Target::User(UserId::new("bob").unwrap()), &refused);
        assert_eq!(line, "bob has never logged in here; once they have, as --id bob, send it again");
        let refused = SendError::Refused { code: 4003, message: "x".into() };
        let line = send_error(&Target::Topic(TopicName::new("garden").unwrap()), &refused);
        assert!(line.contains("/join garden"));
    }
}
