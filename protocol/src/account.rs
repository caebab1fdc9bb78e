//! The keys that packets about accounts and about a topic's rules have beside those of [`Packet`].
//!
//! They are read apart, and only for the commands that have them: messages do not pay for them, and a password is in no
//! type that is ever printed.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::access::{History, Join};
use crate::command::{BadPacket, Packet, Text};
use crate::ids::{DeviceId, NameError, TopicName, UserId, check_text, is_readable_or_space};

/// The fewest bytes of a password.
pub const PASSWORD_MIN_BYTES: usize = 8;
/// The most bytes of a password.
pub const PASSWORD_MAX_BYTES: usize = 1024;
/// The most bytes of a display name.
pub const DISPLAY_MAX_BYTES: usize = 128;
/// The most bytes of what somebody says about themselves.
pub const ABOUT_MAX_BYTES: usize = 1024;

/// Checks what somebody wants to be shown as their name.
///
/// # Errors
/// [`NameError`] if it is longer than [`DISPLAY_MAX_BYTES`], or has control or invisible characters.
pub fn check_display(text: &str) -> Result<(), NameError> {
    let allowed = "no control or invisible characters";
    check_text("a display name", text, DISPLAY_MAX_BYTES, allowed, is_shown)
}

/// Checks what somebody says about themselves.
///
/// # Errors
/// [`NameError`] if it is longer than [`ABOUT_MAX_BYTES`], or has control or invisible characters besides line breaks.
pub fn check_about(text: &str) -> Result<(), NameError> {
    let allowed = "no control or invisible characters but line breaks";
    check_text("About", text, ABOUT_MAX_BYTES, allowed, |c| c == '\n' || is_shown(c))
}

/// What many emoji are made with shows nothing by itself, and is let be where it names nobody.
fn is_shown(c: char) -> bool {
    is_readable_or_space(c) || matches!(c, '\u{200D}' | '\u{FE0E}' | '\u{FE0F}')
}

/// A password or token on its way through: it is never shown, whatever prints it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hidden<'a>(#[serde(borrow)] Cow<'a, str>);

impl Hidden<'_> {
    /// The secret itself: for hashing, and for the wire.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for Hidden<'a> {
    fn from(secret: &'a str) -> Self {
        Self(Cow::Borrowed(secret))
    }
}

impl From<String> for Hidden<'_> {
    fn from(secret: String) -> Self {
        Self(Cow::Owned(secret))
    }
}

impl fmt::Debug for Hidden<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// The keys themselves; `docs/protocol.md` says which command and which answer has which.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Keys<'a> {
    /// The password of the account.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub password: Option<Hidden<'a>>,
    /// The one that is to take its place.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub new_password: Option<Hidden<'a>>,
    /// What a device logs in with instead of the password: of this mesh, or a JWT (RFC 7519) from elsewhere.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub token: Option<Hidden<'a>>,
    /// Until when the token is good, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
    /// Who the session is: the name in its one form.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub user: Option<Text<'a>>,
    /// What others are to be shown as one's name.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub display: Option<Text<'a>>,
    /// What somebody says about themselves.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub about: Option<Text<'a>>,
    /// Whom a topic takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub join: Option<Join>,
    /// How much of a topic its members read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
    /// Somebody's profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// The account's devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub devices: Option<Vec<Device>>,
    /// Topics that one may join.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invites: Option<Vec<Invite>>,
}

/// What others see of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Profile {
    /// Whose.
    pub user: UserId,
    /// What to show as the name; empty: the name itself.
    pub display: String,
    /// What they say about themselves.
    pub about: String,
}

/// A device as its account's list shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Device {
    /// Which.
    pub device: DeviceId,
    /// When it logged in last, to the hour, in milliseconds since 1970.
    pub seen: u64,
    /// Whether it is this one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub this: bool,
}

/// A topic that one may join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Invite {
    /// The topic.
    pub topic: TopicName,
    /// Who invited.
    pub by: UserId,
}

impl<'a> Keys<'a> {
    /// Reads them from a packet's body.
    ///
    /// # Errors
    /// [`BadPacket`] if one has the wrong type.
    pub fn parse(body: &'a [u8]) -> Result<Self, BadPacket> {
        Ok(serde_json::from_slice(body)?)
    }

    /// The packet with these keys, its length in front.
    pub fn with(&self, packet: &Packet<'_>) -> Bytes {
        #[derive(Serialize)]
        struct Whole<'a> {
            #[serde(flatten)]
            packet: &'a Packet<'a>,
            #[serde(flatten)]
            keys: &'a Keys<'a>,
        }
        let mut out = Vec::with_capacity(256);
        crate::packet::write(&mut out, |out| {
            serde_json::to_writer(out, &Whole { packet, keys: self })
                .unwrap_or_else(|error| unreachable!("no key can fail: {error}"));
        });
        out.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::name;

    #[test]
    fn a_packet_with_keys_reads_back_as_both() {
        let mut login = Packet::new(name::SEND_CLIENT_ID, ["amy"]);
        login.seq = Some(1);
        let keys =
            Keys { password: Some("correct horse".into()), join: Some(Join::Invite), ..Keys::default() };
        let frame = keys.with(&login);
        assert_eq!(
            &frame[4..],
            br#"{"CmdName":"SEND_CLIENT_ID","Args":["amy"],"Seq":1,"Password":"correct horse","Join":"invite"}"#
        );
        let packet = Packet::parse(&frame[4..]).unwrap();
        assert_eq!((packet.seq, packet.args.get(0)), (Some(1), Some("amy")));
        let read = Keys::parse(&frame[4..]).unwrap();
        assert_eq!(read.password.unwrap().expose(), "correct horse");
        assert_eq!(read.join, Some(Join::Invite));
    }

    #[test]
    fn a_raw_answer_keeps_its_list() {
        let logs = serde_json::value::RawValue::from_string(r#"[{"Log":"u/amy"}]"#.into()).unwrap();
        let mut ok = crate::event::ok(7);
        ok.logs = Some(&logs);
        let frame = Keys { user: Some("amy".into()), ..Keys::default() }.with(&ok);
        assert_eq!(
            &frame[4..],
            br#"{"CmdName":"OK","Args":[],"Seq":7,"Logs":[{"Log":"u/amy"}],"User":"amy"}"#
        );
    }

    #[test]
    fn a_password_is_never_shown() {
        let keys = Keys::parse(br#"{"Password":"correct horse","Token":"t0psecret"}"#).unwrap();
        let shown = format!("{keys:?}");
        assert!(!shown.contains("horse") && !shown.contains("t0psecret"), "{shown}");
    }

    #[test]
    fn what_people_say_of_themselves_is_bounded_and_visible() {
        assert!(check_display("").is_ok() && check_display("Amy ❤️").is_ok());
        assert!(check_display("two\nlines").is_err() && check_display("\u{202E}ymA").is_err());
        assert!(check_display(&"x".repeat(129)).is_err());
        assert!(check_about("two\nlines").is_ok() && check_about("a\u{7}bell").is_err());
        assert!(check_about(&"x".repeat(1025)).is_err());
    }

    #[test]
    fn rules_are_words() {
        let keys = Keys::parse(br#"{"Join":"open","History":"from-join"}"#).unwrap();
        assert_eq!((keys.join, keys.history), (Some(Join::Open), Some(History::FromJoin)));
        assert!(Keys::parse(br#"{"Join":"everybody"}"#).is_err());
    }
}
