//! `shoal up`: starts a whole mesh, keeps it running, and drains it.

mod keep;
mod leftovers;
mod next_steps;
mod options;
mod words;

use std::io;

use mesh::config::Role;
use serde_json::json;

use crate::children::Programs;
use crate::cli::UpArgs;
use crate::data_folder::{DataFolder, shown};
use crate::exit;
use crate::failure::Failure;
use crate::host::Host;
use crate::keeper::Outcome;
use crate::lock::Lock;
use crate::mesh_file::MeshFile;
use crate::plan::{Member, Shared, members, seats};
use crate::screen::{Screen, Tone};
use crate::{ports, secret_file};
use keep::Run;

/// Runs a mesh until it is told to end.
///
/// # Errors
/// Where a file or the command line has mistakes, a mesh runs in the folder already, a port is taken, or the system
/// refuses what has to be written.
pub async fn run(args: UpArgs) -> Result<u8, Failure> {
    let mut screen = Screen::new(args.json);
    let mesh = options::mesh(&args)?;
    let folder = DataFolder::at(&mesh.data).map_err(Failure::while_trying("to find the folder"))?;
    folder.make().map_err(Failure::while_trying(format!("to make {}", folder.root().display())))?;
    let _lock = Lock::take(&folder.lock_file())?;
    leftovers::end(&folder, &mut screen).await?;

    let members = prepare(&mesh, &folder, args.log_level.as_deref(), &mut screen)?;
    announce(&mesh, &folder, &members, &mut screen);
    let outcome = Run::new(members, mesh.silence, programs(&args)?, &folder, screen)?.keep().await;
    // Where it cannot be removed, the next `up` reads it and finds nobody.
    let _ = std::fs::remove_file(folder.run_file());
    Ok(exit_code(outcome))
}

/// Checks all that can be wrong before anything is started, and writes the config files.
fn prepare(
    mesh: &MeshFile,
    folder: &DataFolder,
    log_level: Option<&str>,
    screen: &mut Screen,
) -> Result<Vec<Member>, Failure> {
    let host_error = |cause| Failure::Host { text: mesh.host.clone(), cause };
    let mut seats = seats(mesh).map_err(host_error)?;
    ports::take(&mut seats)?;
    let secret =
        mesh.mesh_secret_file.as_deref().map_or_else(|| Ok(folder.secret_file()), std::path::absolute);
    let secret = secret.map_err(Failure::while_trying("to find the secret"))?;
    if secret_file::ensure(&secret)? {
        let line = format!("made a secret for this mesh: {} (keep it to yourself)", shown(&secret));
        screen.say_unless_json(&line, None);
    }
    let shared = Shared { mesh, folder, secret_file: Some(&secret), log_level };
    let members = members(shared, &seats)?;
    for member in &members {
        write_config(member)
            .map_err(Failure::while_trying(format!("to write {}", member.conf_file.display())))?;
    }
    Ok(members)
}

fn write_config(member: &Member) -> io::Result<()> {
    let text = serde_json::to_string_pretty(&member.config).map_err(io::Error::other)?;
    DataFolder::replace(&member.conf_file, &(text + "\n"))
}

fn programs(args: &UpArgs) -> Result<Programs, Failure> {
    let Some(folder) = &args.programs else {
        let itself = std::env::current_exe().map_err(Failure::while_trying("to find this program"))?;
        return Ok(Programs::Itself(itself));
    };
    match Role::ALL.into_iter().find(|role| !folder.join(role.name()).is_file()) {
        Some(role) => {
            Err(Failure::Usage(format!("--programs {}: there is no {role} in it", folder.display())))
        }
        None => Ok(Programs::Folder(folder.clone())),
    }
}

fn announce(mesh: &MeshFile, folder: &DataFolder, members: &[Member], screen: &mut Screen) {
    screen.event(&json!({
        "Event": "starting", "Pid": std::process::id(), "Data": folder.root(), "Processes": members.len(),
    }));
    screen.say_unless_json(
        &format!(
            "a mesh of {} processes, with its data in the folder {}",
            members.len(),
            shown(folder.root())
        ),
        None,
    );
    for line in exposure(mesh) {
        screen.event(&json!({ "Event": "warning", "Text": line }));
        screen.say_unless_json(&line, Some(Tone::Bad));
    }
}

/// What whoever starts a mesh beyond loopback should know that it means.
fn exposure(mesh: &MeshFile) -> Vec<String> {
    let Ok(host) = Host::parse(&mesh.host) else { return Vec::new() };
    if host.is_loopback() {
        return Vec::new();
    }
    let mut lines = vec![
        format!("THIS MESH IS OPEN TO OTHER MACHINES: gateway and msg_servers listen on every address of this one,"),
        "in mode open: whoever reaches their ports is whom they say they are, and reads and sends as any user.".into(),
        "Keep these ports to a network where you trust every machine.".into(),
    ];
    if !host.resolves() {
        lines.push(format!(
            "{host} cannot be resolved on this machine: gateway, router and manager will not find the msg_servers. \
             Name an address, or a name that both sides know"
        ));
    }
    lines
}

fn exit_code(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Drained => exit::DONE,
        Outcome::Killed => exit::UNWELL,
        Outcome::GaveUp => exit::FAILED,
        Outcome::Hurried => exit::INTERRUPTED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_mesh_beyond_loopback_is_said_to_be_open() {
        let lines = |text: &str| exposure(&MeshFile::parse(text, "m").unwrap());
        assert!(lines("{}").is_empty() && lines(r#"{"Host":"localhost"}"#).is_empty());
        let open = lines(r#"{"Host":"192.0.2.1"}"#);
        assert!(open.iter().any(|line| line.contains("reads and sends as any user")), "{open:?}");
        let lost = lines(r#"{"Host":"nowhere.invalid"}"#);
        assert!(lost.iter().any(|line| line.contains("cannot be resolved")), "{lost:?}");
    }
}
