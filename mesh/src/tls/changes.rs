//! When files that may be exchanged while a process runs are read again.

/// Decides, from what was seen of the files, whether they are to be read.
#[derive(Debug)]
pub(super) struct Changes<S> {
    /// What the files were when they were read last, whether that went well or not.
    read: S,
    /// What they were at the last look.
    seen: S,
}

impl<S: PartialEq + Clone> Changes<S> {
    /// Files that were just read as `stamps`.
    pub fn new(stamps: S) -> Self {
        Self { read: stamps.clone(), seen: stamps }
    }

    /// The files are `stamps` now. True if they are to be read: they changed since they were, and are the same for two
    /// looks; a certificate is rarely written at the same moment as its key.
    pub fn looked(&mut self, stamps: S) -> bool {
        let settled = self.seen == stamps;
        let changed = self.read != stamps;
        self.seen = stamps;
        if changed && settled {
            self.read = self.seen.clone();
        }
        changed && settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_once_after_they_changed_and_when_they_have_settled() {
        let mut changes = Changes::new((1, 1));
        let looks = [(1, 1), (2, 1), (2, 2), (2, 2), (2, 2), (2, 3), (2, 3)];
        let read = looks.map(|stamps| changes.looked(stamps));
        assert_eq!(read, [false, false, false, true, false, false, true]);
    }

    #[test]
    fn what_is_as_it_was_is_not_read() {
        let mut changes = Changes::new(1);
        assert_eq!([2, 1, 1].map(|stamp| changes.looked(stamp)), [false; 3]);
    }
}
