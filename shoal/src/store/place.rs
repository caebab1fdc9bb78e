//! Where the store is: what the manager's config file says, or would say.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mesh::config::{ConfigError, ManagerConfig, RoleConfig, StoreConfig};
use serde_json::json;
use storage::Store;

use crate::cli::StorePlace;
use crate::data_folder::DataFolder;
use crate::failure::Failure;

/// The store that `place` names.
///
/// # Errors
/// Where the manager's config file has mistakes.
pub fn of(place: &StorePlace) -> Result<Place, Failure> {
    if let Some(file) = &place.conf_file {
        return Ok(Place { config: ManagerConfig::load(file)?.config });
    }
    let folder = DataFolder::at(&place.data).map_err(Failure::while_trying("to find the folder"))?;
    let conf_file = folder.conf_file("manager");
    match ManagerConfig::load(&conf_file) {
        Ok(loaded) => Ok(Place { config: loaded.config }),
        // No mesh ran here yet: a back-up is restored before the first start.
        Err(ConfigError::Missing { .. }) => Ok(Place { config: of_folder(&folder)? }),
        Err(error) => Err(error.into()),
    }
}

/// Whether the path of an export means stdout or stdin: `-`, as everywhere.
pub fn is_standard_stream(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The store of one manager.
pub struct Place {
    config: ManagerConfig,
}

impl Place {
    /// The store's folder.
    pub fn folder(&self) -> &Path {
        let StoreConfig::Embedded { path, .. } = &self.config.store;
        path
    }

    /// Opens the store as its manager does.
    ///
    /// # Errors
    /// Where a manager has it, or it is damaged.
    pub fn open(&self) -> Result<Arc<dyn Store>, Failure> {
        Ok(manager::open::open(&self.config)?.store)
    }

    /// The folder of its commit log.
    ///
    /// # Errors
    /// Where there is no store.
    pub fn log_folder(&self) -> Result<PathBuf, Failure> {
        self.must_be_there()?;
        Ok(self.folder().join("log"))
    }

    /// # Errors
    /// Where there is no store: opening would make an empty one.
    pub fn must_be_there(&self) -> Result<(), Failure> {
        if self.folder().is_dir() {
            return Ok(());
        }
        let folder = self.folder().display();
        Err(Failure::Usage(format!("there is no store in {folder}; `--data DIR` names another folder")))
    }
}

fn of_folder(folder: &DataFolder) -> Result<ManagerConfig, ConfigError> {
    let text = json!({ "Store": { "Path": folder.store() } }).to_string();
    Ok(ManagerConfig::parse(&text, "the default manager")?.config)
}
