//! The mesh that a command line asks for: the file's, and what the options put over it.

use mesh::config::LogLevel;

use crate::cli::UpArgs;
use crate::failure::Failure;
use crate::host::Host;
use crate::mesh_file::MeshFile;

/// The mesh of `args`.
///
/// # Errors
/// All mistakes of the file, or the first of the options.
pub fn mesh(args: &UpArgs) -> Result<MeshFile, Failure> {
    let file = args.file.as_deref().map_or_else(MeshFile::default_mesh, MeshFile::load)?;
    let mesh = overlaid(file, args);
    check(&mesh, args)?;
    moved(mesh, args)
}

fn overlaid(mut mesh: MeshFile, args: &UpArgs) -> MeshFile {
    if let Some(data) = &args.data {
        mesh.data.clone_from(data);
    }
    if let Some(host) = &args.host {
        mesh.host.clone_from(host);
    }
    mesh.msg_servers = args.msg_servers.unwrap_or(mesh.msg_servers);
    mesh.routers = args.routers.unwrap_or(mesh.routers);
    if args.no_monitor {
        mesh.monitors = 0;
    }
    mesh
}

fn check(mesh: &MeshFile, args: &UpArgs) -> Result<(), Failure> {
    Host::parse(&mesh.host).map_err(|cause| Failure::Host { text: mesh.host.clone(), cause })?;
    if let Some(Err(error)) = args.log_level.as_ref().map(|level| level.parse::<LogLevel>()) {
        return Err(Failure::Usage(format!("--log-level: {error}")));
    }
    mesh.ports_clash().map_or(Ok(()), |clash| Err(Failure::Usage(clash)))
}

fn moved(mut mesh: MeshFile, args: &UpArgs) -> Result<MeshFile, Failure> {
    if args.free_ports {
        mesh.take_free_ports();
    }
    match args.port_offset {
        Some(offset) if !mesh.shift_ports(offset) => {
            Err(Failure::Usage(format!("--port-offset {offset} leads to ports beyond 65535")))
        }
        _ => Ok(mesh),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn of(line: &str) -> Result<MeshFile, Failure> {
        match Cli::parse_from(["shoal", "up"].into_iter().chain(line.split_whitespace())).command {
            Command::Up(args) => mesh(&args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn options_go_over_the_file() {
        let mesh =
            of("--data d --host chat --msg-servers 3 --routers 2 --no-monitor --port-offset 7").unwrap();
        assert_eq!((mesh.host.as_str(), mesh.msg_servers, mesh.routers, mesh.monitors), ("chat", 3, 2, 0));
        assert_eq!((mesh.data.to_str(), mesh.gateway_port), (Some("d"), 17007));
    }

    #[test]
    fn options_that_cannot_be_are_refused() {
        for line in
            ["--host 0.0.0.0", "--log-level loud", "--port-offset 60000", "--routers 100 --msg-servers 100"]
        {
            match of(line) {
                Err(error) => assert_eq!(error.exit_code(), 64, "{error}"),
                Ok(mesh) => assert_eq!(line, "--routers 100 --msg-servers 100", "{mesh:?}"),
            }
        }
    }
}
