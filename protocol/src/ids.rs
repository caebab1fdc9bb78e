//! Names and numbers with a meaning, checked once where they enter.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name has no characters.
    #[error("{what} is empty: give it 1 to {max} bytes")]
    Empty {
        /// Which kind of name.
        what: &'static str,
        /// The longest it may be, in bytes.
        max: usize,
    },
    /// The name is longer than its kind allows.
    #[error("{what} has {len} bytes: at most {max} are allowed")]
    TooLong {
        /// Which kind of name.
        what: &'static str,
        /// Bytes it has.
        len: usize,
        /// The longest it may be, in bytes.
        max: usize,
    },
    /// The name has a character that its kind does not allow.
    #[error("{what} has the character {found:?}: {allowed}")]
    Character {
        /// Which kind of name.
        what: &'static str,
        /// The first character that is not allowed.
        found: char,
        /// What is allowed, for people.
        allowed: &'static str,
    },
    /// A log's name begins with neither `u/` nor `t/`.
    #[error("log {0:?} is neither u/<user> nor t/<topic>")]
    Log(String),
}

fn check(
    what: &'static str,
    name: &str,
    max: usize,
    allowed: &'static str,
    fits: impl Fn(char) -> bool,
) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty { what, max });
    }
    check_text(what, name, max, allowed, fits)
}

/// As a name, but it may be empty.
pub(crate) fn check_text(
    what: &'static str,
    name: &str,
    max: usize,
    allowed: &'static str,
    fits: impl Fn(char) -> bool,
) -> Result<(), NameError> {
    if name.len() > max {
        return Err(NameError::TooLong { what, len: name.len(), max });
    }
    match name.chars().find(|&c| !fits(c)) {
        Some(found) => Err(NameError::Character { what, found, allowed }),
        None => Ok(()),
    }
}

/// Characters that show nothing, or turn what is around them: two names that look alike would be two people. They are what
/// Unicode calls `Default_Ignorable_Code_Point` (`DerivedCoreProperties.txt`), and the marks of direction.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFF8}'
            | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}'
    )
}

fn is_readable(c: char) -> bool {
    !c.is_control() && !c.is_whitespace() && !is_invisible(c)
}

pub(crate) fn is_readable_or_space(c: char) -> bool {
    c == ' ' || is_readable(c)
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:expr, $allowed:literal, $fits:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The longest such name, in bytes.
            pub const MAX_BYTES: usize = $max;

            /// Checks a name and takes it.
            ///
            /// # Errors
            /// [`NameError`] says which rule it breaks.
            pub fn new(name: &str) -> Result<Self, NameError> {
                check($what, name, $max, $allowed, $fits)?;
                Ok(Self(name.into()))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(name: String) -> Result<Self, NameError> {
                Self::new(&name)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameError;
            fn from_str(name: &str) -> Result<Self, NameError> {
                Self::new(name)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().to_owned()
            }
        }
    };
}

name!(
    /// Who somebody is: 1 to 64 bytes of UTF-8 without white space, control or invisible characters.
    UserId, "a user id", 64, "no white space, control or invisible characters", is_readable
);
name!(
    /// A topic's name: 1 to 128 bytes of UTF-8; spaces are allowed, control and invisible characters are not.
    TopicName, "a topic name", 128, "no control or invisible characters", is_readable_or_space
);
name!(
    /// One of a user's devices: 1 to 64 of `[A-Za-z0-9_-]`.
    DeviceId, "a device id", 64, "only A-Z a-z 0-9 _ - are allowed", is_token
);
name!(
    /// A message's id, chosen by its sender and unique over all of their devices: 1 to 64 of `[A-Za-z0-9_-]`.
    MessageId, "a message id", 64, "only A-Z a-z 0-9 _ - are allowed", is_token
);

/// The name of a log: `u/<user>` (an inbox) or `t/<topic>`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LogName(Arc<str>);

/// What a log's name says that it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogKind<'a> {
    /// The inbox of this user.
    Inbox(&'a str),
    /// The log of this topic.
    Topic(&'a str),
}

impl LogName {
    /// The longest name of a log, in bytes.
    pub const MAX_BYTES: usize = TopicName::MAX_BYTES + 2;

    /// Checks the name of a log and takes it.
    ///
    /// # Errors
    /// [`NameError`] if the prefix is unknown or what follows it is no valid user id or topic name.
    pub fn new(name: &str) -> Result<Self, NameError> {
        match name.split_at_checked(2) {
            Some(("u/", user)) => Ok(Self::inbox(&UserId::new(user)?)),
            Some(("t/", topic)) => Ok(Self::topic(&TopicName::new(topic)?)),
            _ => Err(NameError::Log(name.chars().take(Self::MAX_BYTES).collect())),
        }
    }

    /// The inbox of a user.
    pub fn inbox(user: &UserId) -> Self {
        Self(format!("u/{user}").into())
    }

    /// The log of a topic.
    pub fn topic(topic: &TopicName) -> Self {
        Self(format!("t/{topic}").into())
    }

    /// Inbox or topic, and whose.
    pub fn kind(&self) -> LogKind<'_> {
        let (prefix, rest) = self.0.split_at(2);
        if prefix == "u/" { LogKind::Inbox(rest) } else { LogKind::Topic(rest) }
    }

    /// The topic's name, if this is a topic's log.
    pub fn topic_name(&self) -> Option<TopicName> {
        match self.kind() {
            LogKind::Topic(topic) => Some(TopicName(topic.into())),
            LogKind::Inbox(_) => None,
        }
    }

    /// The inbox's user, if this is an inbox.
    pub fn user(&self) -> Option<UserId> {
        match self.kind() {
            LogKind::Inbox(user) => Some(UserId(user.into())),
            LogKind::Topic(_) => None,
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for LogName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl TryFrom<String> for LogName {
    type Error = NameError;
    fn try_from(name: String) -> Result<Self, NameError> {
        Self::new(&name)
    }
}

impl std::str::FromStr for LogName {
    type Err = NameError;
    fn from_str(name: &str) -> Result<Self, NameError> {
        Self::new(name)
    }
}

impl From<LogName> for String {
    fn from(name: LogName) -> String {
        name.0.as_ref().to_owned()
    }
}

/// The place of an entry in its log: 1, 2, 3 … without a hole; 0 stands for "before the first".
///
/// Below 2^53, so that every JSON reader holds it exactly.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub u64);

impl Version {
    /// Before the first entry.
    pub const ZERO: Self = Self(0);

    /// The version after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Whether it is before the first entry.
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

/// Milliseconds since 1970, of the clock of a log's owner. For display only: order is the version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(pub u64);

/// The identity of a store, made when it is created: a mesh serves one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StoreId(pub [u8; 16]);

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<StoreId> for String {
    fn from(id: StoreId) -> String {
        id.to_string()
    }
}

impl TryFrom<String> for StoreId {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("a store id is 32 hexadecimal digits, not {text:?}");
        if text.len() != 32 || !text.is_ascii() {
            return Err(wrong());
        }
        let mut id = [0; 16];
        for (byte, digits) in id.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| wrong())?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
        }
        Ok(Self(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert_eq!(UserId::new("amy").unwrap().as_str(), "amy");
        assert_eq!(UserId::new("Jürgen@haus").unwrap().as_str(), "Jürgen@haus");
        for bad in ["", "a b", "a\nb", "a\u{200B}b", "a\u{202E}b", &"x".repeat(65)] {
            assert!(UserId::new(bad).is_err(), "{bad:?}");
        }
        for invisible in
            ["a\u{AD}", "a\u{61C}", "\u{3164}", "a\u{180E}b", "a\u{FE0F}", "amy\u{E0041}", "\u{E007F}"]
        {
            assert!(UserId::new(invisible).is_err(), "{invisible:?}");
            assert!(TopicName::new(invisible).is_err(), "{invisible:?}");
        }
        assert!(MessageId::new("0190-ab_C").is_ok());
        assert!(MessageId::new("a.b").is_err());
        assert!(TopicName::new("our garden").is_ok());
    }

    #[test]
    fn a_log_is_an_inbox_or_a_topic() {
        let inbox = LogName::new("u/amy").unwrap();
        assert_eq!(inbox.kind(), LogKind::Inbox("amy"));
        assert_eq!(inbox.user().unwrap().as_str(), "amy");
        let topic = LogName::new("t/t/x").unwrap();
        assert_eq!(topic.kind(), LogKind::Topic("t/x"));
        for bad in ["", "u", "u/", "x/amy", "ü/", "t/\u{7}"] {
            assert!(LogName::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_store_id_reads_back() {
        let id = StoreId(*b"0123456789abcdef");
        assert_eq!(StoreId::try_from(id.to_string()), Ok(id));
        assert!(StoreId::try_from("zz".repeat(16)).is_err());
    }
}
