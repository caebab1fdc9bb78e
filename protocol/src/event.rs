//! Frames that a msg_server sends to clients.
//!
//! A message has two looks: [`Dialect::Old`] is byte for byte what clients in the field read,
//! [`Dialect::New`] adds the keys. Each is made once per message and shared by all sessions that speak it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;

use crate::code::{DisconnectCode, ErrorCode};
use crate::command::{Packet, Text, name};
use crate::content::{Content, Entry, Kind};
use crate::ids::{LogKind, LogName, Version};

/// The form that a session's frames take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// A client that never sent a `Seq`: bare args, nothing it does not know.
    Old,
    /// A client that numbers its requests.
    New,
}

/// A push of a durable entry; `None` where this dialect shows nothing for it (old clients know only messages
/// from others in an inbox, and messages in a topic).
pub fn pushed(dialect: Dialect, log: &LogName, entry: &Entry, seq: Option<u64>) -> Option<Bytes> {
    let content = Content::parse(&entry.content).unwrap_or_else(|_| Content::void());
    match dialect {
        Dialect::Old => old_message(log, &content, entry.version),
        Dialect::New => {
            let stamp = Stamp { version: Some(entry.version.0), time: Some(entry.time.0), seq };
            Some(new_message(log, &content, stamp))
        }
    }
}

/// A volatile message.
pub fn volatile(dialect: Dialect, log: &LogName, content: &Content<'_>) -> Option<Bytes> {
    match dialect {
        Dialect::Old => old_message(log, content, Version::ZERO),
        Dialect::New => Some(new_message(log, content, Stamp { version: None, time: None, seq: None })),
    }
}

fn old_message(log: &LogName, content: &Content<'_>, version: Version) -> Option<Bytes> {
    let text = String::from_utf8_lossy(content.body);
    if content.kind != Kind::MESSAGE {
        return None;
    }
    match log.kind() {
        LogKind::Inbox(user) if content.sender == user && content.to != Some(user) => None,
        LogKind::Inbox(_) => {
            let uuid = version_uuid(version);
            Some(Packet::new(name::RESP_MESSAGE_P2P, [&text, content.sender, &uuid]).to_bytes())
        }
        LogKind::Topic(topic) => {
            Some(Packet::new(name::RESP_MESSAGE_TOPIC, [topic, &text, content.sender]).to_bytes())
        }
    }
}

struct Stamp {
    version: Option<u64>,
    time: Option<u64>,
    seq: Option<u64>,
}

fn new_message(log: &LogName, content: &Content<'_>, stamp: Stamp) -> Bytes {
    let (text, body64) = match std::str::from_utf8(content.body) {
        Ok(text) => (text, None),
        Err(_) => ("", Some(BASE64.encode(content.body))),
    };
    let uuid = version_uuid(Version(stamp.version.unwrap_or(0)));
    let mut packet = match (content.kind, log.kind()) {
        (Kind::MESSAGE, LogKind::Inbox(_)) => {
            Packet::new(name::RESP_MESSAGE_P2P, [text, content.sender, &uuid])
        }
        (Kind::MESSAGE, LogKind::Topic(topic)) => {
            Packet::new(name::RESP_MESSAGE_TOPIC, [topic, text, content.sender])
        }
        _ => Packet::new(name::ENTRY, [log.as_str(), "", ""]),
    };
    let own = matches!(log.kind(), LogKind::Inbox(user) if user == content.sender);
    packet.seq = stamp.seq;
    packet.log = Some(log.as_str().into());
    packet.version = stamp.version;
    packet.time = stamp.time;
    packet.volatile = stamp.version.is_none().then_some(true);
    if content.kind == Kind::MESSAGE {
        packet.msg_id = Some(content.id.into());
        packet.to = if own { content.to.map(Text::from) } else { None };
        packet.device = content.device.map(Text::from);
        packet.content_type = content.content_type.map(Text::from);
        packet.body64 = body64.map(Text::from);
    } else {
        packet.kind = Some(content.kind.name().unwrap_or("unknown").into());
    }
    packet.to_bytes()
}

/// The `uuid` by which an old client acks a p2p message: a UUID of version 8 whose last 48 bits are the
/// message's version in the inbox, so that nobody has to remember which was which.
pub fn version_uuid(version: Version) -> String {
    format!("53686f61-6c00-8000-8000-{:012x}", version.0)
}

/// The version inside a [`version_uuid`]; `None` for any other text and for version 0.
pub fn uuid_version(uuid: &str) -> Option<Version> {
    let digits = uuid.strip_prefix("53686f61-6c00-8000-8000-")?;
    let plain = digits.len() == 12 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let version = u64::from_str_radix(digits, 16).ok().filter(|_| plain)?;
    (version > 0).then_some(Version(version))
}

/// `OK` to the request `seq`.
pub fn ok<'a>(seq: u64) -> Packet<'a> {
    Packet { seq: Some(seq), ..Packet::new(name::OK, []) }
}

/// Whether a refused message may be in its log after all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// Surely not.
    No,
    /// It may be: send it again with the same id.
    Maybe,
}

impl Stored {
    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Maybe => "maybe",
        }
    }
}

/// `ERROR` to the request `seq`; `message` says what to do. `stored` only for durable sends.
pub fn error(seq: u64, code: ErrorCode, message: &str, stored: Option<Stored>) -> Bytes {
    let number = code.number().to_string();
    let mut packet = refusal(seq, code, message, &number);
    packet.stored = stored.map(|stored| stored.word().into());
    packet.to_bytes()
}

/// `ERROR` to the request `seq`, which may succeed after `retry`, or never.
pub fn error_for(seq: u64, code: ErrorCode, message: &str, retry: Option<Duration>) -> Bytes {
    let number = code.number().to_string();
    let mut packet = refusal(seq, code, message, &number);
    packet.retry = retry.map(|wait| wait.as_millis() as u64);
    packet.to_bytes()
}

fn refusal<'a>(seq: u64, code: ErrorCode, message: &'a str, number: &'a str) -> Packet<'a> {
    let retry = code.retry().map(|wait| wait.as_millis() as u64);
    let packet = Packet::new(name::ERROR, [message, number, ""]);
    Packet { seq: Some(seq), code: Some(code.number()), retry, ..packet }
}

/// `DISCONNECT`: the last frame of a session that the server ends.
pub fn disconnect(code: DisconnectCode) -> Bytes {
    let number = code.number().to_string();
    let mut packet = Packet::new(name::DISCONNECT, [code.meaning(), &number, ""]);
    packet.code = Some(code.number());
    packet.to_bytes()
}

/// `GAP`: retention took everything after `after` up to and including `upto`.
pub fn gap(log: &LogName, after: Version, upto: Version, seq: Option<u64>) -> Bytes {
    let (first, last) = (after.next().to_string(), upto.to_string());
    let mut packet = Packet::new(name::GAP, [log.as_str(), &first, &last]);
    packet.seq = seq;
    packet.log = Some(log.as_str().into());
    packet.version = Some(upto.0);
    packet.to_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Time;

    fn entry(version: u64, content: Content<'_>) -> Entry {
        Entry { version: Version(version), time: Time(7), content: content.to_bytes() }
    }

    fn body(frame: Option<Bytes>) -> Option<String> {
        frame.map(|frame| String::from_utf8(frame[4..].to_vec()).unwrap())
    }

    #[test]
    fn an_old_client_gets_the_frames_of_the_field() {
        let inbox = LogName::new("u/bob").unwrap();
        let hi = entry(3, Content::text("amy", "m1", Some("bob"), "hi"));
        let want =
            r#"{"CmdName":"RESP_MESSAGE_P2P","Args":["hi","amy","53686f61-6c00-8000-8000-000000000003"]}"#;
        assert_eq!(body(pushed(Dialect::Old, &inbox, &hi, None)).as_deref(), Some(want));
        let topic = LogName::new("t/garden").unwrap();
        let hi = entry(3, Content::text("amy", "m1", None, "hi"));
        let want = r#"{"CmdName":"RESP_MESSAGE_TOPIC","Args":["garden","hi","amy"]}"#;
        assert_eq!(body(pushed(Dialect::Old, &topic, &hi, None)).as_deref(), Some(want));
    }

    #[test]
    fn an_old_client_never_sees_its_own_p2p_copies_or_kinds_it_does_not_know() {
        let inbox = LogName::new("u/amy").unwrap();
        let sent = entry(1, Content::text("amy", "m1", Some("bob"), "hi"));
        assert_eq!(pushed(Dialect::Old, &inbox, &sent, None), None);
        assert_eq!(pushed(Dialect::Old, &inbox, &entry(2, Content::void()), None), None);
        let to_self = entry(3, Content::text("amy", "m1", Some("amy"), "note"));
        assert!(pushed(Dialect::Old, &inbox, &to_self, None).is_some());
    }

    #[test]
    fn a_newer_client_gets_every_version_with_its_keys() {
        let inbox = LogName::new("u/amy").unwrap();
        let sent =
            entry(1, Content { device: Some("phone"), ..Content::text("amy", "m1", Some("bob"), "hi") });
        let want = concat!(
            r#"{"CmdName":"RESP_MESSAGE_P2P","Args":["hi","amy","53686f61-6c00-8000-8000-000000000001"],"#,
            r#""Log":"u/amy","Version":1,"MsgId":"m1","Time":7,"To":"bob","Device":"phone"}"#
        );
        assert_eq!(body(pushed(Dialect::New, &inbox, &sent, None)).as_deref(), Some(want));
        let void = body(pushed(Dialect::New, &inbox, &entry(2, Content::void()), Some(5))).unwrap();
        assert_eq!(
            void,
            r#"{"CmdName":"ENTRY","Args":["u/amy","",""],"Seq":5,"Log":"u/amy","Version":2,"Time":7,"Kind":"void"}"#
        );
    }

    #[test]
    fn a_body_that_is_not_text_travels_in_base64() {
        let topic = LogName::new("t/x").unwrap();
        let bytes = Content {
            body: &[255, 0],
            content_type: Some("image/png"),
            ..Content::text("amy", "1", None, "")
        };
        let frame = body(pushed(Dialect::New, &topic, &entry(1, bytes), None)).unwrap();
        assert!(frame.contains(r#""Type":"image/png","Body64":"/wA=""#), "{frame}");
    }

    #[test]
    fn the_uuid_of_a_message_leads_back_to_its_version() {
        for version in [1, 77, (1 << 48) - 1] {
            assert_eq!(uuid_version(&version_uuid(Version(version))), Some(Version(version)));
        }
        for other in
            ["", "abc", "53686f61-6c00-8000-8000-000000000000", "53686f61-6c00-8000-8000-+00000000001"]
        {
            assert_eq!(uuid_version(other), None, "{other}");
        }
    }

    #[test]
    fn whatever_is_sent_has_three_args() {
        let log = LogName::new("u/a").unwrap();
        for frame in [
            error(1, ErrorCode::UnknownUser, "x", Some(Stored::No)),
            disconnect(DisconnectCode::Draining),
            gap(&log, Version(1), Version(4), None),
        ] {
            assert_eq!(Packet::parse(&frame[4..]).unwrap().args.as_slice().len(), 3);
        }
    }
}
