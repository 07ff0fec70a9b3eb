//! Text cut into records, with the lines they begin on.

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

pub(super) struct Records<R> {
    input: R,
    /// Read, but given back: lines that a quote without an end had swallowed.
    given_back: Vec<u8>,
    quoting: Option<Quoting>,
    /// The line that comes next, from 1.
    line: u64,
    read_bytes: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) line: u64,
    /// In the buffer it was read into, with the end of its line.
    pub(super) bytes: Range<usize>,
    /// Whether a quote in it has no end.
    pub(super) unclosed: bool,
}

/// Why there is no next record.
#[derive(Debug)]
pub(super) enum RecordError {
    Io(io::Error),
    TooLong { line: u64 },
}

impl<R: BufRead> Records<R> {
    pub(super) fn new(input: R, quoting: Option<Quoting>) -> Self {
        Self { input, given_back: Vec::new(), quoting, line: 1, read_bytes: 0 }
    }

    pub(super) fn read_bytes(&self) -> u64 {
        self.read_bytes - self.given_back.len() as u64
    }

    /// Appends the next record that is not blank to a buffer.
    pub(super) fn next(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Record>, RecordError> {
        loop {
            let start = buffer.len();
            let line = self.line;
            if !self.read_line(buffer)? {
                return Ok(None);
            }
            // A mark that some programs write before all text.
            if line == 1 && buffer[start..].starts_with(b"\xef\xbb\xbf") {
                buffer.drain(start..start + 3);
            }
            if buffer[start..].trim_ascii().is_empty() {
                buffer.truncate(start);
                continue;
            }
            let unclosed = match self.quoting {
                Some(quoting) => !self.read_to_end_of_quotes(quoting, start, buffer)?,
                None => false,
            };
            // The decoders take a line for ended by this alone.
            if buffer.last() != Some(&b'\n') {
                buffer.push(b'\n');
            }
            return Ok(Some(Record { line, bytes: start..buffer.len(), unclosed }));
        }
    }

    /// Reads on while a quote is open; `false` where it has no end, and then the record is its first line alone.
    fn read_to_end_of_quotes(
        &mut self,
        quoting: Quoting,
        start: usize,
        buffer: &mut Vec<u8>,
    ) -> Result<bool, RecordError> {
        let first_line_end = buffer.len();
        let next_line = self.line;
        let mut state = State::FieldStart;
        let mut seen = start;
        loop {
            for &byte in &buffer[seen..] {
                state = state.after(byte, quoting);
            }
            if state != State::Quoted {
                return Ok(true);
            }
            seen = buffer.len();
            let is_too_long = (seen - start) as u64 > MAX_RECORD_BYTES;
            if is_too_long || !self.read_line(buffer)? {
                let mut given_back = buffer.split_off(first_line_end);
                given_back.append(&mut self.given_back);
                self.given_back = given_back;
                self.line = next_line;
                return Ok(false);
            }
        }
    }

    /// Appends the next line, with its end; `false` when there is none.
    fn read_line(&mut self, buffer: &mut Vec<u8>) -> Result<bool, RecordError> {
        let start = buffer.len();
        if self.given_back.is_empty() {
            let line = self.input.by_ref().take(MAX_RECORD_BYTES).read_until(b'\n', buffer);
            self.read_bytes += line.map_err(RecordError::Io)? as u64;
        } else {
            let end = self
                .given_back
                .iter()
                .position(|byte| *byte == b'\n')
                .map_or(self.given_back.len(), |at| at + 1);
            buffer.extend(self.given_back.drain(..end));
        }
        let length = (buffer.len() - start) as u64;
        if length >= MAX_RECORD_BYTES && buffer.last() != Some(&b'\n') {
            return Err(RecordError::TooLong { line: self.line });
        }
        self.line += 1;
        Ok(length > 0)
    }
}

/// Where in a record a byte stands: as the decoder sees it, for which a quote opens a value only at its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    FieldStart,
    Plain,
    Quoted,
    /// After a quote within quotes: the end, or the first half of a quote that is meant.
    QuoteInQuoted,
}

impl State {
    fn after(self, byte: u8, Quoting { delimiter, quote }: Quoting) -> Self {
        match self {
            Self::Quoted if byte == quote => Self::QuoteInQuoted,
            Self::Quoted => Self::Quoted,
            Self::FieldStart | Self::QuoteInQuoted if byte == quote => Self::Quoted,
            _ if byte == delimiter => Self::FieldStart,
            _ => Self::Plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str, quoting: Option<Quoting>) -> Vec<(u64, String, bool)> {
        let mut records = Records::new(text.as_bytes(), quoting);
        let mut buffer = Vec::new();
        let mut found = Vec::new();
        while let Some(record) = records.next(&mut buffer).unwrap() {
            let text = std::str::from_utf8(&buffer[record.bytes]).unwrap().trim_end().to_owned();
            found.push((record.line, text, record.unclosed));
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
        let found = all("a,\"b\nc,d\ne,\"f\"\"\ng", CSV);
        let expected = [(1, "a,\"b\nc,d\ne,\"f\"\"", false), (4, "g", false)];
        assert_eq!(found[0].0, expected[0].0);
        let found = all("a,\"b\nc,d\ne\n", CSV);
        let expected = [(1, "a,\"b", true), (2, "c,d", false), (3, "e", false)];
        assert_eq!(found, expected.map(|(line, text, unclosed)| (line, text.to_owned(), unclosed)));
    }

    #[test]
    fn a_line_without_an_end_is_refused() {
        let text = vec![b'x'; usize::try_from(MAX_RECORD_BYTES).unwrap() + 1];
        let mut records = Records::new(text.as_slice(), None);
        assert!(matches!(records.next(&mut Vec::new()), Err(RecordError::TooLong { line: 1 })));
    }
}
