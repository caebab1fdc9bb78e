//! The JSON object inside a command packet, as clients and msg_servers exchange it.
//!
//! [`Packet`] borrows its texts from the frame wherever the JSON has no escapes in them. It holds every key
//! that either side may send; keys that it does not know are ignored.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::error::Category;
use serde_json::value::RawValue;

/// A text that is borrowed from the frame if its JSON needs no unescaping.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Text<'a>(pub Cow<'a, str>);

impl Text<'_> {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::ops::Deref for Text<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

/// How many arguments are kept in place; no command has more, and what is beyond them is ignored.
const MAX_ARGS: usize = 8;

/// The arguments of a packet. At most 8 are kept: no command has more, and extra ones mean nothing.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Args<'a> {
    kept: [Text<'a>; MAX_ARGS],
    len: usize,
}

impl<'a> Args<'a> {
    /// The argument at `index`, if it was sent.
    pub fn get(&self, index: usize) -> Option<&str> {
        self.as_slice().get(index).map(Text::as_str)
    }

    /// All that were kept.
    pub fn as_slice(&self) -> &[Text<'a>] {
        &self.kept[..self.len]
    }

    fn push(&mut self, text: Text<'a>) {
        if self.len < MAX_ARGS {
            self.kept[self.len] = text;
            self.len += 1;
        }
    }
}

impl<'a> FromIterator<Text<'a>> for Args<'a> {
    fn from_iter<I: IntoIterator<Item = Text<'a>>>(texts: I) -> Self {
        let mut args = Self::default();
        texts.into_iter().for_each(|text| args.push(text));
        args
    }
}

impl<'a, const N: usize> From<[&'a str; N]> for Args<'a> {
    fn from(texts: [&'a str; N]) -> Self {
        texts.into_iter().map(Text::from).collect()
    }
}

impl fmt::Debug for Args<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.as_slice()).finish()
    }
}

impl Serialize for Args<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.as_slice())
    }
}

struct ArgsVisitor;

impl<'de> Visitor<'de> for ArgsVisitor {
    type Value = Args<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of strings")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Args<'de>, A::Error> {
        let mut args = Args::default();
        while let Some(text) = seq.next_element::<Text<'de>>()? {
            args.push(text);
        }
        Ok(args)
    }

    fn visit_unit<E>(self) -> Result<Args<'de>, E> {
        Ok(Args::default())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Args<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ArgsVisitor)
    }
}

/// A command packet's object: the name, the arguments, and the keys of newer clients and servers.
///
/// `docs/protocol.md` says which command uses which key.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Packet<'a> {
    /// What is asked for, or what happened.
    #[serde(borrow)]
    pub cmd_name: Text<'a>,
    /// The arguments, in the order that the command gives them.
    #[serde(borrow, default)]
    pub args: Args<'a>,
    /// The request's number, chosen by the client; its one answer carries it.
    #[serde(default, deserialize_with = "exact", skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// A log's name.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub log: Option<Text<'a>>,
    /// A place in that log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// The message's id, chosen by its sender.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub msg_id: Option<Text<'a>>,
    /// Milliseconds since 1970, of the log's owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<u64>,
    /// The recipient, on a sender's copy of a p2p message.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub to: Option<Text<'a>>,
    /// The device that logs in, or that a message came from.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub device: Option<Text<'a>>,
    /// An entry's kind, where it is not a message.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Text<'a>>,
    /// The body's media type; absent: plain text.
    #[serde(rename = "Type", borrow, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<Text<'a>>,
    /// A body that is not UTF-8, in base64 (standard alphabet, padded).
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub body64: Option<Text<'a>>,
    /// Not stored, at most once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volatile: Option<bool>,
    /// An error's or a disconnect's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// Milliseconds after which the same request may succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<u64>,
    /// Whether a refused message may have been stored: `"no"` or `"maybe"`.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub stored: Option<Text<'a>>,
    /// An address to connect to.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub addr: Option<Text<'a>>,
    /// `RESUME`: versions by log. Login's `OK`: the list of logs, or null.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub logs: Option<&'a RawValue>,
    /// The first version that retention has left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// Where the next page begins: the last version sent in this one.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub next: Option<&'a RawValue>,
    /// The newest version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<u64>,
    /// Whether the answer reaches to the head.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub complete: Option<bool>,
    /// The topics that a user is a member of.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub topics: Option<&'a RawValue>,
    /// The members of a topic.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub members: Option<&'a RawValue>,
    /// Who is online, by user id.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub online: Option<&'a RawValue>,
}

/// The greatest integer that every JSON reader holds exactly.
const GREATEST_EXACT: u64 = (1 << 53) - 1;

/// A number that its sender may read back from us.
fn exact<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    match Option::<u64>::deserialize(deserializer)? {
        Some(number) if number > GREATEST_EXACT => Err(D::Error::custom("a number of 2^53 or more")),
        number => Ok(number),
    }
}

/// A packet's body that is not the JSON it has to be. It says where, and never what stands there: that may be a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a command packet: {what}, at column {column} of line {line}")]
pub struct BadPacket {
    what: &'static str,
    line: usize,
    column: usize,
}

impl From<serde_json::Error> for BadPacket {
    fn from(error: serde_json::Error) -> Self {
        let what = match error.classify() {
            Category::Eof => "the JSON ends too early",
            Category::Data => "a key is missing or has a value of the wrong type",
            Category::Syntax | Category::Io => "no JSON",
        };
        Self { what, line: error.line(), column: error.column() }
    }
}

impl<'a> Packet<'a> {
    /// Reads a packet's body in place. Unknown keys are skipped without recursion, so no nesting exhausts the stack.
    ///
    /// # Errors
    /// [`BadPacket`] if it is no JSON object with `CmdName`, or a known key is there twice or has the wrong type.
    pub fn parse(body: &'a [u8]) -> Result<Self, BadPacket> {
        Ok(serde_json::from_slice(body)?)
    }

    /// A packet with these arguments and no keys.
    pub fn new<const N: usize>(cmd_name: &'a str, args: [&'a str; N]) -> Self {
        Self { cmd_name: cmd_name.into(), args: args.into(), ..Self::default() }
    }

    /// Appends the packet, its length in front.
    pub fn encode(&self, out: &mut Vec<u8>) {
        crate::packet::write(out, |out| {
            serde_json::to_writer(out, self).unwrap_or_else(|error| unreachable!("no key can fail: {error}"));
        });
    }

    /// The packet as bytes, its length in front.
    pub fn to_bytes(&self) -> bytes::Bytes {
        let mut out = Vec::with_capacity(128);
        self.encode(&mut out);
        out.into()
    }
}

/// Names of commands and events.
pub mod name {
    #![allow(missing_docs, reason = "the names are the wire's; docs/protocol.md describes each")]

    pub const REQ_MSG_SERVER: &str = "REQ_MSG_SERVER";
    pub const SELECT_MSG_SERVER_FOR_CLIENT: &str = "SELECT_MSG_SERVER_FOR_CLIENT";
    pub const SEND_PING: &str = "SEND_PING";
    pub const SEND_CLIENT_ID: &str = "SEND_CLIENT_ID";
    pub const SEND_CLIENT_ID_FOR_TOPIC: &str = "SEND_CLIENT_ID_FOR_TOPIC";
    pub const SEND_MESSAGE_P2P: &str = "SEND_MESSAGE_P2P";
    pub const P2P_ACK: &str = "P2P_ACK";
    pub const CREATE_TOPIC: &str = "CREATE_TOPIC";
    pub const JOIN_TOPIC: &str = "JOIN_TOPIC";
    pub const LEAVE_TOPIC: &str = "LEAVE_TOPIC";
    pub const SEND_MESSAGE_TOPIC: &str = "SEND_MESSAGE_TOPIC";
    pub const TOPICS: &str = "TOPICS";
    pub const MEMBERS: &str = "MEMBERS";
    pub const PRESENCE: &str = "PRESENCE";
    pub const RESUME: &str = "RESUME";
    pub const SYNC: &str = "SYNC";
    pub const ACK: &str = "ACK";
    pub const READ: &str = "READ";
    pub const REGISTER: &str = "REGISTER";
    pub const LOGOUT: &str = "LOGOUT";
    pub const PASSWD: &str = "PASSWD";
    pub const DEVICES: &str = "DEVICES";
    pub const END_DEVICE: &str = "END_DEVICE";
    pub const PROFILE: &str = "PROFILE";
    pub const SET_PROFILE: &str = "SET_PROFILE";
    pub const DELETE_ACCOUNT: &str = "DELETE_ACCOUNT";
    pub const INVITE_TOPIC: &str = "INVITE_TOPIC";
    pub const REMOVE_FROM_TOPIC: &str = "REMOVE_FROM_TOPIC";
    pub const DISSOLVE_TOPIC: &str = "DISSOLVE_TOPIC";
    pub const INVITED: &str = "INVITED";
    pub const RESP_MESSAGE_P2P: &str = "RESP_MESSAGE_P2P";
    pub const RESP_MESSAGE_TOPIC: &str = "RESP_MESSAGE_TOPIC";
    pub const LOCATE_TOPIC_MSG_ADDR: &str = "LOCATE_TOPIC_MSG_ADDR";
    pub const ENTRY: &str = "ENTRY";
    pub const GAP: &str = "GAP";
    pub const RECEIPT: &str = "RECEIPT";
    pub const OK: &str = "OK";
    pub const ERROR: &str = "ERROR";
    pub const DISCONNECT: &str = "DISCONNECT";
    pub const SUBSCRIBE_CHANNEL: &str = "SUBSCRIBE_CHANNEL";
    pub const LINK_HELLO: &str = "LINK_HELLO";
    pub const LINK_CHALLENGE: &str = "LINK_CHALLENGE";
    pub const LINK_PROOF: &str = "LINK_PROOF";
    pub const LINK_OK: &str = "LINK_OK";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_of_the_field_is_read_in_place() {
        let packet =
            Packet::parse(br#"{"CmdName":"SEND_MESSAGE_P2P","Args":["bob","hi","amy"],"Foo":[{}]}"#).unwrap();
        assert_eq!(&*packet.cmd_name, name::SEND_MESSAGE_P2P);
        assert_eq!(packet.args.get(1), Some("hi"));
        assert_eq!(packet.args.get(3), None);
        assert!(matches!(packet.args.as_slice()[0].0, Cow::Borrowed(_)));
        assert_eq!(packet.seq, None);
    }

    #[test]
    fn a_number_that_not_every_reader_holds_exactly_is_none() {
        let with =
            |seq: &str| Packet::parse(format!(r#"{{"CmdName":"X","Seq":{seq}}}"#).as_bytes()).map(|p| p.seq);
        assert_eq!(with("9007199254740991"), Ok(Some((1 << 53) - 1)));
        assert_eq!(with("null"), Ok(None));
        assert!(with("9007199254740992").is_err() && with("18446744073709551615").is_err());
    }

    #[test]
    fn args_may_be_absent_null_or_many() {
        for body in [r#"{"CmdName":"SEND_PING"}"#, r#"{"CmdName":"SEND_PING","Args":null}"#] {
            assert!(Packet::parse(body.as_bytes()).unwrap().args.as_slice().is_empty());
        }
        let many = r#"{"CmdName":"X","Args":["1","2","3","4","5","6","7","8","9","10"]}"#;
        assert_eq!(Packet::parse(many.as_bytes()).unwrap().args.as_slice().len(), MAX_ARGS);
    }

    #[test]
    fn a_packet_without_keys_is_written_as_in_the_field() {
        let frame = Packet::new(name::RESP_MESSAGE_P2P, ["h\"i", "amy", "u"]).to_bytes();
        assert_eq!(&frame[4..], br#"{"CmdName":"RESP_MESSAGE_P2P","Args":["h\"i","amy","u"]}"#);
        assert_eq!(frame[..4], (frame.len() as u32 - 4).to_be_bytes());
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        for bad in [
            "",
            "{}",
            "[]",
            "null",
            r#"{"CmdName":1}"#,
            r#"{"CmdName":"X","Args":[1]}"#,
            r#"{"CmdName":"X","Seq":-1}"#,
            r#"{"CmdName":"X","Seq":"1"}"#,
            r#"{"CmdName":"X","Seq":1,"Seq":2}"#,
            "{\"CmdName\":\"\u{0}\"}",
        ] {
            assert!(Packet::parse(bad.as_bytes()).is_err(), "{bad:.40}");
        }
        assert!(Packet::parse(b"{\"CmdName\":\"\xff\"}").is_err());
    }

    #[test]
    fn what_is_wrong_with_a_packet_is_said_without_a_word_of_it() {
        for (body, what) in [
            (r#"{"CmdName":"X","Args":"correct horse"}"#, "wrong type"),
            (r#"{"CmdName":"X","Args":["correct horse"}"#, "no JSON"),
            (r#"{"CmdName":"X","Args":["correct horse"#, "ends too early"),
        ] {
            let error = Packet::parse(body.as_bytes()).unwrap_err();
            let said = format!("{error} {error:?}");
            assert!(said.contains(what) && !said.contains("horse"), "{said}");
        }
    }

    #[test]
    fn however_deep_an_unknown_key_nests_it_is_skipped() {
        const DEEP: usize = 500_000;
        for key in ["Foo", "Logs"] {
            let body = format!(r#"{{"CmdName":"X","{key}":{}{}}}"#, "[".repeat(DEEP), "]".repeat(DEEP));
            assert!(Packet::parse(body.as_bytes()).is_ok(), "{key}");
        }
    }
}
