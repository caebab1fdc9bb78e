//! One file's bytes: what is read, what is on the disk, and what may come to be there.

use std::collections::BTreeMap;

use super::{Random, Survival};

/// What a disk writes whole or not at all, in bytes.
const SECTOR: usize = 512;

/// A file. Its length is a thing that may be lost, as its sectors are.
#[derive(Clone, Debug, Default)]
pub(super) struct Inode {
    /// What reads see.
    view: Vec<u8>,
    /// What is safe.
    disk: Vec<u8>,
    /// For each sector that was written since the last sync: what it held after each write.
    sectors: BTreeMap<usize, Vec<Vec<u8>>>,
    /// The lengths since the last sync.
    lengths: Vec<usize>,
}

impl Inode {
    pub fn bytes(&self) -> &[u8] {
        &self.view
    }

    pub fn read(&self, buf: &mut [u8], offset: u64) -> usize {
        let from = (offset as usize).min(self.view.len());
        let bytes = &self.view[from..];
        let count = bytes.len().min(buf.len());
        buf[..count].copy_from_slice(&bytes[..count]);
        count
    }

    pub fn write(&mut self, bytes: &[u8], offset: u64) {
        if bytes.is_empty() {
            return;
        }
        let from = offset as usize;
        let to = from + bytes.len();
        if to > self.view.len() {
            self.set_len(to);
        }
        self.view[from..to].copy_from_slice(bytes);
        self.note(from, to);
    }

    pub fn set_len(&mut self, length: usize) {
        let before = self.view.len();
        self.view.resize(length, 0);
        self.lengths.push(length);
        self.note(before.min(length.saturating_sub(1)), length);
    }

    pub fn edit(&mut self, change: impl FnOnce(&mut Vec<u8>)) {
        change(&mut self.view);
        self.disk.clone_from(&self.view);
        self.forget();
    }

    /// Brings to the disk what was written since the last sync, and no more: what a failed sync lost stays lost.
    pub fn sync(&mut self) {
        self.persist(Survival::Everything, &mut Random(0));
    }

    /// Some of what was written is on the disk, and the system believes that all of it is.
    pub fn fail_sync(&mut self, random: &mut Random) {
        self.persist(Survival::Some(0), random);
    }

    pub fn power_cut(&mut self, survival: Survival, random: &mut Random) {
        self.persist(survival, random);
        self.view.clone_from(&self.disk);
    }

    /// Brings to the disk what survives.
    fn persist(&mut self, survival: Survival, random: &mut Random) {
        let lengths = std::mem::take(&mut self.lengths);
        if let Some(length) = pick(&lengths, survival, random) {
            self.disk.resize(*length, 0);
        }
        for (sector, versions) in std::mem::take(&mut self.sectors) {
            let from = sector * SECTOR;
            if let Some(version) = pick(&versions, survival, random).filter(|_| from < self.disk.len()) {
                let count = version.len().min(self.disk.len() - from);
                self.disk[from..from + count].copy_from_slice(&version[..count]);
            }
        }
    }

    fn forget(&mut self) {
        self.sectors.clear();
        self.lengths.clear();
    }

    /// Notes what the sectors of a range hold now.
    fn note(&mut self, from: usize, to: usize) {
        if from >= to {
            return;
        }
        for sector in from / SECTOR..=(to - 1) / SECTOR {
            let begin = sector * SECTOR;
            let end = (begin + SECTOR).min(self.view.len());
            self.sectors.entry(sector).or_default().push(self.view[begin..end].to_vec());
        }
    }
}

/// Which of the versions since the last sync is on the disk; `None` for the one from before.
fn pick<'a, T>(versions: &'a [T], survival: Survival, random: &mut Random) -> Option<&'a T> {
    match survival {
        Survival::Everything => versions.last(),
        Survival::Nothing => None,
        Survival::Some(_) => match random.below(versions.len() as u64 + 1) {
            0 => None,
            n => versions.get(n as usize - 1),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(bytes: &[u8]) -> Inode {
        let mut inode = Inode::default();
        inode.write(bytes, 0);
        inode
    }

    #[test]
    fn synced_bytes_survive_and_others_need_not() {
        let mut inode = written(b"safe");
        inode.sync();
        inode.write(b"lost", 0);
        inode.power_cut(Survival::Nothing, &mut Random(1));
        assert_eq!(inode.bytes(), b"safe");
    }

    #[test]
    fn sectors_survive_each_on_its_own() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..64 {
            let mut inode = written(&[0; 2 * SECTOR]);
            inode.sync();
            inode.write(&[1; 2 * SECTOR], 0);
            inode.power_cut(Survival::Some(seed), &mut Random(seed));
            let bytes = inode.bytes();
            assert!(bytes[..SECTOR].iter().all(|byte| *byte == bytes[0]), "a sector was torn");
            seen.insert((bytes[0], bytes[SECTOR]));
        }
        assert_eq!(seen.len(), 4, "{seen:?}");
    }

    #[test]
    fn after_a_failed_sync_a_good_one_proves_nothing() {
        let lost = (0..64).any(|seed| {
            let mut inode = written(b"old");
            inode.sync();
            inode.write(b"new", 0);
            inode.fail_sync(&mut Random(seed));
            assert_eq!(inode.bytes(), b"new");
            inode.sync();
            inode.power_cut(Survival::Everything, &mut Random(seed));
            inode.bytes() == b"old"
        });
        assert!(lost);
    }
}
