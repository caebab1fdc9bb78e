//! From the command line to a client.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;

use protocol::ids::DeviceId;
use tracing_subscriber::EnvFilter;

use super::args::Common;
use super::conf_file::ConfFile;
use super::device::Device;
use super::exit::Exit;
use super::wording;
use crate::{Acks, Client, Events, Options, Start, UserId};

/// Where a gateway listens unless something else is said.
const GATEWAY: &str = "127.0.0.1:17000";
/// How long the first connection may take in a script.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// Of what came while one was away, a prompt shows so many entries; `/history` shows older ones.
const BACKLOG: u64 = 200;

/// Runs a program to its end. Its log goes to standard error, if `RUST_LOG` asks for one.
pub fn run(program: impl Future<Output = Exit>) -> ExitCode {
    if std::env::var_os("RUST_LOG").is_some() {
        let filter = EnvFilter::from_default_env();
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start: {error}");
            return Exit::Io.into();
        }
    };
    runtime.block_on(program).into()
}

/// Whether somebody sits at a prompt: then what is missing is asked for.
pub fn at_prompt(common: &Common) -> bool {
    let terminals = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    terminals && !common.once && !common.listen && !common.json && common.count.is_none()
}

/// A client that is on its way to its mesh.
pub struct Started {
    /// The client.
    pub client: Client,
    /// What happens to it.
    pub events: Events,
    /// Where it asks for a server.
    pub gateway: String,
    /// To be kept until the program ends.
    pub device: Device,
}

/// Starts the client of a program, called `program`.
///
/// # Errors
/// The way to end, after saying what is wrong.
pub fn client(common: &Common, user: UserId, program: &str) -> Result<Started, Exit> {
    let (options, device) = options(common, user, program)?;
    let gateway = options.gateway.clone();
    let (client, events) = Client::connect(options).map_err(|error| {
        eprintln!("{error}");
        Exit::Io
    })?;
    Ok(Started { client, events, gateway, device })
}

fn options(common: &Common, user: UserId, program: &str) -> Result<(Options, Device), Exit> {
    let usage = |error: &dyn std::fmt::Display| {
        eprintln!("{error}");
        Exit::Usage
    };
    let file = common.conf_file.as_deref().map_or_else(|| Ok(ConfFile::default()), ConfFile::load);
    let file = file.map_err(|error| usage(&error))?;
    let gateway = common.gateway.clone().or(file.gateway).unwrap_or_else(|| GATEWAY.to_owned());
    if !gateway.contains(':') {
        return Err(usage(&format!("--gateway takes host and port, for example {GATEWAY}, not {gateway:?}")));
    }
    let device = device(common, &user, &gateway, program);
    let mut options = Options::new(gateway, user);
    options.device = DeviceId::new(&device.name).map_err(|error| usage(&error))?;
    options.timings.heartbeat = file.heartbeat.unwrap_or(options.timings.heartbeat);
    options.timings.pong = file.expire.unwrap_or(options.timings.pong);
    if common.once {
        (options.start, options.acks) = (Start::Head, Acks::Manual);
    } else if at_prompt(common) {
        options.start = Start::Newest(BACKLOG);
    }
    Ok((options, device))
}

/// What is received at a prompt, by a script, and not at all are three things, so these are three devices.
fn device(common: &Common, user: &UserId, gateway: &str, program: &str) -> Device {
    let kind = match &common.device {
        Some(name) => return Device::chosen(name),
        None if common.once => "once".to_owned(),
        None if at_prompt(common) => program.to_owned(),
        None => format!("{program}-script"),
    };
    Device::of_this_machine(&kind, &format!("{user} {gateway}"))
}

/// Waits for the first session, for a script.
///
/// # Errors
/// [`Exit::Unreachable`] or [`Exit::Refused`], after saying why.
pub async fn connected(client: &Client, common: &Common, gateway: &str) -> Result<(), Exit> {
    let within = common.wait.unwrap_or(CONNECT_WITHIN).max(Duration::from_secs(1));
    match tokio::time::timeout(within, client.connected()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(reason)) => {
            eprintln!("{}", wording::ended(&reason));
            Err(Exit::Refused)
        }
        Err(_) => {
            eprintln!("{}", wording::unreachable(client.trouble().as_ref(), gateway));
            Err(Exit::Unreachable)
        }
    }
}
