//! Names that people cannot tell apart.

use std::borrow::Cow;

use unicode_normalization::{UnicodeNormalization, is_nfkc};
use unicode_security::confusable_detection::skeleton as uts39;

use crate::ids::UserId;

/// The one form of a name that is typed in several ways: Unicode normalisation form KC (UAX #15). Applied once, where a
/// newer client's name comes in; an old client's name is taken byte for byte.
pub fn normalised(name: &str) -> Cow<'_, str> {
    if is_nfkc(name) { Cow::Borrowed(name) } else { Cow::Owned(name.nfkc().collect()) }
}

/// What names have in common that look alike: the skeleton of Unicode Technical Standard #39, section 4, taken before
/// and after lower case, so that `Amy` stands for `amy` as well. For comparing only, never for showing.
pub fn skeleton(user: &UserId) -> String {
    let lower: String = uts39(user.as_str()).flat_map(char::to_lowercase).collect();
    uts39(&lower).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alike(one: &str, other: &str) -> bool {
        skeleton(&UserId::new(one).unwrap()) == skeleton(&UserId::new(other).unwrap())
    }

    #[test]
    fn names_that_look_alike_have_one_skeleton() {
        for (one, other) in [
            ("amy", "аmy"),
            ("amy", "Amy"),
            ("paypal", "pаypаl"),
            ("alan", "aIan"),
            ("rn", "m"),
            ("o0", "оO"),
        ] {
            assert!(alike(one, other), "{one} {other}");
        }
    }

    #[test]
    fn names_that_do_not_look_alike_have_different_skeletons() {
        for (one, other) in [("amy", "anny"), ("bob", "rob"), ("max1", "max2"), ("jürgen", "jurgen")] {
            assert!(!alike(one, other), "{one} {other}");
        }
    }

    #[test]
    fn a_name_typed_in_two_ways_is_one_name() {
        assert_eq!(normalised("ju\u{308}rgen"), "jürgen");
        assert_eq!(normalised("ａｍｙ"), "amy");
        assert!(matches!(normalised("amy"), Cow::Borrowed(_)));
    }
}
