//! Strict JSON, read so that every value knows where it stands.

use jsonc_parser::ast::Value as Node;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::mistake::Wrong;

/// JSON as every other program reads it: none of the parser's conveniences.
const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// Reads `text`; the parser bounds the depth itself.
///
/// # Errors
/// The byte offset of the first thing that is not JSON, and what it is.
pub(super) fn parse(text: &str) -> Result<Node<'_>, (usize, Wrong)> {
    let parsed = parse_to_ast(text, &CollectOptions::default(), &STRICT).map_err(|error| {
        let what = error.kind().to_string();
        (error.range().start, Wrong::new(format!("is not JSON: {}", lower_first(&what)), "correct it"))
    })?;
    parsed.value.ok_or_else(|| (0, Wrong::new("is empty", "write {} where every default will do")))
}

/// Line and column of the byte `offset`, both from 1; the column counts characters.
pub(super) fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_json_does_not_allow_is_refused_where_it_stands() {
        for (text, offset) in [
            ("", 0),
            (" // note\n{}", 1),
            (r#"{"a":1,}"#, 6),
            (r#"{"a":1 "b":2}"#, 6),
            (r#"{a:1}"#, 1),
            (r#"{'a':1}"#, 1),
            (r#"{"a":+1}"#, 5),
            (r#"{"a":0x1}"#, 5),
            (r#"{"a":NaN}"#, 5),
            ("{} {}", 3),
            (r#"{"a":"#, 5),
        ] {
            match parse(text) {
                Err((at, _)) => assert_eq!(at, offset, "{text}"),
                Ok(node) => panic!("{text} was read as {node:?}"),
            }
        }
    }

    #[test]
    fn deep_nesting_is_refused_without_exhausting_the_stack() {
        for open in ["[", "{\"a\":"] {
            let (_, wrong) = parse(&open.repeat(1_000_000)).unwrap_err();
            assert_eq!(wrong.wrong, "is not JSON: maximum nesting depth exceeded");
        }
    }

    #[test]
    fn columns_count_characters() {
        assert_eq!(line_and_column("{\n \"ä\": x", 9), (2, 7));
        assert_eq!(line_and_column("", 0), (1, 1));
    }
}
