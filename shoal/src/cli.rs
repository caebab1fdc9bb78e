//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use mesh::config::Role;

use crate::exit;

const UP_EXAMPLES: &str = "\
Examples:
  shoal up                         the default mesh: gateway 17000, msg_servers 19000 and 19001,
                                   router 20000, manager 18000, monitor 21000, page 30000
  shoal up mesh.json               the mesh of a file
  shoal up --host 192.168.1.7      reachable by other machines under that address
  shoal up --data /srv/chat --port-offset 100
                                   a second mesh on one machine
  shoal up --free-ports --json     for scripts: free ports, one JSON object a line

Ctrl-C or SIGTERM drains: gateway, msg_servers, router, manager, monitor; a second one ends all at once.";

const STATUS_EXAMPLES: &str = "\
Examples:
  shoal status                     what runs where
  shoal status --json | jq '.Processes[] | select(.State != \"ready\")'";

const DOWN_EXAMPLES: &str = "\
Examples:
  shoal down                       drain, and wait until all has ended
  shoal down --now                 end at once: what was acked is safe, clients reconnect later";

const CHECK_EXAMPLES: &str = "\
Examples:
  shoal check mesh.json
  shoal check configs/field/*.json
  shoal check --kind router spare.json";

const STORE_EXAMPLES: &str = "\
Examples:
  shoal store export --to chat.backup
  shoal store import --from chat.backup --data ./restored
  shoal store check                every record is read; nothing is changed
  shoal store repair --void        give up what is damaged, keep what follows it

The mesh must not run meanwhile: one process has a store at a time.";

const P2P_EXAMPLES: &str = "\
Examples:
  shoal p2p --id amy --to bob
  echo hi | shoal p2p --id amy --to bob --once";

const TOPIC_EXAMPLES: &str = "\
Examples:
  shoal topic --id amy --create garden
  shoal topic --id bob --join garden";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  shoal completions bash > ~/.local/share/bash-completion/completions/shoal
  shoal completions zsh > ~/.zfunc/_shoal";

/// Runs a message-server mesh on this machine: chat between two, chat in topics, plain publish/subscribe.
#[derive(Debug, Parser)]
#[command(name = "shoal", version, after_help = exit::EXPLAINED, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a whole mesh, and keep it running
    #[command(after_help = UP_EXAMPLES, after_long_help = up_long_help())]
    Up(UpArgs),
    /// Show what runs where, and how it is
    #[command(after_help = STATUS_EXAMPLES)]
    Status(StatusArgs),
    /// Drain the mesh of a folder, and wait until it has ended
    #[command(after_help = DOWN_EXAMPLES)]
    Down(DownArgs),
    /// Say what is wrong in mesh files and config files, all at once
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
    /// Back up what the manager stores, put a back-up back, check and repair it
    #[command(after_help = STORE_EXAMPLES)]
    Store(StoreArgs),
    /// Talk to one person: the program client_p2p
    #[command(disable_help_flag = true, after_help = P2P_EXAMPLES)]
    P2p {
        /// Its arguments; `shoal p2p --help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Talk in topics: the program client_topic
    #[command(disable_help_flag = true, after_help = TOPIC_EXAMPLES)]
    Topic {
        /// Its arguments; `shoal topic --help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Print a completion script for a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Arguments of `up`.
#[derive(Debug, Args)]
pub struct UpArgs {
    /// The mesh file; without one, the default mesh
    pub file: Option<PathBuf>,
    /// The folder for store, secret, config files and logs [default: Data of the mesh file, ./data]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The name or address by which other machines reach this one: listens beyond loopback
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// How many msg_servers
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100))]
    pub msg_servers: Option<u16>,
    /// How many routers
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100))]
    pub routers: Option<u16>,
    /// Leave the monitor and its page out
    #[arg(long)]
    pub no_monitor: bool,
    /// Add N to every port
    #[arg(long, value_name = "N", conflicts_with = "free_ports")]
    pub port_offset: Option<u16>,
    /// Take free ports instead of fixed ones
    #[arg(long)]
    pub free_ports: bool,
    /// What every process logs, where the mesh file does not say, as info or info,mesh::link=debug
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// Run the stand-alone programs in DIR (gateway, msg_server, …) instead of this one
    #[arg(long, value_name = "DIR")]
    pub programs: Option<PathBuf>,
    /// Tell everything as JSON, one object a line
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// The folder of the mesh
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub data: PathBuf,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `down`.
#[derive(Debug, Args)]
pub struct DownArgs {
    /// The folder of the mesh
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub data: PathBuf,
    /// Do not drain: end all at once
    #[arg(long)]
    pub now: bool,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Mesh files and config files of processes
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// What the files are; otherwise their names (router.json, msg_server.1.json) or their keys tell
    #[arg(long, value_enum)]
    pub kind: Option<FileKind>,
}

/// Arguments of `store`.
#[derive(Debug, Args)]
pub struct StoreArgs {
    /// What to do with the store.
    #[command(subcommand)]
    pub command: StoreCommand,
}

/// What to do with a store.
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Write everything that is stored into one compressed file
    Export {
        /// The file to write, which must not be there yet: it holds hashes of passwords, and only its owner may read it;
        /// `-` is stdout
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// Where the store is.
        #[command(flatten)]
        store: StorePlace,
    },
    /// Put back what an export wrote; what is there already, and the same, is left
    Import {
        /// The file to read; `-` is stdin
        #[arg(long, value_name = "FILE")]
        from: PathBuf,
        /// Where the store is.
        #[command(flatten)]
        store: StorePlace,
    },
    /// Read every record of the commit log, and list what is damaged
    Check {
        /// Where the store is.
        #[command(flatten)]
        store: StorePlace,
    },
    /// Mend a damaged commit log; what is overwritten is kept in a file beside it
    #[command(group = clap::ArgGroup::new("how").required(true))]
    Repair {
        /// Give up only the damaged records; those after them stay
        #[arg(long, group = "how")]
        void: bool,
        /// Give up the first damaged record and all after it
        #[arg(long, group = "how")]
        cut: bool,
        /// Where the store is.
        #[command(flatten)]
        store: StorePlace,
    },
}

/// Where a store is.
#[derive(Debug, Args)]
pub struct StorePlace {
    /// The folder of the mesh
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub data: PathBuf,
    /// The manager's config file, for a manager that shoal does not run
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    pub conf_file: Option<PathBuf>,
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum FileKind {
    /// A mesh file.
    Mesh,
    /// A gateway's config file.
    Gateway,
    /// A msg_server's.
    MsgServer,
    /// A router's.
    Router,
    /// A manager's.
    Manager,
    /// A monitor's.
    Monitor,
}

impl FileKind {
    /// The role whose config file it is; `None` for a mesh file.
    pub fn role(self) -> Option<Role> {
        match self {
            Self::Mesh => None,
            Self::Gateway => Some(Role::Gateway),
            Self::MsgServer => Some(Role::MsgServer),
            Self::Router => Some(Role::Router),
            Self::Manager => Some(Role::Manager),
            Self::Monitor => Some(Role::Monitor),
        }
    }
}

fn up_long_help() -> String {
    let keys = crate::mesh_file::key_list();
    format!("{UP_EXAMPLES}\n\nKeys of the mesh file, one JSON object, all optional:\n{keys}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound_and_every_command_has_examples() {
        let mut command = Cli::command();
        command.build();
        command.clone().debug_assert();
        for part in command.get_subcommands() {
            let help = part.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Examples:"), "{}: {help}", part.get_name());
        }
    }

    #[test]
    fn the_long_help_of_up_names_the_keys_of_the_mesh_file() {
        let error = Cli::try_parse_from(["shoal", "up", "--help"]).unwrap_err().to_string();
        assert!(error.contains("MsgServerPort: a port"), "{error}");
    }
}
