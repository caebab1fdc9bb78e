//! Which files make up a log, told by their names.
//!
//! | name | what it is |
//! | --- | --- |
//! | `00000005.log` | segment 5 |
//! | `00000001-00000004.00000002.log` | a compacted segment, which stands for segments 1 to 4; 2 is its own number |
//!
//! A compacted segment is complete before it gets its name, and what it stands for is removed after that. So where both
//! are there the newer one counts, and the other is superseded. Whatever number no file covers is missing.

use std::path::Path;

use super::LogError;
use super::segment::failed;
use crate::embedded::files::Files;

/// Added to the number of a compacted segment, so that it is no other's; none is ever given twice.
pub(super) const COMPACTED: u32 = 1 << 31;

/// What a file's name says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Name {
    /// What positions call it.
    pub number: u32,
    /// The first segment that it stands for: itself, unless it is compacted.
    pub first: u32,
    /// The last one.
    pub last: u32,
}

impl Name {
    /// A segment as it was written.
    pub fn plain(number: u32) -> Self {
        Self { number, first: number, last: number }
    }

    /// The compacted segment `own`, counted from 1, which stands for segments `first` to `last`.
    pub fn compacted(own: u32, first: u32, last: u32) -> Self {
        Self { number: own | COMPACTED, first, last }
    }

    pub fn is_compacted(&self) -> bool {
        self.number & COMPACTED != 0
    }

    /// The file's name.
    pub fn file(&self) -> String {
        match self.is_compacted() {
            false => format!("{:08}.log", self.number),
            true => format!("{:08}-{:08}.{:08}.log", self.first, self.last, self.number & !COMPACTED),
        }
    }

    /// What the name of a file says, if it is one of the log's.
    pub fn parse(file: &str) -> Option<Self> {
        let stem = file.strip_suffix(".log")?;
        let name = match stem.split_once('-') {
            None => Self::plain(stem.parse().ok()?),
            Some((first, rest)) => {
                let (last, own) = rest.split_once('.')?;
                Self::compacted(own.parse().ok()?, first.parse().ok()?, last.parse().ok()?)
            }
        };
        let is_sound = (1..COMPACTED).contains(&name.first) && name.first <= name.last && name.file() == file;
        is_sound.then_some(name)
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// The files of a log.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Layout {
    /// In order, without a gap.
    names: Vec<Name>,
    /// Those that a compacted segment stands for, and that are still there.
    superseded: Vec<Name>,
}

impl Layout {
    /// The layout of the files in a folder.
    pub fn read(files: &dyn Files, dir: &Path) -> Result<Self, LogError> {
        let names = files.list(dir).map_err(failed("cannot list", dir))?;
        Self::of(names.iter().filter_map(|name| Name::parse(name)).collect())
            .map_err(|missing| LogError::MissingSegment { file: dir.join(missing.file()) })
    }

    /// The layout of these files, or the first that is missing.
    fn of(mut found: Vec<Name>) -> Result<Self, Name> {
        // The newest compacted segment first, plain ones last.
        found.sort_unstable_by_key(|name| std::cmp::Reverse(name.number));
        let mut layout = Self::default();
        for name in found {
            let is_superseded = layout.names.iter().any(|newer| newer.overlaps(&name));
            if is_superseded { &mut layout.superseded } else { &mut layout.names }.push(name);
        }
        layout.names.sort_unstable_by_key(|name| name.first);
        let mut wanted = 1;
        for name in &layout.names {
            if name.first != wanted {
                return Err(Name::plain(wanted));
            }
            wanted = name.last + 1;
        }
        Ok(layout)
    }

    /// In the order of what they hold.
    pub fn names(&self) -> &[Name] {
        &self.names
    }

    /// The last segment's number; 0 where there is none.
    pub fn last(&self) -> u32 {
        self.names.last().map_or(0, |name| name.last)
    }

    /// The file that positions call so, be it superseded.
    pub fn find(&self, number: u32) -> Option<Name> {
        self.names.iter().chain(&self.superseded).find(|name| name.number == number).copied()
    }

    /// Where in the order the file stands that holds this segment.
    pub fn index_of(&self, segment: u32) -> Option<usize> {
        let at = self.names.partition_point(|name| name.last < segment);
        (at < self.names.len()).then_some(at)
    }

    /// A new segment at the end.
    pub fn push(&mut self, name: Name) {
        self.names.push(name);
    }

    /// Takes the segments after this one out.
    pub fn take_after(&mut self, last: u32) -> Vec<Name> {
        let at = self.names.partition_point(|name| name.last <= last);
        self.names.split_off(at)
    }

    /// The number, counted from 1, that the next compacted segment gets.
    pub fn next_compacted(&self) -> u32 {
        let all = self.names.iter().chain(&self.superseded);
        all.filter(|name| name.is_compacted()).map(|name| name.number & !COMPACTED).max().unwrap_or(0) + 1
    }

    /// A compacted segment stands for some of the others now.
    pub fn supersede(&mut self, by: Name) {
        let (inside, mut names): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.names).into_iter().partition(|name| name.overlaps(&by));
        let at = names.partition_point(|name| name.last < by.first);
        names.insert(at, by);
        self.names = names;
        self.superseded.extend(inside);
    }

    /// Whether all that a compacted segment stands for is still there.
    pub fn is_doubled(&self, compacted: &Name) -> bool {
        let is_there = |segment| self.superseded.iter().any(|name| name.overlaps(&Name::plain(segment)));
        (compacted.first..=compacted.last).all(is_there)
    }

    /// Takes out what compacted segments stand for.
    pub fn take_superseded(&mut self) -> Vec<Name> {
        std::mem::take(&mut self.superseded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(files: &[&str]) -> Result<Vec<String>, String> {
        let found = Layout::of(files.iter().map(|file| Name::parse(file).unwrap()).collect());
        found.map(|layout| layout.names.iter().map(Name::file).collect()).map_err(|missing| missing.file())
    }

    #[test]
    fn names_read_back_and_others_are_none() {
        for name in
            [Name::plain(1), Name::plain(123_456_789), Name::compacted(2, 1, 4), Name::compacted(9, 3, 3)]
        {
            assert_eq!(Name::parse(&name.file()), Some(name));
        }
        for none in
            ["1.log", "00000000.log", "00000001.log.new", "00000004-00000001.00000001.log", "LOCK", "-.log"]
        {
            assert_eq!(Name::parse(none), None, "{none}");
        }
    }

    #[test]
    fn the_newest_file_for_a_segment_counts() {
        let (one, all) = ("00000001-00000002.00000001.log", "00000001-00000003.00000002.log");
        assert_eq!(
            layout(&["00000002.log", "00000001.log"]),
            Ok(vec!["00000001.log".into(), "00000002.log".into()])
        );
        assert_eq!(layout(&["00000001.log", "00000002.log", "00000003.log", one, all]), Ok(vec![all.into()]));
        assert_eq!(layout(&["00000003.log", one]), Ok(vec![one.into(), "00000003.log".into()]));
    }

    #[test]
    fn a_segment_in_no_file_is_missing() {
        let one = "00000002-00000003.00000001.log";
        assert_eq!(layout(&["00000002.log"]), Err("00000001.log".into()));
        assert_eq!(layout(&["00000001.log", one, "00000005.log"]), Err("00000004.log".into()));
        assert_eq!(layout(&[]), Ok(vec![]));
    }

    #[test]
    fn a_compacted_segment_takes_the_place_of_what_it_stands_for() {
        let mut layout = Layout::of((1..=5).map(Name::plain).collect()).unwrap();
        let compacted = Name::compacted(layout.next_compacted(), 2, 4);
        layout.supersede(compacted);
        assert_eq!(layout.names, [Name::plain(1), compacted, Name::plain(5)]);
        assert!(layout.is_doubled(&compacted));
        assert_eq!((layout.index_of(3), layout.index_of(5), layout.index_of(6)), (Some(1), Some(2), None));
        layout.superseded.pop();
        assert!(!layout.is_doubled(&compacted));
        assert_eq!(layout.next_compacted(), 2);
    }
}
