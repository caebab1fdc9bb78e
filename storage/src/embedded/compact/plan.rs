//! Which files are compacted next: plain code.

use std::ops::Range;

/// A file of the log, in the order of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    /// Bytes on disk.
    pub bytes: u64,
    /// Bytes that it would have once compacted, as far as can be told.
    pub needed: u64,
    /// Nothing is appended to it any more.
    pub is_sealed: bool,
    /// It is compacted already.
    pub is_compacted: bool,
}

/// So many files become one at most.
const AT_ONCE: usize = 8;

impl Size {
    /// Whether at least half of it is dead, and enough that it is worth the work.
    fn is_worth_it(&self, segment_bytes: u64) -> bool {
        self.is_sealed && self.needed <= self.bytes / 2 && self.bytes - self.needed >= segment_bytes / 64
    }

    /// Whether it is compacted and small enough to become part of its neighbour, so that their number stays small.
    fn is_crumb(&self, segment_bytes: u64) -> bool {
        self.is_compacted && self.is_sealed && self.needed <= segment_bytes / 4
    }
}

/// The files to be compacted into one, none if there is nothing to be gained: the oldest that is mostly dead, with those
/// beside it that are mostly dead too or crumbs of earlier rounds, as long as they become no more than a segment.
pub(super) fn next_run(files: &[Size], segment_bytes: u64) -> Option<Range<usize>> {
    let first = files.iter().position(|file| file.is_worth_it(segment_bytes))?;
    let mut run = first..first + 1;
    let mut needed = files[first].needed;
    let fits = |needed: u64, run: &Range<usize>| needed <= segment_bytes && run.len() < AT_ONCE;
    while let Some(file) = run.start.checked_sub(1).map(|at| files[at])
        && file.is_crumb(segment_bytes)
        && fits(needed + file.needed, &run)
    {
        needed += file.needed;
        run.start -= 1;
    }
    while let Some(file) = files.get(run.end)
        && (file.is_worth_it(segment_bytes) || file.is_crumb(segment_bytes))
        && fits(needed + file.needed, &run)
    {
        needed += file.needed;
        run.end += 1;
    }
    Some(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: u64 = 64_000;

    fn plain(needed: u64) -> Size {
        Size { bytes: SEGMENT, needed, is_sealed: true, is_compacted: false }
    }

    fn compacted(bytes: u64) -> Size {
        Size { bytes, needed: bytes, is_sealed: true, is_compacted: true }
    }

    const CURRENT: Size = Size { bytes: SEGMENT, needed: 0, is_sealed: false, is_compacted: false };

    #[test]
    fn only_what_is_mostly_dead_is_compacted_and_never_what_is_in_use() {
        assert_eq!(next_run(&[], SEGMENT), None);
        assert_eq!(next_run(&[plain(40_000), plain(33_000), CURRENT], SEGMENT), None);
        assert_eq!(next_run(&[plain(40_000), plain(32_000), plain(50_000), CURRENT], SEGMENT), Some(1..2));
        assert_eq!(next_run(&[compacted(900), CURRENT], SEGMENT), None, "there is nothing to be gained");
        let dead_but_small = Size { needed: 0, ..compacted(900) };
        assert_eq!(next_run(&[dead_but_small, CURRENT], SEGMENT), None);
    }

    #[test]
    fn neighbours_that_are_mostly_dead_and_crumbs_become_one() {
        let files = [
            compacted(20_000),
            compacted(3_000),
            plain(2_000),
            compacted(1_000),
            plain(30_000),
            plain(0),
            CURRENT,
        ];
        assert_eq!(next_run(&files, SEGMENT), Some(1..6));
        assert_eq!(
            next_run(&[plain(0), compacted(17_000), plain(0)], SEGMENT),
            Some(0..1),
            "a large one stays"
        );
    }

    #[test]
    fn no_more_becomes_one_than_a_segment_or_a_few_files() {
        assert_eq!(next_run(&[plain(30_000); 4], SEGMENT), Some(0..2));
        assert_eq!(next_run(&[plain(0); 40], SEGMENT), Some(0..8));
        assert_eq!(next_run(&[&[compacted(100); 20][..], &[plain(0)]].concat(), SEGMENT), Some(13..21));
    }
}
