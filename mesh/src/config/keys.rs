//! What the table says of a key.

use serde_json::Value;

use super::role::Role;
use super::secret::SECRET_MAX_BYTES;

/// One row of the table: everything that is known of one key.
#[derive(Debug)]
pub struct Key {
    /// The key, as the file spells it.
    pub name: &'static str,
    /// Which values it takes.
    pub kind: Kind,
    /// What holds where the file does not have it.
    pub fallback: Fallback,
    /// Which processes have it.
    pub roles: Roles,
    /// What it is for, in one sentence.
    pub meaning: &'static str,
    /// What becomes of its value.
    pub fate: Fate,
}

/// Which values a key takes. Bounds are inclusive.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// `ip:port`, where port 0 takes a free one.
    Listen,
    /// `host:port` of this process, where port 0 stands for the bound one.
    OwnAddress,
    /// A list of different `host:port`, at least one.
    Addresses,
    /// The path of a file or folder, from the working directory.
    Path,
    /// A text of some bytes.
    Text {
        /// The fewest bytes.
        min: usize,
        /// The most bytes.
        max: usize,
    },
    /// A text that is never shown.
    Secret {
        /// The fewest bytes.
        min: usize,
    },
    /// The path of a file with a secret.
    SecretFile,
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// A list of some of these texts, at least one.
    Choices(&'static [&'static str]),
    /// True or false.
    Truth,
    /// A log level, with exceptions.
    LogLevel,
    /// A time.
    Time {
        /// What the file's number counts.
        unit: TimeUnit,
        /// The shortest, in milliseconds.
        min_ms: u64,
        /// The longest, in milliseconds.
        max_ms: u64,
    },
    /// A whole number.
    Whole {
        /// What it counts, in the plural.
        unit: &'static str,
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
    },
    /// A port, as a number or as Go writes it, `":6379"`.
    Port {
        /// The one that messages name as an example.
        usual: u16,
    },
    /// A list of texts.
    Texts,
    /// An object with keys of its own.
    Object(&'static [Key]),
    /// An object with keys of this role's config file.
    ConfigOf(Role),
}

/// What a time in the file counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeUnit {
    /// Seconds, the rule.
    Seconds,
    /// Milliseconds, where seconds are too long.
    Milliseconds,
    /// Days, for how long things are kept.
    Days,
}

/// What holds where the file does not have a key.
#[derive(Debug, Clone, Copy)]
pub enum Fallback {
    /// This value, as the file would have it.
    Json(&'static str),
    /// A value that depends on the role, and how the documentation calls it.
    OfRole(fn(Role) -> String, &'static str),
    /// No value; what then happens.
    Nothing(&'static str),
}

/// What becomes of a key's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Read once, when the process starts.
    AtStart,
    /// Read again at SIGHUP.
    Reloaded,
    /// Accepted because files in the field have it, and then ignored; why.
    Ignored(&'static str),
}

/// A set of roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles(u8);

impl Roles {
    /// Every role.
    pub const ALL: Self = Self::of(&Role::ALL);

    /// The roles that dial msg_servers.
    pub const DIALLERS: Self = Self::of(&[Role::Gateway, Role::Router, Role::Manager, Role::Monitor]);

    /// These roles.
    pub const fn of(roles: &[Role]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < roles.len() {
            bits |= roles[at].bit();
            at += 1;
        }
        Self(bits)
    }

    /// Whether `role` is one of them.
    pub const fn has(self, role: Role) -> bool {
        self.0 & role.bit() != 0
    }

    /// Those of them, in the order of [`Role::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.has(*role))
    }
}

impl Fallback {
    /// The value as the file would have it, where there is one.
    pub fn json(self, role: Role) -> Option<String> {
        match self {
            Self::Json(json) => Some(json.to_owned()),
            Self::OfRole(of, _) => Some(Value::String(of(role)).to_string()),
            Self::Nothing(_) => None,
        }
    }
}

impl TimeUnit {
    /// Its name, in the plural.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Milliseconds => "milliseconds",
            Self::Days => "days",
        }
    }

    /// How many milliseconds one of it has.
    pub const fn milliseconds(self) -> u64 {
        match self {
            Self::Seconds => 1000,
            Self::Milliseconds => 1,
            Self::Days => 86_400_000,
        }
    }
}

impl Key {
    /// Whether anything reads the key.
    pub fn is_read(&self) -> bool {
        !matches!(self.fate, Fate::Ignored(_))
    }
}

impl Kind {
    /// What a value has to be, as a message or the documentation says it.
    pub fn form(&self) -> String {
        match *self {
            Self::Listen => "ip:port, as \"127.0.0.1:17000\" or \"[::1]:17000\"".to_owned(),
            Self::OwnAddress => "host:port, as \"127.0.0.1:19000\"".to_owned(),
            Self::Addresses => "a list of host:port, as [\"127.0.0.1:19000\"]".to_owned(),
            Self::Path | Self::SecretFile => "a path".to_owned(),
            Self::Text { min, max } => format!("a text of {min} to {max} bytes"),
            Self::Secret { min } => format!("a text of {min} to {SECRET_MAX_BYTES} bytes"),
            Self::Choice(choices) => Self::list_choices(choices),
            Self::Choices(choices) => format!("a list of some of {}", Self::list_choices(choices)),
            Self::Truth => "true or false".to_owned(),
            Self::LogLevel => "a level, as \"info\"".to_owned(),
            Self::Time { unit, min_ms, max_ms } => {
                format!("{} from {} to {}", unit.name(), unit.count(min_ms), unit.count(max_ms))
            }
            Self::Whole { unit, min, max } => format!("a whole number of {unit} from {min} to {max}"),
            Self::Port { usual } => format!("a port from 0 to 65535, as {usual} or \":{usual}\""),
            Self::Texts => "a list of texts".to_owned(),
            Self::Object(_) => "an object { … }".to_owned(),
            Self::ConfigOf(role) => format!("an object with keys of the {role}'s config file"),
        }
    }

    /// `"a"`, or `"a" or "b"`.
    pub fn list_choices(choices: &[&str]) -> String {
        choices.iter().map(|choice| format!("\"{choice}\"")).collect::<Vec<_>>().join(" or ")
    }
}

impl TimeUnit {
    /// How many of it `milliseconds` are, without zeros at the end.
    fn count(self, milliseconds: u64) -> String {
        (milliseconds as f64 / self.milliseconds() as f64).to_string()
    }
}
