//! Names that came from elsewhere, printed so that each character shows.
//!
//! Control characters are shown by their escape; so are characters that turn the direction of text, join or hide, and blanks that
//! look like others: with them one name could be shown as another.

use std::fmt::Write;

/// The text with what does not show written out, as in `\u{202e}`.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => shown.push_str("\\\\"),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            _ if is_hidden(c) => {
                let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
            }
            _ => shown.push(c),
        }
    }
    shown
}

fn is_hidden(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(c,
            // Soft hyphen, Arabic letter mark, Mongolian vowel separator, fillers that take no room.
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            // Zero width, direction marks; embeddings, overrides; joiners; isolates and deprecated formats.
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_names_stay_as_they_are() {
        for name in ["file:acme", "row 18", "shop.events.g1", "2/1234#9c1f", "Zürich 東京 مثال"] {
            assert_eq!(visible(name), name);
        }
    }

    #[test]
    fn what_does_not_show_is_written_out() {
        assert_eq!(visible("a\u{202e}gpj.exe"), "a\\u{202e}gpj.exe");
        assert_eq!(visible("a\0\u{1b}[31m\n"), "a\\u{0}\\u{1b}[31m\\n");
        assert_eq!(visible("a\u{200b}b\u{a0}c\u{feff}"), "a\\u{200b}b\\u{a0}c\\u{feff}");
        assert_eq!(visible("\u{2066}x\u{2069}"), "\\u{2066}x\\u{2069}");
    }

    #[test]
    fn a_written_escape_is_told_from_a_character() {
        assert_ne!(visible("\\u{202e}"), visible("\u{202e}"));
    }

    proptest! {
        #[test]
        fn nothing_hidden_is_left_and_no_two_names_look_alike(a in any::<String>(), b in any::<String>()) {
            prop_assert!(!visible(&a).chars().any(is_hidden));
            prop_assert_eq!(a == b, visible(&a) == visible(&b));
        }
    }
}
