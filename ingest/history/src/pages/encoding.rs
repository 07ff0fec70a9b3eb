//! Text that is no UTF-8, or no JSON for what stands in one of its strings, made readable without losing what
//! stood there.
//!
//! While a page is read, each byte that is no UTF-8 stands in its record's text as a character of its own, of
//! the last private plane: so it is still known which cell holds it and which byte it was. A label that holds
//! one is cleaned, any other cell is refused, and a record that is set aside has its bytes again. The same
//! way goes a control character within a JSON string, which JSON would have escaped, and half a character
//! (`\ud83d` alone), which programs leave that cut a text in its middle.

use std::borrow::Cow;
use std::path::Path;

use super::records::Record;

/// Stands for the byte 0.
const FIRST: u32 = 0x10_ff00;
/// The escape of half a character: a backslash and five more.
const HALF: u8 = b'\\';
const HALF_REST: usize = 5;

fn mark(byte: u8) -> char {
    char::from_u32(FIRST + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The byte that a character stands for.
fn byte_of(c: char) -> Option<u8> {
    u32::from(c).checked_sub(FIRST).and_then(|byte| u8::try_from(byte).ok())
}

/// Makes a page's records readable and says of each whether it had to be.
pub(super) fn readable(bytes: Vec<u8>, records: &mut [Record], is_json: bool) -> Vec<u8> {
    let is_plain = |text: &str| !is_json || is_json_text(text);
    if std::str::from_utf8(&bytes).is_ok_and(is_plain) {
        return bytes;
    }
    let mut out = String::with_capacity(bytes.len() + 1_024);
    for record in records {
        let start = out.len();
        let text = &bytes[record.bytes.clone()];
        match std::str::from_utf8(text) {
            Ok(text) if is_plain(text) => out.push_str(text),
            _ => record.is_marked = mark_all(text, is_json, &mut out),
        }
        record.bytes = start..out.len();
    }
    out.into_bytes()
}

/// Whether no record of a text needs a mark: a quick look, which may say no to what turns out to need none.
fn is_json_text(text: &str) -> bool {
    let bytes = text.as_bytes();
    let ends_line = |at: usize| bytes[at..].starts_with(b"\n") || bytes[at..].starts_with(b"\r\n");
    let has_control = bytes.iter().enumerate().any(|(at, byte)| *byte < b' ' && !ends_line(at));
    !has_control && !text.contains("\\ud") && !text.contains("\\uD")
}

/// Appends a record, and says whether it has marks.
fn mark_all(record: &[u8], is_json: bool, out: &mut String) -> bool {
    let body = record.trim_ascii_end();
    let (mut in_string, mut is_escaped, mut has_marks) = (false, false, false);
    for chunk in body.utf8_chunks() {
        let text = chunk.valid();
        let mut halves = Halves { text, is_second: false };
        for (at, c) in text.char_indices() {
            let escapes = is_json && in_string && c == '\\' && !is_escaped;
            let is_marked = match c {
                '\\' => escapes && halves.is_alone(at),
                // One that would read as a mark.
                _ => is_json && in_string && c < ' ' || byte_of(c).is_some(),
            };
            match is_marked {
                true => out.extend(c.encode_utf8(&mut [0; 4]).bytes().map(mark)),
                false => out.push(c),
            }
            has_marks |= is_marked;
            in_string ^= c == '"' && !is_escaped;
            is_escaped = escapes;
        }
        has_marks |= !chunk.invalid().is_empty();
        out.extend(chunk.invalid().iter().map(|byte| mark(*byte)));
        is_escaped &= chunk.invalid().is_empty();
    }
    // The end of the line is ASCII.
    out.extend(record[body.len()..].iter().map(|byte| char::from(*byte)));
    has_marks
}

/// The escapes of UTF-16 in a text, of which two are a character.
struct Halves<'a> {
    text: &'a str,
    /// Whether the next one is the second of two.
    is_second: bool,
}

impl Halves<'_> {
    fn unit(&self, at: usize) -> Option<u16> {
        let digits = self.text.get(at..)?.strip_prefix("\\u")?.get(..4)?;
        u16::from_str_radix(digits, 16).ok()
    }

    /// Whether the escape here is half a character without its other half.
    fn is_alone(&mut self, at: usize) -> bool {
        match self.unit(at) {
            Some(0xd800..=0xdbff) => {
                self.is_second = matches!(self.unit(at + 1 + HALF_REST), Some(0xdc00..=0xdfff));
                !self.is_second
            }
            Some(0xdc00..=0xdfff) => !std::mem::take(&mut self.is_second),
            _ => false,
        }
    }
}

/// The bytes that a readable record had.
pub(super) fn original(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for c in String::from_utf8_lossy(text).chars() {
        match byte_of(c) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

/// A cell as its decoder gave it, with control characters as they are: what is left marked is what no text
/// has.
pub(super) fn without_controls(cell: &str) -> Cow<'_, str> {
    if !cell.contains(|c| byte_of(c).is_some_and(|byte| byte < b' ' || byte == HALF)) {
        return Cow::Borrowed(cell);
    }
    let mut text = String::with_capacity(cell.len());
    let mut chars = cell.chars();
    while let Some(c) = chars.next() {
        match byte_of(c) {
            Some(byte) if byte < b' ' => text.push(char::from(byte)),
            Some(HALF) => {
                text.push(c);
                chars.by_ref().take(HALF_REST).for_each(drop);
            }
            _ => text.push(c),
        }
    }
    Cow::Owned(text)
}

/// Of bytes that are no UTF-8, as they are in a `Column`'s text.
pub(super) fn marked(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    mark_all(bytes, false, &mut text);
    text
}

/// What is wrong with a cell of a record that was made readable.
pub(crate) fn fault(cell: &str) -> Option<String> {
    let byte = cell.chars().find_map(byte_of)?;
    let shown = shown(Cow::Borrowed(cell));
    Some(match byte {
        HALF => format!("{shown:?} holds half a character, which is no text: cut it between characters"),
        byte => format!(
            "{shown:?} is not UTF-8, for it holds the byte {byte:02x}: convert the file, as by `iconv -f latin1 -t utf-8`"
        ),
    })
}

/// A cell as it may be shown and kept, with U+FFFD for what is no text.
pub(crate) fn shown(cell: Cow<'_, str>) -> Cow<'_, str> {
    if !cell.contains(|c| byte_of(c).is_some()) {
        return cell;
    }
    let text = |c| if byte_of(c).is_some() { char::REPLACEMENT_CHARACTER } else { c };
    Cow::Owned(cell.chars().map(text).collect())
}

/// A cell as it reads once its file is converted from Latin-1, so that an id that follows from it stays what
/// it is.
pub(crate) fn as_latin1(cell: Cow<'_, str>) -> Cow<'_, str> {
    if !cell.contains(|c| byte_of(c).is_some()) {
        return cell;
    }
    let text = |c| match byte_of(c) {
        Some(HALF) => char::REPLACEMENT_CHARACTER,
        Some(byte) => char::from(byte),
        None => c,
    };
    Cow::Owned(cell.chars().map(text).collect())
}

/// Lines that are not UTF-8 before a file is taken for one of another encoding.
const FOREIGN_LINES: usize = 10;

/// What a whole file is written in by its beginning, and what `iconv` calls that; nothing where it is UTF-8,
/// or but for some lines.
pub(super) fn of_file(beginning: &[u8]) -> Option<(&'static str, &'static str)> {
    match beginning {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] | [_, 0, 0, 0, ..] | [0, 0, 0, _, ..] => {
            return Some(("UTF-32", "utf-32"));
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return Some(("UTF-16", "utf-16")),
        _ => {}
    }
    // Of ASCII every other byte is 0 there.
    let zeros = |at: usize| beginning.iter().skip(at).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    if (even + odd) * 5 > beginning.len() && even.max(odd) > 3 * even.min(odd) {
        let (name, iconv) = if odd > even { ("UTF-16LE", "utf-16le") } else { ("UTF-16BE", "utf-16be") };
        return Some((name, iconv));
    }
    let (mut foreign, mut other, mut runs, mut bytes) = (0usize, 0usize, 0usize, 0usize);
    let mut has_c1 = false;
    // The last line may be cut in a character.
    let end = beginning.iter().rposition(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(0);
    for line in beginning[..end].split(|byte| matches!(byte, b'\n' | b'\r')) {
        if line.is_ascii() {
            continue;
        }
        if std::str::from_utf8(line).is_ok() {
            other += 1;
            continue;
        }
        foreign += 1;
        has_c1 |= line.iter().any(|byte| (0x80..0xa0).contains(byte));
        bytes += line.iter().filter(|byte| !byte.is_ascii()).count();
        runs += line.windows(2).filter(|pair| !pair[0].is_ascii() && !pair[1].is_ascii()).count();
    }
    if foreign < FOREIGN_LINES || foreign <= other {
        return None;
    }
    Some(match (runs * 3 > bytes, has_c1) {
        (true, _) => ("another encoding than UTF-8, such as Windows-1251, GBK or Shift_JIS", "ENCODING"),
        (false, true) => ("Windows-1252", "windows-1252"),
        (false, false) => ("Latin-1", "latin1"),
    })
}

/// How to convert a file.
pub(super) fn conversion(path: &Path, iconv: &str) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let name = contracts::printable::printable(&name);
    format!("iconv -f {iconv} -t utf-8 {name} > utf8-{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made_readable(record: &[u8], is_json: bool) -> (String, bool) {
        let mut records = [Record { line: 1, bytes: 0..record.len(), fault: None, is_marked: false }];
        let text = readable(record.to_vec(), &mut records, is_json);
        assert_eq!(original(&text[records[0].bytes.clone()]), record, "nothing is lost");
        (String::from_utf8(text).unwrap(), records[0].is_marked)
    }

    #[test]
    fn what_is_no_text_is_marked_and_nothing_else() {
        for (record, is_json, cleaned) in [
            (&b"a,K\xf6ln\r\n"[..], false, Some("a,K\u{fffd}ln\r\n")),
            (b"\xff\xfe,\xc3\n", false, Some("\u{fffd}\u{fffd},\u{fffd}\n")),
            ("a,Köln,a\u{7}b\n".as_bytes(), false, None),
            (b"{\"a\":\"K\xf6\"}\n", true, Some("{\"a\":\"K\u{fffd}\"}\n")),
            (b"{\"a\":\"x\\\"\x07\ty\"}\r\n", true, Some("{\"a\":\"x\\\"\x07\ty\"}\r\n")),
            (b"{\t\"a\": \"\\\\\"\t}\r\n", true, None),
            (b"{\"a\":\"\\ud83d\\ude00\\u00e4\"}\n", true, None),
            (b"{\"a\":\"x\\ud83d\"}\n", true, Some("{\"a\":\"x\u{fffd}\"}\n")),
            (
                b"{\"a\":\"\\ude00\\ud83dx\\\\ud83d\"}\n",
                true,
                Some("{\"a\":\"\u{fffd}\u{fffd}x\\\\ud83d\"}\n"),
            ),
        ] {
            let (text, is_marked) = made_readable(record, is_json);
            assert_eq!(is_marked, cleaned.is_some(), "{text:?}");
            let cell = without_controls(&text);
            let said = cleaned.unwrap_or_else(|| std::str::from_utf8(record).unwrap());
            assert_eq!(shown(cell), said);
        }
        let (text, _) = made_readable(b"{\"a\":\"b\x07\"}\n", true);
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{text}");
        assert_eq!(as_latin1(marked(b"K\xf6ln").into()), "Köln");
        assert!(fault(&marked(b"K\xf6ln")).unwrap().contains("byte f6"));
        assert_eq!(fault("Köln"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_come_back(bytes: Vec<u8>, is_json: bool) {
            made_readable(&bytes, is_json);
        }
    }

    #[test]
    fn a_file_in_another_encoding_is_told_from_one_with_some_bad_lines() {
        let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let lines = |line: &[u8], count: usize| [b"id,city\n", &line.repeat(count)[..]].concat();
        for (bytes, expected) in [
            (b"\xff\xfea\0".to_vec(), Some("UTF-16")),
            (b"\xff\xfe\0\0a\0\0\0".to_vec(), Some("UTF-32")),
            (wide("id,city\n1,K\n"), Some("UTF-16LE")),
            (wide("\u{434},city\n1,K\n"), Some("UTF-16LE")),
            (b"\0i\0d\0\n".to_vec(), Some("UTF-16BE")),
            (lines(b"1,K\xf6ln\n", 20), Some("Latin-1")),
            (lines(b"1,K\xf6ln\r", 20), Some("Latin-1")),
            (lines(b"1,5 \x80\n", 20), Some("Windows-1252")),
            (
                lines(b"1,\xcc\xee\xf1\xea\xe2\xe0\n", 20),
                Some("another encoding than UTF-8, such as Windows-1251, GBK or Shift_JIS"),
            ),
            (lines(b"1,K\xf6ln\n", 3), None),
            ([lines(b"1,K\xf6ln\n", 20), "1,Köln\n".repeat(30).into_bytes()].concat(), None),
            ("id,city\n1,Köl".as_bytes()[..13].to_vec(), None),
            (b"a,b\n\0,\0\nlonger,line\n".to_vec(), None),
            (Vec::new(), None),
        ] {
            assert_eq!(of_file(&bytes).map(|(name, _)| name), expected, "{bytes:?}");
        }
    }
}
