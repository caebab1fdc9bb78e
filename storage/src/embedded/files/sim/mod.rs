//! A disk in memory, for tests: it keeps apart what was written and what is safe, and so can lose power.
//!
//! What is written is seen at once by whoever reads, and is on the disk only after a sync. A power cut decides for
//! each 512-byte sector on its own which of the versions since the last sync is there, so that unsynced writes are
//! kept, lost, reordered and torn; for each folder, how many of its unsynced creations, renames and removals, in
//! order, are there. After a failed sync some of the bytes are on the disk and the others never will be, even though
//! reads still give them and later syncs succeed: that is what Linux does. Folders themselves are always safe.

mod fault;
mod inode;
mod names;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use fault::Fault;
use fault::{Call, Plan, Verdict};
use inode::Inode;
use names::Names;
use parking_lot::Mutex;

use super::{File, Files, Lock};

/// What a power cut leaves of the bytes and names that were not synced.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Survival {
    /// All of them.
    Everything,
    /// None of them.
    Nothing,
    /// For each sector and folder something between, chosen by this seed.
    Some(u64),
}

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct SimFiles {
    disk: Arc<Mutex<DiskState>>,
}

#[derive(Clone, Debug)]
struct DiskState {
    inodes: Vec<Inode>,
    names: Names,
    dirs: BTreeSet<PathBuf>,
    locks: BTreeMap<PathBuf, (u64, String)>,
    plan: Plan,
    random: Random,
    /// Counts the lives of the process: handles and locks of an earlier one are dead.
    life: u64,
}

#[derive(Debug)]
struct SimFile {
    disk: Arc<Mutex<DiskState>>,
    inode: usize,
    life: u64,
}

#[derive(Debug)]
struct SimLock {
    disk: Arc<Mutex<DiskState>>,
    path: PathBuf,
    life: u64,
}

impl SimFiles {
    /// An empty disk. The seed decides what a failed sync or a write cut short leaves behind.
    pub fn new(seed: u64) -> Self {
        let disk = DiskState {
            inodes: Vec::new(),
            names: Names::default(),
            dirs: BTreeSet::new(),
            locks: BTreeMap::new(),
            plan: Plan::default(),
            random: Random(seed),
            life: 0,
        };
        Self { disk: Arc::new(Mutex::new(disk)) }
    }

    /// Another disk with the same content, which goes its own way from here.
    pub fn fork(&self) -> Self {
        let mut disk = self.disk.lock().clone();
        disk.end_process();
        Self { disk: Arc::new(Mutex::new(disk)) }
    }

    /// Lets a fault happen; see [`Fault`]. Faults add up until [`heal`](Self::heal).
    pub fn inject(&self, fault: Fault) {
        let mut disk = self.disk.lock();
        let used = disk.used();
        disk.plan.add(fault, used);
    }

    /// Takes all faults away.
    pub fn heal(&self) {
        self.disk.lock().plan.clear();
    }

    /// How many calls that change something or sync were made so far: what `nth` in [`Fault`] counts.
    pub fn calls(&self) -> u64 {
        self.disk.lock().plan.calls()
    }

    /// The process dies: its handles are dead and its locks free, and the system keeps every byte it was given.
    pub fn kill(&self) {
        self.disk.lock().end_process();
    }

    /// The power goes: as [`kill`](Self::kill), and of what was not synced only that survives which `survival` says.
    /// Faults are taken away.
    pub fn power_cut(&self, survival: Survival) {
        let mut disk = self.disk.lock();
        disk.end_process();
        disk.plan.clear();
        let mut random = Random(match survival {
            Survival::Some(seed) => seed,
            Survival::Everything | Survival::Nothing => 0,
        });
        disk.names.power_cut(survival, &mut random);
        for inode in &mut disk.inodes {
            inode.power_cut(survival, &mut random);
        }
    }

    /// Changes a file's bytes behind everyone's back, as a failing disk or a wrong hand would; what the file holds
    /// then is safe. Fails where there is no such file.
    pub fn edit(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        let mut disk = self.disk.lock();
        let inode = disk.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        disk.inodes[inode].edit(change);
        Ok(())
    }

    /// What a file holds, as a read would see it.
    pub fn bytes(&self, path: &Path) -> io::Result<Vec<u8>> {
        let disk = self.disk.lock();
        let inode = disk.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(disk.inodes[inode].bytes().to_vec())
    }
}

impl DiskState {
    /// Counts a call, and fails it if that is its lot.
    fn enter(&mut self, call: Call) -> io::Result<Verdict> {
        self.plan.enter(call)
    }

    /// Bytes in all files that have a name.
    fn used(&self) -> u64 {
        self.names.inodes().map(|inode| self.inodes[inode].bytes().len() as u64).sum()
    }

    fn end_process(&mut self) {
        self.life += 1;
        self.locks.clear();
    }

    /// Fails where growing a file to `length` bytes would fill the disk.
    fn make_room(&self, inode: usize, length: u64) -> io::Result<()> {
        let grown = length.saturating_sub(self.inodes[inode].bytes().len() as u64);
        if grown > self.plan.room(self.used()) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl SimFiles {
    fn handle(&self, inode: usize, life: u64) -> Arc<dyn File> {
        Arc::new(SimFile { disk: Arc::clone(&self.disk), inode, life })
    }
}

impl Files for SimFiles {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut disk = self.disk.lock();
        if disk.names.get(path).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if !path.parent().is_some_and(|dir| disk.dirs.contains(dir)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        disk.enter(Call::Name)?;
        disk.inodes.push(Inode::default());
        let inode = disk.inodes.len() - 1;
        disk.names.link(path, inode);
        Ok(self.handle(inode, disk.life))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let disk = self.disk.lock();
        let inode = disk.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(self.handle(inode, disk.life))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let disk = self.disk.lock();
        if !disk.dirs.contains(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let below = disk.dirs.iter().filter(|path| path.parent() == Some(dir));
        let names = disk.names.list(dir).chain(below.map(PathBuf::as_path));
        Ok(names.filter_map(|path| path.file_name()?.to_str().map(str::to_owned)).collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        let inode = disk.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        disk.enter(Call::Name)?;
        disk.names.rename(from, to, inode);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        disk.enter(Call::Name)?;
        disk.names.unlink(path);
        Ok(())
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.disk.lock().dirs.extend(dir.ancestors().map(Path::to_path_buf));
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let disk = &mut *self.disk.lock();
        match disk.enter(Call::Sync)? {
            Verdict::Go => disk.names.sync(dir),
            Verdict::Fail { .. } => {
                disk.names.fail_sync(dir, &mut disk.random);
                return Err(fault::broken());
            }
        }
        Ok(())
    }

    fn lock(&self, path: &Path, holder: &str) -> io::Result<Lock> {
        let mut disk = self.disk.lock();
        if let Some((_, other)) = disk.locks.get(path) {
            return Ok(Lock::Busy(other.clone()));
        }
        let life = disk.life;
        disk.locks.insert(path.to_path_buf(), (life, holder.to_owned()));
        Ok(Lock::Held(Box::new(SimLock { disk: Arc::clone(&self.disk), path: path.to_path_buf(), life })))
    }
}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut disk = self.disk.lock();
        if disk.locks.get(&self.path).is_some_and(|(life, _)| *life == self.life) {
            disk.locks.remove(&self.path);
        }
    }
}

impl SimFile {
    /// The disk, for a handle whose process still lives.
    fn alive(&self) -> io::Result<parking_lot::MutexGuard<'_, DiskState>> {
        let disk = self.disk.lock();
        if disk.life == self.life { Ok(disk) } else { Err(fault::broken()) }
    }
}

impl File for SimFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(self.alive()?.inodes[self.inode].read(buf, offset))
    }

    fn write_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        let disk = &mut *self.alive()?;
        let mut bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        let verdict = disk.enter(Call::Write)?;
        if let Verdict::Fail { partly } = verdict {
            let kept = if partly { disk.random.below(bytes.len() as u64 + 1) as usize } else { 0 };
            disk.inodes[self.inode].write(&bytes[..kept], offset);
            return Err(fault::broken());
        }
        bytes.truncate(disk.plan.longest_write());
        let end = disk.inodes[self.inode].bytes().len() as u64 + disk.plan.room(disk.used());
        let fits = end.saturating_sub(offset).min(bytes.len() as u64) as usize;
        if fits == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        disk.inodes[self.inode].write(&bytes[..fits], offset);
        Ok(fits)
    }

    fn sync(&self) -> io::Result<()> {
        let disk = &mut *self.alive()?;
        match disk.enter(Call::Sync)? {
            Verdict::Go => disk.inodes[self.inode].sync(),
            Verdict::Fail { .. } => {
                disk.inodes[self.inode].fail_sync(&mut disk.random);
                return Err(fault::broken());
            }
        }
        Ok(())
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        let mut disk = self.alive()?;
        disk.enter(Call::Write)?.or_broken()?;
        disk.make_room(self.inode, bytes)?;
        disk.inodes[self.inode].set_len(bytes as usize);
        Ok(())
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        self.set_len(bytes)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.alive()?.inodes[self.inode].bytes().len() as u64)
    }
}

/// Numbers that look random and follow from a seed (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct Random(pub u64);

impl Random {
    /// Any number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `bound` - 1; 0 where the bound is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}
