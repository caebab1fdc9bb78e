//! The names of a disk's files: those that are seen, and those that are safe.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Random, Survival};

#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    view: BTreeMap<PathBuf, usize>,
    disk: BTreeMap<PathBuf, usize>,
    /// What was done since each folder's last sync, in order.
    changes: Vec<Change>,
}

/// One change, which a disk makes whole or not at all.
#[derive(Clone, Debug)]
struct Change {
    unlink: Option<PathBuf>,
    link: Option<(PathBuf, usize)>,
}

impl Names {
    pub fn get(&self, path: &Path) -> Option<usize> {
        self.view.get(path).copied()
    }

    /// The files in a folder.
    pub fn list(&self, dir: &Path) -> impl Iterator<Item = &Path> {
        self.view.keys().map(PathBuf::as_path).filter(move |path| path.parent() == Some(dir))
    }

    /// Every file that has a name.
    pub fn inodes(&self) -> impl Iterator<Item = usize> {
        self.view.values().copied()
    }

    pub fn link(&mut self, path: &Path, inode: usize) {
        self.change(Change { unlink: None, link: Some((path.to_path_buf(), inode)) });
    }

    pub fn unlink(&mut self, path: &Path) {
        self.change(Change { unlink: Some(path.to_path_buf()), link: None });
    }

    pub fn rename(&mut self, from: &Path, to: &Path, inode: usize) {
        self.change(Change { unlink: Some(from.to_path_buf()), link: Some((to.to_path_buf(), inode)) });
    }

    pub fn sync(&mut self, dir: &Path) {
        self.keep(dir, usize::MAX);
    }

    /// Some of the folder's changes, in order, are on the disk, and the system believes that all are.
    pub fn fail_sync(&mut self, dir: &Path, random: &mut Random) {
        let count = self.changes.iter().filter(|change| change.dir() == Some(dir)).count();
        self.keep(dir, random.below(count as u64 + 1) as usize);
    }

    pub fn power_cut(&mut self, survival: Survival, random: &mut Random) {
        while let Some(dir) = self.changes.first().and_then(Change::dir).map(Path::to_path_buf) {
            match survival {
                Survival::Everything => self.sync(&dir),
                Survival::Nothing => self.keep(&dir, 0),
                Survival::Some(_) => self.fail_sync(&dir, random),
            }
        }
        self.view.clone_from(&self.disk);
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.view);
        self.changes.push(change);
    }

    /// Brings the first changes of a folder to the disk and forgets the others.
    fn keep(&mut self, dir: &Path, count: usize) {
        let (here, elsewhere): (Vec<_>, _) =
            std::mem::take(&mut self.changes).into_iter().partition(|change| change.dir() == Some(dir));
        self.changes = elsewhere;
        here.iter().take(count).for_each(|change| change.apply(&mut self.disk));
    }
}

impl Change {
    /// The folder it is made in; a rename stays within one.
    fn dir(&self) -> Option<&Path> {
        self.link.as_ref().map(|(path, _)| path).or(self.unlink.as_ref())?.parent()
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        if let Some(path) = &self.unlink {
            names.remove(path);
        }
        if let Some((path, inode)) = &self.link {
            names.insert(path.clone(), *inode);
        }
    }
}
