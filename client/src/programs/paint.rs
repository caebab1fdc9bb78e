//! Colours and marks, where the terminal shows them.

use std::env;

/// What a terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint {
    /// Escape sequences for colours.
    pub colours: bool,
    /// Characters beyond ASCII.
    pub unicode: bool,
}

impl Paint {
    /// What this process's standard output shows; `terminal`: whether it is one.
    pub fn of_environment(terminal: bool) -> Self {
        let set = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let dumb = set("TERM").is_none_or(|term| term == "dumb");
        let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG")).unwrap_or_default();
        let locale = locale.to_ascii_lowercase();
        Self {
            colours: terminal && !dumb && set("NO_COLOR").is_none(),
            unicode: locale.contains("utf-8") || locale.contains("utf8"),
        }
    }

    fn code(self, code: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Of lesser weight: times, notes.
    pub fn dim(self, text: &str) -> String {
        self.code("2", text)
    }

    /// Somebody's name: always the same colour for the same name.
    pub fn name(self, name: &str) -> String {
        const COLOURS: [&str; 6] = ["1;36", "1;33", "1;35", "1;34", "1;32", "1;31"];
        let sum = name.bytes().fold(0usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        self.code(COLOURS[sum % COLOURS.len()], name)
    }

    /// One's own name.
    pub fn own_name(self, name: &str) -> String {
        self.code("1", name)
    }

    /// Something went wrong.
    pub fn warning(self, text: &str) -> String {
        self.code("31", text)
    }

    /// The mark of what is on disk.
    pub fn stored(self) -> &'static str {
        if self.unicode { "✓" } else { "(sent)" }
    }

    /// The mark of what the other side has, or has read.
    pub fn received(self) -> &'static str {
        if self.unicode { "✓✓" } else { "(->)" }
    }
}

/// Makes a text that somebody else wrote safe to show: nothing in it can move the cursor, or turn the direction of
/// writing of what stands around it.
pub fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => '\u{FFFD}',
            c if c.is_control() => '\u{FFFD}',
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_write_cannot_move_the_cursor() {
        assert_eq!(harmless("a\x1b[2Jb\u{202E}c\rd\ne\u{9b}"), "a\u{FFFD}[2Jb\u{FFFD}c\u{FFFD}d\ne\u{FFFD}");
        assert_eq!(harmless("grüße 👋"), "grüße 👋");
    }

    #[test]
    fn without_colours_nothing_is_added() {
        let plain = Paint { colours: false, unicode: false };
        assert_eq!(plain.name("bob") + &plain.dim("x") + plain.stored(), "bobx(sent)");
        let coloured = Paint { colours: true, unicode: true };
        assert_eq!(coloured.dim("x"), "\x1b[2mx\x1b[0m");
    }
}
