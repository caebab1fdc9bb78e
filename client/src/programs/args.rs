//! The command line that both programs share.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, Command, CommandFactory, Parser};
use clap_complete::Shell;
use protocol::ids::{DeviceId, UserId};

use super::called::as_called;
use super::exit::Exit;

/// Flags of both programs.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Who you are; asked for at a prompt
    #[arg(long, value_name = "NAME")]
    pub id: Option<UserId>,

    /// The gateway [default: 127.0.0.1:17000, or GatewayServer of the configuration file]
    #[arg(long, value_name = "HOST:PORT")]
    pub gateway: Option<String>,

    /// Which of your devices this is: one device has one session at a time, and goes on where it was [default: one of
    /// this machine for prompts, one for scripts, one for --once, and further ones while these are in use]
    #[arg(long, value_name = "NAME")]
    pub device: Option<DeviceId>,

    /// A JSON file with GatewayServer, HeartBeatTime, Expire; other keys are passed over
    #[arg(long, value_name = "FILE")]
    pub conf_file: Option<PathBuf>,

    /// Send the lines of standard input, wait until each is stored, and end; show nothing that comes
    #[arg(long, conflicts_with_all = ["listen", "count"])]
    pub once: bool,

    /// Do not read standard input: show what comes
    #[arg(long)]
    pub listen: bool,

    /// End when this many messages came (after standard input, unless --listen)
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,

    /// How long to wait for what is not sent, or has not come, when standard input has ended (with --listen: in all);
    /// also for the first connection [default: 10 to connect, 30 to send; no limit with --listen or --count]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub wait: Option<Duration>,

    /// Show what happens as JSON, one object a line
    #[arg(long)]
    pub json: bool,

    /// Write a shell's completions to standard output
    #[arg(long, value_name = "SHELL")]
    pub completions: Option<Shell>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().map_err(|_| "a number of seconds is wanted".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// Reads the command line of this process. `Err`: nothing is left to do (help was shown, completions written, or a
/// mistake named).
///
/// # Errors
/// The way to end.
pub fn parse<P: Parser + CommandFactory>(common: impl Fn(&P) -> &Common) -> Result<P, Exit> {
    let mut command = command::<P>();
    let matched = command.try_get_matches_from_mut(std::env::args_os().map(as_long_flag));
    let parsed = matched.and_then(|mut matches| P::from_arg_matches_mut(&mut matches)).map_err(|error| {
        // Whether standard output takes the help or not, the program ends.
        let _ = error.print();
        match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Ok,
            _ => Exit::Usage,
        }
    })?;
    if let Some(shell) = common(&parsed).completions {
        let name = command.get_name().to_owned();
        clap_complete::generate(shell, &mut command, name, &mut std::io::stdout());
        return Err(Exit::Ok);
    }
    Ok(parsed)
}

/// The command line, with examples as whoever runs the program would type them.
fn command<P: CommandFactory>() -> Command {
    let mut command = P::command();
    if let Some(examples) = command.get_after_help().map(|help| as_called(&help.to_string())) {
        command = command.after_help(examples);
    }
    if let Some(examples) = command.get_after_long_help().map(|help| as_called(&help.to_string())) {
        command = command.after_long_help(examples);
    }
    command
}

/// `-conf_file=FILE` is the form in the field.
fn as_long_flag(arg: OsString) -> OsString {
    match arg.to_str() {
        Some(text) if text == "-conf_file" || text.starts_with("-conf_file=") => {
            text.replacen("-conf_file", "--conf-file", 1).into()
        }
        _ => arg,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_of_the_field_is_taken() {
        assert_eq!(as_long_flag("-conf_file=client.json".into()), "--conf-file=client.json");
        assert_eq!(as_long_flag("-conf_file".into()), "--conf-file");
        assert_eq!(as_long_flag("-conf_files".into()), "-conf_files");
    }

    #[test]
    fn seconds_may_have_a_fraction_but_no_sign() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for bad in ["-1", "x", "inf", "NaN", ""] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
