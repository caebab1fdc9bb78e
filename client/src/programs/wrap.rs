//! Lines as a terminal shows them: how wide they are, and where they are to be broken.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// What begins the further rows of a line: below the text, beside the column of the times.
const INDENT: &str = "       ";

/// Breaks each line of `text` between words, so that no row is wider than `columns` but for a word that is: such a one is
/// left to the terminal, from which it can then be copied whole. Escape sequences of colours take no room.
pub fn wrapped(text: &str, columns: usize) -> String {
    if columns <= 2 * INDENT.len() {
        return text.to_owned();
    }
    let lines: Vec<_> = text.split('\n').map(|line| wrapped_line(line, columns)).collect();
    lines.join("\n")
}

fn wrapped_line(line: &str, columns: usize) -> String {
    let (mut rows, mut at) = (String::new(), 0);
    for piece in line.split_inclusive(' ') {
        let word = shown(piece.trim_end_matches(' '));
        let broken = at > INDENT.len() && at + word > columns && INDENT.len() + word <= columns;
        if broken {
            rows.truncate(rows.trim_end_matches(' ').len());
            rows = rows + "\n" + INDENT;
            at = INDENT.len();
        }
        rows += piece;
        at += word;
        if at > columns {
            // The terminal broke it.
            at %= columns;
        }
        at += shown(piece) - word;
    }
    rows
}

/// The columns that `text` takes, without escape sequences.
fn shown(text: &str) -> usize {
    let mut parts = text.split("\x1b[");
    let first = parts.next().map_or(0, |part| part.width());
    let rest = parts
        .map(|part| part.split_once(|c: char| c.is_ascii_alphabetic()).map_or(0, |(_, text)| text.width()));
    first + rest.sum::<usize>()
}

/// The row, counted from 0, in which the cursor stands after a line editor has shown `text` from the first column on.
pub fn last_row(text: &str, columns: usize) -> usize {
    let (mut row, mut column) = (0, 0);
    for width in text.chars().map(|c| c.width().unwrap_or(0)) {
        column += width;
        if column > columns {
            (row, column) = (row + 1, width);
        }
    }
    if column == columns { row + 1 } else { row }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, columns: usize, rows: &[&str]) {
        assert_eq!(wrapped(text, columns).split('\n').collect::<Vec<_>>(), rows);
    }

    #[test]
    fn a_line_is_broken_between_words_and_goes_on_below_the_text() {
        check("14:03  bob: it rains all day", 20, &["14:03  bob: it rains", "       all day"]);
        check("14:03  bob: it rained all day", 20, &["14:03  bob: it", "       rained all", "       day"]);
        check("short", 20, &["short"]);
        check("14:03  bob: two\n       lines", 20, &["14:03  bob: two", "       lines"]);
    }

    #[test]
    fn colours_take_no_room_and_wide_characters_take_two() {
        check(
            "\x1b[2m14:03\x1b[0m  \x1b[1;36mbob\x1b[0m: it rains",
            20,
            &["\x1b[2m14:03\x1b[0m  \x1b[1;36mbob\x1b[0m: it rains"],
        );
        check("14:03  bob: 雨 雨 雨 雨 雨", 20, &["14:03  bob: 雨 雨 雨", "       雨 雨"]);
    }

    #[test]
    fn a_word_that_fits_in_no_row_is_left_whole() {
        let word = "https://example.org/a/long/way";
        check(&format!("14:03  bob: {word} see"), 20, &[&format!("14:03  bob: {word} see")]);
        check("14:03  bob: ", 20, &["14:03  bob: "]);
        check("a narrow terminal", 10, &["a narrow terminal"]);
    }

    #[test]
    fn no_row_is_wider_than_the_terminal_and_no_word_is_lost() {
        let text = "14:03  bob: the quick brown fox jumps over the lazy dog, grüße 👋 雨";
        for columns in 15..80 {
            let rows = wrapped(text, columns);
            assert!(rows.split('\n').all(|row| row.width() <= columns), "{columns}: {rows}");
            assert_eq!(
                rows.split_whitespace().collect::<Vec<_>>(),
                text.split_whitespace().collect::<Vec<_>>()
            );
        }
    }

    #[test]
    fn the_last_row_is_where_an_editor_leaves_the_cursor() {
        for (text, row) in
            [("", 0), ("abc", 0), ("abcd", 1), ("abcde", 1), ("abc雨", 1), ("雨雨", 1), ("雨雨雨雨a", 2)]
        {
            assert_eq!(last_row(text, 4), row, "{text}");
        }
    }
}
