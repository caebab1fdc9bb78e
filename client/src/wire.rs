//! Between this crate's types and the packets of `docs/protocol.md`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use protocol::command::{Packet, Text, name};
use protocol::ids::{DeviceId, LogName, MessageId, Time, UserId, Version};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::outbox::Outgoing;
use crate::request::{Answer, MembersPage, Request};
use crate::{Body, LogState, Message, Page, PageItem, Sent, Target, TopicState};

/// What is wrong with a packet that was received.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

fn missing(what: &str) -> Malformed {
    Malformed(format!("{what} is missing or malformed"))
}

fn numbered<const N: usize>(cmd_name: &'static str, args: [&str; N], seq: u64, out: &mut Vec<u8>) {
    Packet { seq: Some(seq), ..packet(cmd_name, args) }.encode(out);
}

fn packet<'a, const N: usize>(cmd_name: &'a str, args: [&'a str; N]) -> Packet<'a> {
    Packet::new(cmd_name, args)
}

/// `REQ_MSG_SERVER`.
pub fn ask_gateway(seq: u64, out: &mut Vec<u8>) {
    numbered(name::REQ_MSG_SERVER, [], seq, out);
}

/// `SEND_CLIENT_ID`.
pub fn login(user: &UserId, device: &DeviceId, seq: u64, out: &mut Vec<u8>) {
    let device = Some(device.as_str().into());
    Packet { seq: Some(seq), device, ..packet(name::SEND_CLIENT_ID, [user.as_str()]) }.encode(out);
}

/// `RESUME`.
pub fn resume(logs: &BTreeMap<LogName, u64>, seq: u64, out: &mut Vec<u8>) {
    let json = serde_json::value::to_raw_value(logs).ok();
    Packet { seq: Some(seq), logs: json.as_deref(), ..packet(name::RESUME, []) }.encode(out);
}

/// `SEND_PING`.
pub fn ping(seq: u64, out: &mut Vec<u8>) {
    numbered(name::SEND_PING, [], seq, out);
}

/// `ACK`.
pub fn ack(log: &LogName, version: u64, seq: u64, out: &mut Vec<u8>) {
    numbered(name::ACK, [log.as_str(), &version.to_string()], seq, out);
}

/// A durable send.
pub fn send(outgoing: &Outgoing, seq: u64, out: &mut Vec<u8>) {
    message(&outgoing.target, &outgoing.body, Some(&outgoing.id), seq, out);
}

/// Bytes of the packet that a durable send makes, its length not counted.
pub fn send_size(outgoing: &Outgoing) -> usize {
    let mut out = Vec::with_capacity(outgoing.body.bytes.len() + 200);
    send(outgoing, MAX_SEQ, &mut out);
    out.len() - protocol::packet::LENGTH_BYTES
}

/// Bytes of the packet that a request makes, its length not counted.
pub fn request_size(asked: &Request) -> usize {
    let mut out = Vec::new();
    request(asked, MAX_SEQ, &mut out);
    out.len() - protocol::packet::LENGTH_BYTES
}

const MAX_SEQ: u64 = (1 << 53) - 1;

fn message(target: &Target, body: &Body, id: Option<&MessageId>, seq: u64, out: &mut Vec<u8>) {
    let (text, body64) = match body.text() {
        Some(text) => (text, None),
        None => ("", Some(BASE64.encode(&body.bytes))),
    };
    let mut packet = match target {
        Target::User(user) => packet(name::SEND_MESSAGE_P2P, [user.as_str(), text]),
        Target::Topic(topic) => packet(name::SEND_MESSAGE_TOPIC, [topic.as_str(), text]),
    };
    packet.seq = Some(seq);
    packet.msg_id = id.map(|id| id.as_str().into());
    packet.content_type = body.content_type.as_deref().map(Text::from);
    packet.body64 = body64.map(Text::from);
    packet.volatile = id.is_none().then_some(true);
    packet.encode(out);
}

/// Any request.
pub fn request(request: &Request, seq: u64, out: &mut Vec<u8>) {
    match request {
        Request::Create { topic, volatile } => {
            let volatile = volatile.then_some(true);
            Packet { seq: Some(seq), volatile, ..packet(name::CREATE_TOPIC, [topic.as_str()]) }.encode(out);
        }
        Request::Join { topic } => numbered(name::JOIN_TOPIC, [topic.as_str()], seq, out),
        Request::Leave { topic } => numbered(name::LEAVE_TOPIC, [topic.as_str()], seq, out),
        Request::Topics => numbered(name::TOPICS, [], seq, out),
        Request::Members { topic, after, limit } => {
            let after = after.as_ref().map_or("", UserId::as_str);
            numbered(name::MEMBERS, [topic.as_str(), after, &limit.to_string()], seq, out);
        }
        Request::Presence { users } => {
            let args = users.iter().map(|user| Text::from(user.as_str())).collect();
            Packet { seq: Some(seq), args, ..packet(name::PRESENCE, []) }.encode(out);
        }
        Request::Sync { log, after, limit } => {
            numbered(name::SYNC, [log.as_str(), &after.to_string(), &limit.to_string()], seq, out);
        }
        Request::Read { log, version } => {
            numbered(name::READ, [log.as_str(), &version.to_string()], seq, out);
        }
        Request::Volatile { target, body } => message(target, body, None, seq, out),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListedLog {
    log: LogName,
    #[serde(default)]
    first: Version,
    #[serde(default)]
    head: Version,
    #[serde(default)]
    cursor: Version,
    #[serde(default)]
    read: Version,
    #[serde(default)]
    volatile: bool,
}

fn log_list(json: &RawValue) -> Result<Option<Vec<LogState>>, Malformed> {
    let list: Option<Vec<ListedLog>> =
        serde_json::from_str(json.get()).map_err(|error| Malformed(format!("a list of logs: {error}")))?;
    Ok(list.map(|list| {
        list.into_iter()
            .map(|ListedLog { log, first, head, cursor, read, volatile }| LogState {
                log,
                first,
                head,
                cursor,
                read,
                volatile,
            })
            .collect()
    }))
}

/// The `Logs` of a login's `OK`; `None` where it is null or absent.
pub fn login_logs(packet: &Packet<'_>) -> Result<Option<Vec<LogState>>, Malformed> {
    packet.logs.map_or(Ok(None), log_list)
}

/// `Log`, a name.
pub fn log_of(packet: &Packet<'_>) -> Result<LogName, Malformed> {
    let log = packet.log.as_deref().ok_or_else(|| missing("Log"))?;
    LogName::new(log).map_err(|error| Malformed(error.to_string()))
}

/// `Version`, from 1 on.
pub fn version_of(packet: &Packet<'_>) -> Result<u64, Malformed> {
    packet.version.filter(|version| *version > 0).ok_or_else(|| missing("Version"))
}

/// The `OK` of a durable send.
pub fn sent(packet: &Packet<'_>) -> Result<Sent, Malformed> {
    let version = Version(version_of(packet)?);
    Ok(Sent { log: log_of(packet)?, version, time: packet.time.map(Time) })
}

/// `RESP_MESSAGE_P2P` or `RESP_MESSAGE_TOPIC`.
pub fn pushed_message(packet: &Packet<'_>) -> Result<Message, Malformed> {
    let topic = &*packet.cmd_name == name::RESP_MESSAGE_TOPIC;
    let (text, from) = if topic { (1, 2) } else { (0, 1) };
    let from = packet.args.get(from).and_then(|from| UserId::new(from).ok());
    Ok(Message {
        log: log_of(packet)?,
        version: packet.version.filter(|version| *version > 0).map(Version),
        id: packet.msg_id.as_deref().and_then(|id| MessageId::new(id).ok()),
        from: from.ok_or_else(|| missing("the sender"))?,
        to: packet.to.as_deref().and_then(|to| UserId::new(to).ok()),
        device: packet.device.as_deref().and_then(|device| DeviceId::new(device).ok()),
        time: packet.time.map(Time),
        body: body(packet, packet.args.get(text).unwrap_or_default())?,
    })
}

fn body(packet: &Packet<'_>, text: &str) -> Result<Body, Malformed> {
    let bytes = match packet.body64.as_deref() {
        Some(encoded) => BASE64.decode(encoded).map(Bytes::from).map_err(|_| missing("Body64"))?,
        None => Bytes::copy_from_slice(text.as_bytes()),
    };
    Ok(Body { bytes, content_type: packet.content_type.as_deref().map(str::to_owned) })
}

/// `GAP`: its log, first and last version.
pub fn gap(packet: &Packet<'_>) -> Result<(LogName, u64, u64), Malformed> {
    let number = |at| packet.args.get(at).and_then(|number: &str| number.parse::<u64>().ok());
    match (number(1), number(2)) {
        (Some(first), Some(last)) if 0 < first && first <= last => Ok((log_of(packet)?, first, last)),
        _ => Err(missing("the gap's first or last version")),
    }
}

/// The `OK` of a request; `collected` is what came for a `SYNC` before it.
pub fn answer(request: &Request, packet: &Packet<'_>, collected: Vec<PageItem>) -> Result<Answer, Malformed> {
    match request {
        Request::Leave { .. } | Request::Read { .. } | Request::Volatile { .. } => Ok(Answer::Done),
        Request::Create { topic, .. } | Request::Join { topic } => Ok(Answer::Topic(TopicState {
            log: LogName::topic(topic),
            first: Version(packet.first.unwrap_or(1)),
            head: Version(packet.head.unwrap_or(0)),
            volatile: packet.volatile.unwrap_or(matches!(request, Request::Create { volatile: true, .. })),
        })),
        Request::Topics => {
            let topics = packet.topics.ok_or_else(|| missing("Topics"))?;
            Ok(Answer::Topics(log_list(topics)?.unwrap_or_default()))
        }
        Request::Members { .. } => {
            let complete = packet.complete.unwrap_or(true);
            Ok(Answer::Members(MembersPage { members: json(packet.members, "Members")?, complete }))
        }
        Request::Presence { .. } => Ok(Answer::Presence(json(packet.online, "Online")?)),
        Request::Sync { .. } => Ok(Answer::Page(Page {
            items: collected,
            first: Version(packet.first.unwrap_or(1)),
            next: json(packet.next, "Next")?,
            head: Version(packet.head.unwrap_or(0)),
            complete: packet.complete.unwrap_or(false),
        })),
    }
}

fn json<T: serde::de::DeserializeOwned>(raw: Option<&RawValue>, key: &str) -> Result<T, Malformed> {
    let raw = raw.ok_or_else(|| missing(key))?;
    serde_json::from_str(raw.get()).map_err(|error| Malformed(format!("{key}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(json: &str) -> Packet<'_> {
        Packet::parse(json.as_bytes()).unwrap()
    }

    fn encoded(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out[4..].to_vec()).unwrap()
    }

    #[test]
    fn requests_look_as_the_page_of_the_wire_shows_them() {
        let amy = UserId::new("amy").unwrap();
        let garden = LogName::new("t/garden").unwrap();
        assert_eq!(
            encoded(|out| login(&amy, &DeviceId::new("phone").unwrap(), 1, out)),
            r#"{"CmdName":"SEND_CLIENT_ID","Args":["amy"],"Seq":1,"Device":"phone"}"#
        );
        assert_eq!(
            encoded(|out| resume(&BTreeMap::from([(garden.clone(), 3)]), 2, out)),
            r#"{"CmdName":"RESUME","Args":[],"Seq":2,"Logs":{"t/garden":3}}"#
        );
        let sync = Request::Sync { log: garden, after: Version(0), limit: 100 };
        assert_eq!(
            encoded(|out| request(&sync, 5, out)),
            r#"{"CmdName":"SYNC","Args":["t/garden","0","100"],"Seq":5}"#
        );
    }

    #[test]
    fn a_body_that_is_not_text_goes_and_comes_in_base64() {
        let body = Body::of_type("image/png", vec![255, 0]);
        let target = Target::User(UserId::new("bob").unwrap());
        let json = encoded(|out| request(&Request::Volatile { target, body: body.clone() }, 3, out));
        assert!(
            json.contains(r#""Args":["bob",""],"Seq":3,"Type":"image/png","Body64":"/wA=","Volatile":true"#),
            "{json}"
        );
        let push = r#"{"CmdName":"RESP_MESSAGE_P2P","Args":["","amy","x"],"Log":"u/bob","Type":"image/png","Body64":"/wA=","Volatile":true}"#;
        let message = pushed_message(&parsed(push)).unwrap();
        assert_eq!((message.body, message.version), (body, None));
    }

    #[test]
    fn a_push_without_what_it_needs_is_refused() {
        for bad in [
            r#"{"CmdName":"RESP_MESSAGE_P2P","Args":["hi","amy"]}"#,
            r#"{"CmdName":"RESP_MESSAGE_P2P","Args":["hi"],"Log":"u/bob"}"#,
            r#"{"CmdName":"RESP_MESSAGE_P2P","Args":["","amy","x"],"Log":"u/bob","Body64":"?"}"#,
        ] {
            assert!(pushed_message(&parsed(bad)).is_err(), "{bad}");
        }
        assert!(gap(&parsed(r#"{"CmdName":"GAP","Args":["t/x","5","4"],"Log":"t/x"}"#)).is_err());
        assert_eq!(
            gap(&parsed(r#"{"CmdName":"GAP","Args":["t/x","5","9"],"Log":"t/x","Version":9}"#)),
            Ok((LogName::new("t/x").unwrap(), 5, 9))
        );
    }
}
