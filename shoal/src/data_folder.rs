//! What lies where in the folder of a mesh.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The folder that a mesh keeps everything in: store, secret, config files, logs, and who runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFolder {
    root: PathBuf,
}

impl DataFolder {
    /// The folder at `path`, which need not be there.
    ///
    /// # Errors
    /// Where the working directory that `path` starts from cannot be told.
    pub fn at(path: &Path) -> io::Result<Self> {
        Ok(Self { root: plain(&std::path::absolute(path)?) })
    }

    /// Makes the folder and those within it, where they are missing. Only its owner may look into a folder that is
    /// made here: logs and configs name people and addresses.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn make(&self) -> io::Result<()> {
        for folder in [&self.root, &self.conf_folder(), &self.log_folder()] {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        Ok(())
    }

    /// The folder itself, as an absolute path.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The config file of the process `name`.
    pub fn conf_file(&self, name: &str) -> PathBuf {
        self.conf_folder().join(format!("{name}.json"))
    }

    /// The log of the process `name`.
    pub fn log_file(&self, name: &str) -> PathBuf {
        self.log_folder().join(format!("{name}.log"))
    }

    /// What the process `name` wrote to stdout and stderr since its last start.
    pub fn out_file(&self, name: &str) -> PathBuf {
        self.log_folder().join(format!("{name}.out"))
    }

    /// The secret that is made at the first start.
    pub fn secret_file(&self) -> PathBuf {
        self.root.join("mesh-secret")
    }

    /// The folder of the embedded store.
    pub fn store(&self) -> PathBuf {
        self.root.join("store")
    }

    /// The file whose lock says that a mesh runs here, and as which process.
    pub fn lock_file(&self) -> PathBuf {
        self.root.join("shoal.lock")
    }

    /// What runs, for `shoal status`.
    pub fn run_file(&self) -> PathBuf {
        self.root.join("shoal.run.json")
    }

    /// Replaces `file` whole: a reader sees the old text or the new, never a part.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn replace(file: &Path, text: &str) -> io::Result<()> {
        let next = file.with_extension("json.new");
        fs::write(&next, text)?;
        fs::rename(&next, file)
    }

    fn conf_folder(&self) -> PathBuf {
        self.root.join("conf")
    }

    fn log_folder(&self) -> PathBuf {
        self.root.join("log")
    }
}

/// `path` as people are shown it: from the working directory where it is within that.
pub fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let short = path.strip_prefix(&here).unwrap_or(path);
    short.display().to_string()
}

/// Without `.` parts, which would show in every message.
fn plain(path: &Path) -> PathBuf {
    path.components().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_made_is_for_its_owner_only() {
        let parent = tempfile::tempdir().unwrap();
        let folder = DataFolder::at(&parent.path().join("./a/data")).unwrap();
        folder.make().unwrap();
        folder.make().unwrap();
        for path in
            [folder.root(), folder.conf_file("x").parent().unwrap(), folder.log_file("x").parent().unwrap()]
        {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o700, "{path:?}");
        }
        assert!(folder.root().ends_with("a/data"));
    }
}
