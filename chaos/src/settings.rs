//! What a run is to be.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use testbed::{Part, Role};

/// What a run is to be. The same settings and seed give the same conversation and the same kills; how they interleave is the
/// machine's.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// How long there is traffic
    #[arg(long, default_value_t = 60)]
    pub seconds: u64,
    /// How many msg_servers there are
    #[arg(long, default_value_t = 3)]
    pub msg_servers: usize,
    /// How many routers there are
    #[arg(long, default_value_t = 2)]
    pub routers: usize,
    /// How many clients talk: in pairs, and in topics over all msg_servers
    #[arg(long, default_value_t = 200)]
    pub clients: usize,
    /// Durable messages a second, over all clients
    #[arg(long, default_value_t = 5000)]
    pub rate: u64,
    /// The share of messages that go to topics, in percent
    #[arg(long, default_value_t = 30)]
    pub topic_percent: u32,
    /// Members of each topic (there is one topic of everybody beside)
    #[arg(long, default_value_t = 10)]
    pub members: usize,
    /// Unanswered messages of one client beyond which it waits
    #[arg(long, default_value_t = 64)]
    pub window: usize,
    /// Bytes of a message's text
    #[arg(long, default_value_t = 100)]
    pub bytes: usize,
    /// Decides who is killed when, who talks to whom, and who is in which topic
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Who is killed in turn, separated by commas: all, none, a role (router), or one process (msg_server-1)
    #[arg(long, default_value = "all")]
    pub kill: Victims,
    /// How often each of them is killed
    #[arg(long, default_value_t = 1)]
    pub rounds: usize,
    /// Do not kill (SIGKILL) but pause (SIGSTOP, SIGCONT) for the same time
    #[arg(long)]
    pub pause: bool,
    /// How long after the traffic everyone may take to be connected and answered, and again to have everything
    #[arg(long, default_value_t = 90)]
    pub silence_seconds: u64,
    /// The msg_servers' AskInterval in seconds (their own default is 60)
    #[arg(long)]
    pub ask_interval: Option<f64>,
    /// Through what clients talk
    #[arg(long, default_value = "wire")]
    pub via: Via,
    /// Keeps the logs of the processes when a promise was broken, and says where
    #[arg(long)]
    pub keep_logs: bool,
}

/// Through what clients talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Via {
    /// A small client of this crate's own, which trusts nothing.
    Wire,
    /// The library `client`, as programs use it.
    Library,
}

/// Who is killed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Victims {
    /// Nobody.
    None,
    /// Everybody in turn.
    All,
    /// Those that these words name.
    Named(Vec<Victim>),
}

/// A role, or one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Victim {
    role: Role,
    index: Option<usize>,
}

/// A word that names nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is neither all, none, a role (msg_server, router, manager, gateway) nor a process (msg_server-1)"
)]
pub struct Nobody(String);

impl FromStr for Victims {
    type Err = Nobody;

    fn from_str(text: &str) -> Result<Self, Nobody> {
        match text {
            "all" => Ok(Self::All),
            "none" => Ok(Self::None),
            words => words.split(',').map(str::parse).collect::<Result<_, _>>().map(Self::Named),
        }
    }
}

impl FromStr for Victim {
    type Err = Nobody;

    fn from_str(word: &str) -> Result<Self, Nobody> {
        let nobody = || Nobody(word.to_owned());
        let (name, index) = match word.rsplit_once('-') {
            Some((name, index)) => (name, Some(index.parse().map_err(|_| nobody())?)),
            None => (word, None),
        };
        let role = Role::ALL.into_iter().find(|role| role.program() == name).ok_or_else(nobody)?;
        Ok(Self { role, index })
    }
}

impl Victims {
    /// Whether this process is to be killed.
    pub fn contains(&self, part: Part) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Named(victims) => victims.iter().any(|victim| {
                victim.role == part.role() && victim.index.is_none_or(|index| index == part.index())
            }),
        }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wire => "wire",
            Self::Library => "library",
        })
    }
}

impl Settings {
    /// How long there is traffic.
    pub fn traffic(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// How long the end may take.
    pub fn silence(&self) -> Duration {
        Duration::from_secs(self.silence_seconds)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seconds: 60,
            msg_servers: 3,
            routers: 2,
            clients: 200,
            rate: 5000,
            topic_percent: 30,
            members: 10,
            window: 64,
            bytes: 100,
            seed: 1,
            kill: Victims::All,
            rounds: 1,
            pause: false,
            silence_seconds: 90,
            ask_interval: None,
            via: Via::Wire,
            keep_logs: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn victims_are_named_by_role_or_process() {
        let named: Victims = "router,msg_server-1".parse().unwrap();
        for (part, expected) in [
            (Part::Router(0), true),
            (Part::Router(1), true),
            (Part::MsgServer(1), true),
            (Part::MsgServer(0), false),
            (Part::Manager(0), false),
        ] {
            assert_eq!(named.contains(part), expected, "{part}");
        }
        assert!(Victims::All.contains(Part::Gateway(0)));
        assert!(!Victims::None.contains(Part::Gateway(0)));
        assert_eq!("rooter".parse::<Victims>(), Err(Nobody("rooter".into())));
        assert!("router-x".parse::<Victims>().is_err());
    }
}
