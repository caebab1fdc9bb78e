//! What to do once all is ready: how two people talk, and where the page is.

use std::net::SocketAddr;
use std::path::Path;

use mesh::config::{HostPort, Role};

use crate::data_folder::shown;
use crate::host::dialled_here;
use crate::plan::Member;

/// The lines that say it, for the mesh of `members`; `program` is the path of this executable.
pub fn lines(members: &[Member], program: &Path) -> Vec<String> {
    let gateway = members.iter().find(|member| member.role == Role::Gateway).map(|member| &member.address);
    let option = gateway.filter(|address| !is_usual(address)).map(|address| format!(" --gateway {address}"));
    let client = format!("{} p2p{}", command(program), option.unwrap_or_default());
    let mut lines = vec![
        String::new(),
        "All is ready. Two people can talk now, each in a terminal of their own:".to_owned(),
        format!("  {client} --id amy --to bob"),
        format!("  {client} --id bob --to amy"),
    ];
    lines.extend(page(members).map(|page| format!("The page of the mesh: {page}")));
    lines.push("Ctrl-C drains and ends it.".to_owned());
    lines
}

/// Where a browser on this machine finds the page.
pub fn page(members: &[Member]) -> Option<String> {
    let web: SocketAddr = members.iter().find_map(|member| member.web)?;
    Some(format!("http://{}/", dialled_here(web)))
}

fn is_usual(gateway: &HostPort) -> bool {
    gateway.is_loopback() && gateway.port() == Role::Gateway.port()
}

/// How the user starts this program again: by its name where the shell finds it so.
fn command(program: &Path) -> String {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found =
        program.parent().is_some_and(|here| std::env::split_paths(&folders).any(|folder| folder == here));
    match program.file_name().filter(|_| found) {
        Some(name) => name.to_string_lossy().into_owned(),
        None => shown(program),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_folder::DataFolder;
    use crate::mesh_file::MeshFile;
    use crate::plan::{Shared, members, seats};

    fn steps(text: &str) -> String {
        let mesh = MeshFile::parse(text, "m").unwrap();
        let folder = DataFolder::at(Path::new("/srv")).unwrap();
        let shared = Shared { mesh: &mesh, folder: &folder, secret_file: None, log_level: None };
        lines(&members(shared, &seats(&mesh).unwrap()).unwrap(), Path::new("/opt/chat/shoal")).join("\n")
    }

    #[test]
    fn the_usual_gateway_needs_no_option() {
        let steps = steps("{}");
        assert!(steps.contains("\n  /opt/chat/shoal p2p --id amy --to bob\n"), "{steps}");
        assert!(steps.contains("http://127.0.0.1:30000/"), "{steps}");
    }

    #[test]
    fn another_gateway_is_named_and_a_mesh_without_a_monitor_has_no_page() {
        let steps = steps(r#"{"GatewayPort":17100,"Host":"chat.example.org","Monitors":0}"#);
        assert!(steps.contains(" p2p --gateway chat.example.org:17100 --id bob --to amy"), "{steps}");
        assert!(!steps.contains("http://"), "{steps}");
    }
}
