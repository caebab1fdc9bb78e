//! From a mesh file to the processes that it means, each with its config file.

mod role_file;
mod seats;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mesh::config::{ConfigError, HostPort, Role};
use serde_json::Value;

use crate::data_folder::DataFolder;
use crate::mesh_file::MeshFile;

pub use role_file::check_text;
pub use seats::{Seat, seats};

/// One process of the mesh.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// What it is.
    pub role: Role,
    /// What it is called here: `gateway`, `msg_server.1`, …
    pub name: String,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where others reach it.
    pub address: HostPort,
    /// Where it serves its page, if it does.
    pub web: Option<SocketAddr>,
    /// How long it may take to drain.
    pub drain: Duration,
    /// Its config file.
    pub conf_file: PathBuf,
    /// Its log.
    pub log_file: PathBuf,
    /// What it writes to stdout and stderr.
    pub out_file: PathBuf,
    /// What its config file says.
    pub config: Value,
}

/// What the members of one mesh have in common.
#[derive(Debug, Clone, Copy)]
pub struct Shared<'a> {
    /// The mesh file.
    pub mesh: &'a MeshFile,
    /// The folder of the mesh.
    pub folder: &'a DataFolder,
    /// The file with the mesh's secret; `None` leaves it out of the config files.
    pub secret_file: Option<&'a Path>,
    /// A log level for those whose `Set` names none.
    pub log_level: Option<&'a str>,
}

/// The processes of a mesh on `seats`, whose ports are all known.
///
/// # Errors
/// Where values of `Set` do not go together: all mistakes of the first config file that has any, under that file's name.
pub fn members(shared: Shared<'_>, seats: &[Seat]) -> Result<Vec<Member>, ConfigError> {
    seats.iter().map(|seat| member(shared, seats, seat)).collect()
}

fn member(shared: Shared<'_>, seats: &[Seat], seat: &Seat) -> Result<Member, ConfigError> {
    let conf_file = shared.folder.conf_file(&seat.name);
    let config = role_file::config(shared, seats, seat);
    let drain = check_text(seat.role, &config.to_string(), &conf_file.display().to_string())?;
    Ok(Member {
        role: seat.role,
        name: seat.name.clone(),
        listen: seat.listen,
        address: seat.address.clone(),
        web: seat.web,
        drain,
        log_file: shared.folder.log_file(&seat.name),
        out_file: shared.folder.out_file(&seat.name),
        conf_file,
        config,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str) -> Result<Vec<Member>, ConfigError> {
        let mesh = MeshFile::parse(text, "mesh.json").unwrap();
        let folder = DataFolder::at(Path::new("/srv/chat")).unwrap();
        let shared = Shared { mesh: &mesh, folder: &folder, secret_file: None, log_level: Some("debug") };
        members(shared, &seats(&mesh).unwrap())
    }

    fn named<'m>(members: &'m [Member], name: &str) -> &'m Member {
        members.iter().find(|member| member.name == name).unwrap()
    }

    #[test]
    fn the_default_mesh_is_six_processes_that_know_both_msg_servers() {
        let members = plan("{}").unwrap();
        let shown: Vec<_> = members.iter().map(|m| format!("{} {}", m.name, m.address)).collect();
        assert_eq!(
            shown,
            [
                "gateway 127.0.0.1:17000",
                "msg_server.1 127.0.0.1:19000",
                "msg_server.2 127.0.0.1:19001",
                "router 127.0.0.1:20000",
                "manager 127.0.0.1:18000",
                "monitor 127.0.0.1:21000",
            ]
        );
        for member in members.iter().filter(|member| member.role != Role::MsgServer) {
            assert_eq!(
                member.config["MsgServerList"],
                serde_json::json!(["127.0.0.1:19000", "127.0.0.1:19001"])
            );
        }
        let manager = named(&members, "manager");
        assert_eq!(manager.config["Store"]["Path"], "/srv/chat/store");
        assert_eq!(manager.log_file, Path::new("/srv/chat/log/manager.log"));
    }

    #[test]
    fn a_host_beyond_loopback_is_every_local_ip_and_opens_only_what_clients_need() {
        let members = plan(r#"{"Host":"chat.example.org","Routers":2}"#).unwrap();
        for (name, listen, local_ip) in [
            ("gateway", "0.0.0.0:17000", Value::Null),
            ("msg_server.2", "0.0.0.0:19001", "chat.example.org:19001".into()),
            ("router.2", "127.0.0.1:20001", Value::Null),
            ("manager", "127.0.0.1:18000", Value::Null),
        ] {
            let config = &named(&members, name).config;
            assert_eq!((&config["Listen"], &config["LocalIP"]), (&listen.into(), &local_ip), "{name}");
        }
        assert_eq!(named(&members, "router.1").config["MsgServerList"][0], "chat.example.org:19000");
    }

    #[test]
    fn two_routers_have_two_names_and_no_monitor_is_none() {
        let members = plan(r#"{"Routers":2,"Monitors":0}"#).unwrap();
        assert_ne!(named(&members, "router.1").config["UUID"], named(&members, "router.2").config["UUID"]);
        assert!(members.iter().all(|member| member.role != Role::Monitor));
    }

    #[test]
    fn set_reaches_the_role_that_it_names_and_wins() {
        let text =
            r#"{"Set":{"manager":{"Store":{"SegmentBytes":1048576},"LogLevel":"warn","DrainSeconds":3}}}"#;
        let members = plan(text).unwrap();
        let manager = named(&members, "manager");
        assert_eq!(
            manager.config["Store"],
            serde_json::json!({"Path":"/srv/chat/store","SegmentBytes":1048576})
        );
        assert_eq!((&manager.config["LogLevel"], manager.drain), (&"warn".into(), Duration::from_secs(3)));
        assert_eq!(named(&members, "router").config["LogLevel"], "debug");
    }

    #[test]
    fn values_of_set_that_do_not_go_together_name_the_file_that_they_end_in() {
        let error = plan(r#"{"Set":{"msg_server":{"SessionQueueBytes":4096}}}"#).unwrap_err().to_string();
        assert!(error.contains("conf/msg_server.1.json") && error.contains("SessionQueueBytes"), "{error}");
    }
}
