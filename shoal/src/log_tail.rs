//! The last words of a process: the end of what it wrote.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// How much of the end of a file is read, in bytes.
const WINDOW: u64 = 16 * 1024;

/// The longest line that is shown, in characters.
const LINE_LIMIT: usize = 400;

/// The last `count` lines that are not empty, of what `file` holds from byte `since` on. A file that is shorter than
/// that was rotated since: then of all that it holds. Nothing where the file cannot be read.
pub fn last_lines(file: &Path, since: u64, count: usize) -> Vec<String> {
    let Some(text) = end_of(file, since) else { return Vec::new() };
    let mut lines: Vec<_> =
        text.lines().rev().filter(|line| !line.trim().is_empty()).take(count).map(cut).collect();
    lines.reverse();
    lines
}

/// How long `file` is now, in bytes; 0 where it is not there.
pub fn length(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |metadata| metadata.len())
}

fn end_of(file: &Path, since: u64) -> Option<String> {
    let mut file = File::open(file).ok()?;
    let length = file.metadata().ok()?.len();
    let since = if since > length { 0 } else { since };
    file.seek(SeekFrom::Start(since.max(length.saturating_sub(WINDOW)))).ok()?;
    let mut bytes = Vec::new();
    file.take(WINDOW).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Control characters would let a log line write over the screen.
fn cut(line: &str) -> String {
    line.chars().filter(|c| !c.is_control()).take(LINE_LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_written_since_the_start_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.log");
        assert!(last_lines(&file, 0, 3).is_empty());
        std::fs::write(&file, "old\n").unwrap();
        let since = length(&file);
        std::fs::write(&file, "old\na\n\nb\x1b[2Jx\nc\nd").unwrap();
        assert_eq!(last_lines(&file, since, 3), ["b[2Jx", "c", "d"]);
        assert_eq!(last_lines(&file, since, 9), ["a", "b[2Jx", "c", "d"]);
    }

    #[test]
    fn a_rotated_file_is_read_from_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.log");
        std::fs::write(&file, "new\n").unwrap();
        assert_eq!(last_lines(&file, 1_000_000, 3), ["new"]);
    }

    #[test]
    fn of_a_large_file_only_the_end_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.log");
        std::fs::write(&file, format!("{}\nlast", "x".repeat(1_000_000))).unwrap();
        let lines = last_lines(&file, 0, 2);
        assert_eq!((lines[0].len(), lines[1].as_str()), (LINE_LIMIT, "last"));
    }
}
