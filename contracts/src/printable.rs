//! Text of others as it may be printed: on a terminal, in a log, on a page.
//!
//! A sender's text may hold what moves a cursor, rings a bell, colours what follows, turns the direction of
//! reading around, or does not show at all. Such characters are written out as in JSON, `\u001b`, so that
//! printed JSON stays the same JSON.

/// The text with every such character written out.
#[must_use]
pub fn printable(text: &str) -> String {
    escaped(text, usize::MAX, |_| false)
}

/// The same for a text of several lines, which stay lines.
#[must_use]
pub fn printable_lines(text: &str) -> String {
    escaped(text, usize::MAX, |c| c == '\n')
}

/// The same, no longer than so many characters as shown; `…` stands where it was cut.
#[must_use]
pub fn printable_within(text: &str, max_chars: usize) -> String {
    escaped(text, max_chars, |_| false)
}

/// The same for a name that is to be told from every other: a backslash of its own is doubled.
#[must_use]
pub fn printable_name(text: &str) -> String {
    printable(&text.replace('\\', "\\\\"))
}

fn escaped(text: &str, max_chars: usize, is_kept: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut left = max_chars;
    for c in text.chars() {
        let is_escaped = is_hidden(c) && !is_kept(c);
        let chars = if is_escaped { c.len_utf16() * "\\u0000".len() } else { 1 };
        let Some(after) = left.checked_sub(chars) else {
            shown.push('…');
            break;
        };
        left = after;
        if is_escaped {
            for unit in c.encode_utf16(&mut [0; 2]) {
                shown += &format!("\\u{unit:04x}");
            }
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Whether a character does something else than to show itself: controls, marks of direction, ends of lines,
/// blanks that look like others, and whatever takes no room.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(c,
            // Soft hyphen, Arabic letter mark, Mongolian vowel separator, fillers that take no room.
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            // Zero width, direction marks; embeddings, overrides; joiners; isolates and deprecated formats.
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_written_out() {
        assert_eq!(printable("\u{1b}[2J\u{7}\u{9b}31m"), "\\u001b[2J\\u0007\\u009b31m");
        assert_eq!(printable("a\r\nb\t"), "a\\u000d\\u000ab\\u0009");
        assert_eq!(printable("abc\u{202e}gpj.exe\u{2066}"), "abc\\u202egpj.exe\\u2066");
        assert_eq!(printable("a\u{200b}b\u{a0}c\u{feff}\u{e0041}"), "a\\u200bb\\u00a0c\\ufeff\\udb40\\udc41");
        assert_eq!(printable_lines("a\r\n\u{2066}b"), "a\\u000d\n\\u2066b");
    }

    #[test]
    fn what_shows_itself_stays() {
        for text in ["Zürich – 5€, 東京 👍", "file:acme", "2/1234#9c1f", "مثال", "a\\b"] {
            assert_eq!(printable(text), text);
        }
    }

    #[test]
    fn printed_json_is_the_same_json() {
        let json = serde_json::to_string(&"x\u{9b}\u{202e}\u{1b}\u{e0041}").unwrap();
        assert_eq!(
            serde_json::from_str::<String>(&printable(&json)).unwrap(),
            "x\u{9b}\u{202e}\u{1b}\u{e0041}"
        );
    }

    #[test]
    fn a_long_text_is_cut_where_it_says_so() {
        assert_eq!(printable_within("abcdef", 3), "abc…");
        assert_eq!(printable_within("abc", 3), "abc");
        assert_eq!(printable_within("a\u{1b}b", 6), "a…");
    }

    #[test]
    fn a_written_escape_is_told_from_a_character() {
        assert_ne!(printable_name("\\u202e"), printable_name("\u{202e}"));
    }

    proptest! {
        #[test]
        fn nothing_hidden_is_left_and_no_two_names_look_alike(
            a in any::<String>(), b in any::<String>(), max_chars in 0_usize..50,
        ) {
            prop_assert!(!printable_name(&a).chars().any(is_hidden));
            prop_assert_eq!(a == b, printable_name(&a) == printable_name(&b));
            let cut = printable_within(&a, max_chars);
            prop_assert!(!cut.chars().any(is_hidden));
            prop_assert!(cut.chars().count() <= max_chars + 1);
        }
    }
}
