//! Text cut into records, with the lines they begin on.

use std::collections::VecDeque;
use std::io::{self, BufRead, Read};
use std::ops::Range;

/// How long a record may be: one without an end must not fill the memory.
pub(super) const MAX_RECORD_BYTES: u64 = 1 << 20;

/// What separates values and what encloses those that hold separators.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quoting {
    pub(super) delimiter: u8,
    pub(super) quote: u8,
}

/// Bytes that are kept of a record that is longer than that.
const KEPT_BYTES: usize = 64 << 10;

pub(super) struct Records<R> {
    input: R,
    /// Read, but given back: lines that a quote without an end had swallowed.
    given_back: VecDeque<Given>,
    quoting: Option<Quoting>,
    /// What lines end in.
    terminator: u8,
    /// The line that comes next, from 1.
    line: u64,
    read_bytes: u64,
}

/// A line that was read.
struct Given {
    bytes: Vec<u8>,
    /// How many bytes it has, where only its beginning is kept.
    cut: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) line: u64,
    /// In the buffer it was read into, with the end of its line.
    pub(super) bytes: Range<usize>,
    pub(super) fault: Option<Fault>,
    /// Whether it was made readable, as [`encoding`](super::encoding) does.
    pub(super) is_marked: bool,
}

/// Why a record cannot be a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// A quote in it has no end.
    Unclosed,
    /// Something follows the quote that ends a value, so that it may be none that ends one.
    AfterQuote,
    /// It has so many bytes, and only its beginning is kept.
    TooLong(u64),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unclosed => f.write_str("a quote has no end"),
            Self::AfterQuote => f.write_str(
                "something follows the quote that ends a value: a quote within one is written twice, and one that opens it needs its end",
            ),
            Self::TooLong(bytes) => write!(
                f,
                "the line has {bytes} bytes, of which {MAX_RECORD_BYTES} are allowed and the first {KEPT_BYTES} kept"
            ),
        }
    }
}

/// What lines of a text end in, by its beginning: a carriage return alone where the first line does, as some
/// spreadsheets write; else a line feed, before which a carriage return may stand.
pub(super) fn terminator(beginning: &[u8], quoting: Option<Quoting>) -> u8 {
    let mut state = State::FieldStart;
    for (at, &byte) in beginning.iter().enumerate() {
        if state != State::Quoted {
            match byte {
                b'\n' => return b'\n',
                b'\r' if beginning.get(at + 1) != Some(&b'\n') => return b'\r',
                _ => {}
            }
        }
        if let Some(quoting) = quoting {
            state = state.after(byte, quoting);
        }
    }
    b'\n'
}

impl<R: BufRead> Records<R> {
    pub(super) fn new(input: R, quoting: Option<Quoting>, terminator: u8) -> Self {
        Self { input, given_back: VecDeque::new(), quoting, terminator, line: 1, read_bytes: 0 }
    }

    pub(super) fn read_bytes(&self) -> u64 {
        let given_back = self.given_back.iter().map(|given| given.cut.unwrap_or(given.bytes.len() as u64));
        self.read_bytes - given_back.sum::<u64>()
    }

    /// Appends the next record that is not blank to a buffer.
    pub(super) fn next(&mut self, buffer: &mut Vec<u8>) -> io::Result<Option<Record>> {
        loop {
            let start = buffer.len();
            let line = self.line;
            let Some(cut) = self.read_line(buffer)? else { return Ok(None) };
            // A mark that some programs write before all text.
            if line == 1 && buffer[start..].starts_with(b"\xef\xbb\xbf") {
                buffer.drain(start..start + 3);
            }
            if cut.is_none() && buffer[start..].trim_ascii().is_empty() {
                buffer.truncate(start);
                continue;
            }
            let fault = match (cut, self.quoting) {
                (Some(bytes), _) => Some(Fault::TooLong(bytes)),
                (None, Some(quoting)) => self.read_to_end_of_quotes(quoting, start, buffer)?,
                (None, None) => None,
            };
            // The decoders take a line for ended by this alone.
            if buffer.last() != Some(&b'\n') {
                buffer.push(b'\n');
            }
            return Ok(Some(Record { line, bytes: start..buffer.len(), fault, is_marked: false }));
        }
    }

    /// Reads on while a quote is open. Where it has no end, or one that is none, the record is its first line
    /// alone: the lines after it may be rows that the quote had swallowed.
    fn read_to_end_of_quotes(
        &mut self,
        quoting: Quoting,
        start: usize,
        buffer: &mut Vec<u8>,
    ) -> io::Result<Option<Fault>> {
        let first_line_end = buffer.len();
        let next_line = self.line;
        // Where each line after the first begins, and whether it was cut.
        let mut lines: Vec<(usize, Option<u64>)> = Vec::new();
        let mut state = State::FieldStart;
        let mut seen = start;
        loop {
            for &byte in &buffer[seen..] {
                state = state.after(byte, quoting);
            }
            let fault = match state {
                State::Quoted => Fault::Unclosed,
                State::Broken => Fault::AfterQuote,
                _ => return Ok(None),
            };
            seen = buffer.len();
            let is_too_long = (seen - start) as u64 > MAX_RECORD_BYTES;
            let is_cut = lines.last().is_some_and(|(_, cut)| cut.is_some());
            let is_over = is_too_long || is_cut || fault == Fault::AfterQuote;
            let next = if is_over { None } else { self.read_line(buffer)? };
            match next {
                Some(cut) => lines.push((seen, cut)),
                None => {
                    for (begin, cut) in lines.into_iter().rev() {
                        self.given_back.push_front(Given { bytes: buffer.split_off(begin), cut });
                    }
                    debug_assert_eq!(buffer.len(), first_line_end, "only the first line is left");
                    self.line = next_line;
                    return Ok(Some(fault));
                }
            }
        }
    }

    /// Appends the next line, with its end, and says how long it is where it was cut; nothing when there is
    /// none.
    #[expect(clippy::option_option, reason = "no line, a whole one, or one that was cut")]
    fn read_line(&mut self, buffer: &mut Vec<u8>) -> io::Result<Option<Option<u64>>> {
        if let Some(Given { bytes, cut }) = self.given_back.pop_front() {
            buffer.extend(bytes);
            self.line += 1;
            return Ok(Some(cut));
        }
        let start = buffer.len();
        let mut length =
            self.input.by_ref().take(MAX_RECORD_BYTES).read_until(self.terminator, buffer)? as u64;
        let is_cut = length >= MAX_RECORD_BYTES && buffer.last() != Some(&self.terminator);
        if is_cut {
            length += skip_line(&mut self.input, self.terminator)?;
            buffer.truncate(start + KEPT_BYTES);
        }
        self.read_bytes += length;
        if length == 0 {
            return Ok(None);
        }
        self.line += 1;
        Ok(Some(is_cut.then_some(length)))
    }
}

/// Passes over what is left of a line; how many bytes that is.
fn skip_line(input: &mut impl BufRead, terminator: u8) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let buffered = input.fill_buf()?;
        if buffered.is_empty() {
            return Ok(skipped);
        }
        let end = buffered.iter().position(|byte| *byte == terminator);
        let count = end.map_or(buffered.len(), |at| at + 1);
        input.consume(count);
        skipped += count as u64;
        if end.is_some() {
            return Ok(skipped);
        }
    }
}

/// Where in a record a byte stands: as the decoder sees it, for which a quote opens a value only at its
/// start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    FieldStart,
    Plain,
    Quoted,
    /// After a quote within quotes: the end, or the first half of a quote that is meant.
    QuoteInQuoted,
    /// After a quote that ends a value, and spaces.
    Closed,
    /// After anything else there, to the record's end: the decoder would take it for a part of the value.
    Broken,
}

impl State {
    fn after(self, byte: u8, Quoting { delimiter, quote }: Quoting) -> Self {
        match self {
            Self::Quoted if byte == quote => Self::QuoteInQuoted,
            Self::Quoted => Self::Quoted,
            Self::FieldStart | Self::QuoteInQuoted if byte == quote => Self::Quoted,
            Self::Broken => Self::Broken,
            _ if byte == delimiter => Self::FieldStart,
            Self::QuoteInQuoted | Self::Closed => match byte {
                b'\r' | b'\n' => Self::Plain,
                b' ' | b'\t' => Self::Closed,
                _ => Self::Broken,
            },
            _ => Self::Plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str, quoting: Option<Quoting>) -> Vec<(u64, String, bool)> {
        let mut records = Records::new(text.as_bytes(), quoting, terminator(text.as_bytes(), quoting));
        let mut buffer = Vec::new();
        let mut found = Vec::new();
        while let Some(record) = records.next(&mut buffer).unwrap() {
            let text = std::str::from_utf8(&buffer[record.bytes]).unwrap().trim_end().to_owned();
            found.push((record.line, text, record.fault.is_some()));
        }
        assert_eq!(records.read_bytes(), text.len() as u64);
        found
    }

    const CSV: Option<Quoting> = Some(Quoting { delimiter: b',', quote: b'"' });

    #[test]
    fn lines_are_counted_whatever_stands_between() {
        let found = all("\u{feff}{\"a\":\"\\\"\"}\n\n  \r\n{}\r\nlast", None);
        let expected = [(1, "{\"a\":\"\\\"\"}", false), (4, "{}", false), (5, "last", false)];
        assert_eq!(found, expected.map(|(line, text, unclosed)| (line, text.to_owned(), unclosed)));
    }

    #[test]
    fn a_quoted_value_may_hold_lines_and_quotes() {
        let found = all("a,\"b\nc \"\"d\"\"\ne\",f\n5\" screen,g\n\"h\",\"\"\ni", CSV);
        let expected = [
            (1, "a,\"b\nc \"\"d\"\"\ne\",f", false),
            (4, "5\" screen,g", false),
            (5, "\"h\",\"\"", false),
            (6, "i", false),
        ];
        assert_eq!(found, expected.map(|(line, text, unclosed)| (line, text.to_owned(), unclosed)));
    }

    #[test]
    fn a_quote_without_an_end_takes_no_line_but_its_own() {
        let found = all("a,\"b\nc,d\ne\n", CSV);
        let expected = [(1, "a,\"b", true), (2, "c,d", false), (3, "e", false)];
        assert_eq!(found, expected.map(|(line, text, unclosed)| (line, text.to_owned(), unclosed)));
    }

    #[test]
    fn a_quote_that_ends_within_a_value_swallows_no_row() {
        let found = all("a,\"b,1\nc,\"d\",2\n\"12\"5,e\n\"5\\\" pipe\",f\n\"g\" ,\"h\"\t\n\"i\"\"\",j", CSV);
        let expected = [
            (1, "a,\"b,1", true),
            (2, "c,\"d\",2", false),
            (3, "\"12\"5,e", true),
            (4, "\"5\\\" pipe\",f", true),
            (5, "\"g\" ,\"h\"", false),
            (6, "\"i\"\"\",j", false),
        ];
        assert_eq!(found, expected.map(|(line, text, faulty)| (line, text.to_owned(), faulty)));
    }

    #[test]
    fn lines_may_end_in_a_carriage_return_alone() {
        let found = all("a,b\r1,\"x\ry\"\r2,z\r", CSV);
        let expected = [(1, "a,b", false), (2, "1,\"x\ry\"", false), (4, "2,z", false)];
        assert_eq!(found, expected.map(|(line, text, unclosed)| (line, text.to_owned(), unclosed)));
        for (text, quoting, expected) in [
            ("a,b\n1,2\r", CSV, b'\n'),
            ("a,b\r\n1,2", CSV, b'\n'),
            ("\"a\rb\",c\n1", CSV, b'\n'),
            ("\"a\nb\",c\r1", CSV, b'\r'),
            ("{}\r{}", None, b'\r'),
            ("", None, b'\n'),
        ] {
            assert_eq!(terminator(text.as_bytes(), quoting), expected, "{text:?}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_costs_itself_alone() {
        let long = "x".repeat(usize::try_from(MAX_RECORD_BYTES).unwrap() + 10);
        for quoting in [None, CSV] {
            for text in [format!("a\n{long}\nb\n"), format!("a\n{long}\n\"b\n{long}\nc")] {
                let mut records = Records::new(text.as_bytes(), quoting, b'\n');
                let mut found = Vec::new();
                let mut buffer = Vec::new();
                while let Some(record) = records.next(&mut buffer).unwrap() {
                    assert!(record.bytes.len() <= KEPT_BYTES + 1);
                    found.push((record.line, record.fault));
                }
                let too_long = Some(Fault::TooLong(MAX_RECORD_BYTES + 11));
                let quote = quoting.map(|_| Fault::Unclosed);
                let expected = if text.ends_with('c') {
                    vec![(1, None), (2, too_long), (3, quote), (4, too_long), (5, None)]
                } else {
                    vec![(1, None), (2, too_long), (3, None)]
                };
                assert_eq!(found, expected);
                assert_eq!(records.read_bytes(), text.len() as u64);
            }
        }
    }

    proptest::proptest! {
        /// Whatever stands in a text, each of its bytes is in one record or blank, in order.
        #[test]
        fn nothing_between_records_is_lost(text in "[ab,\"\r\n ]{0,60}", quoted: bool) {
            let quoting = quoted.then_some(Quoting { delimiter: b',', quote: b'"' });
            let mut records = Records::new(text.as_bytes(), quoting, terminator(text.as_bytes(), quoting));
            let mut buffer = Vec::new();
            while records.next(&mut buffer).unwrap().is_some() {}
            let kept = |bytes: &[u8]| bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect::<Vec<_>>();
            proptest::prop_assert_eq!(kept(&buffer), kept(text.as_bytes()));
            proptest::prop_assert_eq!(records.read_bytes(), text.len() as u64);
        }
    }
}
