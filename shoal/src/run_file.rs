//! What runs, written by `shoal up` at every change for `shoal status` and for the next `shoal up`.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::data_folder::DataFolder;
use crate::ports::command_of;

/// A mesh that runs, or one that did when its `shoal up` was killed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RunFile {
    /// The process id of the `shoal up`.
    pub pid: u32,
    /// Where clients ask for a msg_server.
    pub gateway: String,
    /// Where the page is served.
    pub web: Option<SocketAddr>,
    /// The processes, in the order in which they are shown.
    pub processes: Vec<Running>,
}

/// One process of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Running {
    /// What it is called here.
    pub name: String,
    /// The name of its role.
    pub role: String,
    /// Where others reach it.
    pub address: String,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Its process id, while it has one.
    pub pid: Option<u32>,
    /// How often it was started again.
    pub restarts: u32,
    /// Its config file.
    pub conf_file: PathBuf,
    /// Its log.
    pub log_file: PathBuf,
}

impl RunFile {
    /// Reads `file`; `None` where it is not there.
    ///
    /// # Errors
    /// Where it cannot be read, or was written by a version with other fields.
    pub fn read(file: &Path) -> io::Result<Option<Self>> {
        match std::fs::read(file) {
            Ok(text) => serde_json::from_slice(&text).map(Some).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces `file`.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn write(&self, file: &Path) -> io::Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(io::Error::other)?;
        DataFolder::replace(file, &(text + "\n"))
    }

    /// Its processes that still run. A process id may be another's by now, so the command line must name the
    /// process's config file.
    pub fn survivors(&self) -> Vec<&Running> {
        self.processes
            .iter()
            .filter(|process| process.pid.is_some_and(|pid| process.is_run_by(pid)))
            .collect()
    }
}

impl Running {
    fn is_run_by(&self, pid: u32) -> bool {
        let conf_file = self.conf_file.display().to_string();
        command_of(pid).contains(&conf_file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(conf_file: &str) -> RunFile {
        let process = Running {
            name: "router".into(),
            role: "router".into(),
            address: "127.0.0.1:1".into(),
            listen: "127.0.0.1:1".parse().unwrap(),
            pid: Some(std::process::id()),
            restarts: 0,
            conf_file: conf_file.into(),
            log_file: "l".into(),
        };
        RunFile { pid: 1, gateway: "127.0.0.1:2".into(), web: None, processes: vec![process] }
    }

    #[test]
    fn what_was_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shoal.run.json");
        assert_eq!(RunFile::read(&file).unwrap(), None);
        run("c").write(&file).unwrap();
        assert_eq!(RunFile::read(&file).unwrap(), Some(run("c")));
    }

    #[test]
    fn a_process_id_that_is_another_s_by_now_is_no_survivor() {
        assert!(run("/nowhere/conf/router.json").survivors().is_empty());
    }
}
