/// A sender's text for a terminal: what would move the cursor, change colours or turn the direction of what follows is written out,
/// as in `\\u001b`. Within the strings of JSON that is the same text.
#[must_use]
pub fn printable(text: &str) -> String {
    escaped(text, |_| false)
}

/// The same for a text of several lines, which stay lines.
#[must_use]
pub fn printable_lines(text: &str) -> String {
    escaped(text, |c| c == '\n')
}

fn escaped(text: &str, is_kept: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) && !is_kept(c) {
            out += &format!("\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// Control characters, those that set a direction, ends of lines, and those that cannot be seen.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_sender_reaches_the_terminal_as_a_command() {
        assert_eq!(printable("Zürich – 5€ 東京"), "Zürich – 5€ 東京");
        assert_eq!(printable("\u{1b}[2J\u{7}\u{9b}31m"), "\\u001b[2J\\u0007\\u009b31m");
        assert_eq!(printable("a\nb\t\u{202e}c"), "a\\u000ab\\u0009\\u202ec");
        assert_eq!(printable_lines("a\r\n\u{2066}b"), "a\\u000d\n\\u2066b");
        let json = serde_json::to_string(&"x\u{9b}\u{202e}\u{1b}").unwrap();
        assert_eq!(serde_json::from_str::<String>(&printable(&json)).unwrap(), "x\u{9b}\u{202e}\u{1b}");
    }
}
