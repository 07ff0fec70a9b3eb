//! Text of others as it may be printed: on a terminal, in a log, on a page.
//!
//! A sender's text may hold what moves a cursor, rings a bell, colours what follows or turns the direction of reading
//! around. Such characters are shown by their numbers.

/// The text with every such character as `\u{1b}`, and no longer than so many characters as shown; `…` stands where it was cut.
#[must_use]
pub fn printable(text: &str, max_chars: usize) -> String {
    let (mut shown, mut left) = (String::new(), max_chars);
    for character in text.chars() {
        let escaped = character.escape_unicode();
        let chars = if is_hidden(character) { escaped.len() } else { 1 };
        let Some(after) = left.checked_sub(chars) else {
            shown.push('…');
            break;
        };
        left = after;
        if is_hidden(character) {
            shown.extend(escaped);
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Controls, marks and overrides of direction, line and paragraph separators, characters without width, tags.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown_by_its_number() {
        assert_eq!(printable("\u{1b}[2J", 99), "\\u{1b}[2J");
        assert_eq!(printable("a\r\nb", 99), "a\\u{d}\\u{a}b");
        assert_eq!(printable("abc\u{202e}gpj.exe", 99), "abc\\u{202e}gpj.exe");
        assert_eq!(printable("Zürich, 東京 👍", 99), "Zürich, 東京 👍");
    }

    #[test]
    fn a_long_text_is_cut_where_it_says_so() {
        assert_eq!(printable("abcdef", 3), "abc…");
        assert_eq!(printable("abc", 3), "abc");
        assert_eq!(printable("a\u{1b}b", 6), "a…");
    }

    proptest! {
        #[test]
        fn nothing_hidden_is_left(text in any::<String>(), max_chars in 0_usize..50) {
            let shown = printable(&text, max_chars);
            prop_assert!(!shown.chars().any(is_hidden));
            prop_assert!(shown.chars().count() <= max_chars + 1);
        }
    }
}
