//! The command line of every process.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgAction, Command, value_parser};

use super::exit;
use crate::config::{Role, describe};

const AFTER_EXAMPLES: &str = "
Signals: INT or TERM drains and ends, a second one ends at once; HUP reads the file again.
Exit codes: 0 ended as told, 1 failed, 64 wrong command line or config file.
";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Run with this config file.
    Run(PathBuf),
    /// Check this config file.
    Check(PathBuf),
}

/// Reads `arguments`, the program's name first.
///
/// # Errors
/// The code to exit with, where help or the version was asked for, or the command line is wrong; what is to be said
/// about it is then said.
pub(super) fn read(role: Role, arguments: impl Iterator<Item = OsString>) -> Result<Order, ExitCode> {
    parse(role, arguments).map_err(|error| {
        let _ = error.print();
        ExitCode::from(if error.use_stderr() { exit::USAGE } else { exit::SUCCESS })
    })
}

fn parse(role: Role, arguments: impl Iterator<Item = OsString>) -> Result<Order, clap::Error> {
    let mut matches = command(role).try_get_matches_from(arguments.map(from_the_field))?;
    let file = matches.remove_one("conf-file").unwrap_or_else(|| default_file(role).into());
    Ok(if matches.get_flag("check") { Order::Check(file) } else { Order::Run(file) })
}

fn command(role: Role) -> Command {
    let examples = examples(role);
    Command::new(role.name())
        .version(env!("CARGO_PKG_VERSION"))
        .about(role.about())
        .arg(
            Arg::new("conf-file")
                .long("conf-file")
                .alias("conf_file")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help(format!(
                    "The config file; {} in the working directory unless given",
                    default_file(role)
                )),
        )
        .arg(
            Arg::new("check")
                .long("check")
                .action(ArgAction::SetTrue)
                .help("Check the config file, and exit"),
        )
        .after_help(examples.clone() + "\n--help also lists the keys of the config file.")
        .after_long_help(format!(
            "{examples}\nKeys of the config file, all optional:\n{}",
            describe::key_list(role)
        ))
}

fn default_file(role: Role) -> String {
    format!("{role}.json")
}

fn examples(role: Role) -> String {
    let file = default_file(role);
    let lines = [
        (String::new(), format!("run with {file} in the working directory")),
        (format!("--conf-file etc/{file}"), "run with another file".to_owned()),
        (format!("-conf_file=etc/{file}"), "the same, as older installations write it".to_owned()),
        ("--check".to_owned(), format!("say what is wrong in {file}, all at once")),
    ];
    let lines = lines.map(|(options, what)| format!("  {:<44} {what}\n", format!("{role} {options}")));
    format!("Examples:\n{}{AFTER_EXAMPLES}", lines.concat())
}

/// The field writes long options with one dash: `-conf_file=FILE`.
fn from_the_field(argument: OsString) -> OsString {
    let bytes = argument.as_encoded_bytes();
    if !bytes.starts_with(b"-conf_file") && !bytes.starts_with(b"-conf-file") {
        return argument;
    }
    let mut long = OsString::from("-");
    long.push(argument);
    long
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::error::ErrorKind;

    fn parsed(line: &str) -> Result<Order, clap::Error> {
        let arguments = std::iter::once("router").chain(line.split_whitespace());
        parse(Role::Router, arguments.map(OsString::from))
    }

    #[test]
    fn every_form_of_naming_the_file_is_understood() {
        for line in [
            "-conf_file=a.json",
            "-conf_file a.json",
            "--conf-file a.json",
            "--conf-file=a.json",
            "--conf_file=a.json",
            "-conf-file a.json",
        ] {
            assert_eq!(parsed(line).unwrap(), Order::Run("a.json".into()), "{line}");
        }
    }

    #[test]
    fn without_a_file_the_role_s_own_is_read() {
        assert_eq!(parsed("").unwrap(), Order::Run("router.json".into()));
        assert_eq!(parsed("--check").unwrap(), Order::Check("router.json".into()));
    }

    #[test]
    fn what_is_not_understood_is_an_error_that_exits_with_64() {
        for line in ["--chekc", "a.json", "-conf_file", "-conf_file=a -conf_file=b"] {
            let error = parsed(line).unwrap_err();
            assert!(error.use_stderr(), "{line}");
        }
        let code = read(Role::Router, ["router", "--nonsense"].map(OsString::from).into_iter()).unwrap_err();
        assert_eq!(code, ExitCode::from(64));
    }

    #[test]
    fn help_has_examples_and_every_key() {
        let error = parsed("--help").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DisplayHelp);
        let help = error.to_string();
        assert!(help.contains("router -conf_file=etc/router.json"), "{help}");
        for key in crate::config::table::keys_of(Role::Router).filter(|key| key.is_read()) {
            assert!(help.contains(&format!("\n  {}", key.name)), "{} is not in {help}", key.name);
        }
    }
}
