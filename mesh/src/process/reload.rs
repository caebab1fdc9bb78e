//! SIGHUP: the config file is read again, and what may change while the process runs is changed.

use std::path::PathBuf;

use tracing::{error, info, warn};

use super::tls_files;
use crate::config::{Loaded, LogLevel, RoleConfig};
use crate::logging;

/// The config that is in force, and the file that it came from.
#[derive(Debug)]
pub(super) struct Reloader<C> {
    file: PathBuf,
    started_with: Loaded<C>,
    level: LogLevel,
}

impl<C: RoleConfig> Reloader<C> {
    pub fn new(file: PathBuf, started_with: Loaded<C>) -> Self {
        let level = started_with.config.process().log_level.clone();
        Self { file, started_with, level }
    }

    /// Reads the file; a broken one changes nothing.
    pub fn reload(&mut self) {
        logging::reopen();
        match C::load(&self.file) {
            Ok(newer) => self.take(&newer),
            Err(error) => error!("the config stays as it was: {error}"),
        }
    }

    fn take(&mut self, newer: &Loaded<C>) {
        let file = self.file.display();
        if let (Some(old), Some(new)) = (self.started_with.config.dial(), newer.config.dial())
            && old.msg_server_list.replace(new.msg_server_list.get())
        {
            info!("{file}: MsgServerList is now {:?}", new.msg_server_list);
        }
        tls_files::replace(&self.started_with.config, &newer.config);
        let level = &newer.config.process().log_level;
        if *level != self.level {
            info!("{file}: LogLevel is now {level}");
            logging::set_level(level);
            self.level = level.clone();
        }
        for key in self.started_with.needs_restart(newer) {
            warn!("{file}: {key} has changed; that takes effect when the process is started again");
        }
        info!("{file} was read again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RouterConfig;
    use std::fs::write;

    fn reloader(file: &std::path::Path, text: &str) -> Reloader<RouterConfig> {
        write(file, text).unwrap();
        Reloader::new(file.to_owned(), RouterConfig::load(file).unwrap())
    }

    #[test]
    fn a_new_list_of_msg_servers_reaches_the_running_config() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("router.json");
        let mut reloader = reloader(&file, r#"{"MsgServerList":["a:1"]}"#);
        let role_s_own = reloader.started_with.config.clone();
        let mut heard = role_s_own.dial.msg_server_list.subscribe();
        write(&file, r#"{"MsgServerList":["a:1","b:2"],"LogLevel":"debug"}"#).unwrap();
        reloader.reload();
        assert!(heard.has_changed().unwrap());
        assert_eq!(format!("{:?}", *heard.borrow_and_update()), "[a:1, b:2]");
        assert_eq!(reloader.level.to_string(), "debug");
    }

    #[test]
    fn a_broken_file_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("router.json");
        let mut reloader = reloader(&file, r#"{"MsgServerList":["a:1"]}"#);
        let heard = reloader.started_with.config.dial.msg_server_list.subscribe();
        write(&file, r#"{"MsgServerList":["b:2"],"LogLevel":"loud"}"#).unwrap();
        reloader.reload();
        assert!(!heard.has_changed().unwrap());
    }

    #[test]
    fn what_only_a_restart_changes_is_named() {
        let before = RouterConfig::parse(r#"{"UUID":"a","DrainSeconds":1}"#, "f").unwrap();
        let text = r#"{"UUID":"b","DrainSeconds":1.0,"LogLevel":"debug","MeshSecret":"0123456789abcdef"}"#;
        let after = RouterConfig::parse(text, "f").unwrap();
        assert_eq!(before.needs_restart(&after), ["MeshSecret", "UUID"]);
    }
}
