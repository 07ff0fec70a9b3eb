//! A file as pages of rows, whatever it is written in: values as text, column by column.
//!
//! A row that is no row (broken JSON, too few values) is one all the same, with what is wrong with it, and
//! the rows around it are read as if it were not there.

mod cells;
mod columnar;
pub(crate) mod encoding;
mod keys;
mod lists;
mod records;
mod text;

pub(crate) use cells::{Column, Held};

use std::ops::Range;

use crate::error::HistoryError;
use crate::file::Source;
use crate::mapping::{Format, Mapping};
use columnar::ColumnarPages;
use text::TextPages;

/// Rows of one page: enough to share the cost of decoding, few enough to stay in the caches.
pub(crate) const PAGE_ROWS: usize = 2_048;

/// Consecutive rows of a file.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) rows: Vec<Row>,
    /// As many as the mapping names, in its order.
    pub(crate) columns: Vec<Column>,
    /// The records themselves, where the file is text.
    bytes: Vec<u8>,
    /// Whether they are JSON.
    is_json: bool,
    /// How far the file is read: in bytes, or in rows of a Parquet file.
    pub(crate) read_to: u64,
}

#[derive(Debug)]
pub(crate) struct Row {
    /// The line that it begins on, or the row of a Parquet file, from 1.
    pub(crate) line: u64,
    /// Which element of a list in that record it is, from 1; 0 where it is the record.
    pub(crate) part: u32,
    /// Its place in the columns, or what is wrong with it.
    pub(crate) cells: Result<usize, String>,
    /// Whether its cells may hold marks for what is no text, as [`encoding`] makes them.
    pub(crate) is_marked: bool,
    /// Its place in the bytes.
    bytes: Range<usize>,
}

impl Row {
    /// Where it stands in its file.
    pub(crate) fn place(&self) -> String {
        match self.part {
            0 => self.line.to_string(),
            part => format!("{}.{part}", self.line),
        }
    }
}

impl Page {
    /// Whether a value is a number in its file, of which no mark of a decimal is left to say.
    pub(crate) fn is_number(&self, row: &Row, column: usize, name: &str) -> bool {
        match self.columns[column].how() {
            Held::Exact | Held::Float { .. } => true,
            Held::Time => false,
            Held::Text => self.is_json && lists::is_number(&self.bytes[row.bytes.clone()], name),
        }
    }

    /// A row as it stands in the file, without the end of its line. Parquet has no such form: there it is the
    /// columns that were read, as JSON.
    pub(crate) fn record(&self, row: &Row, names: &[String]) -> Vec<u8> {
        if !row.bytes.is_empty() {
            let line = &self.bytes[row.bytes.clone()];
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            return if row.is_marked { encoding::original(line) } else { line.to_vec() };
        }
        let Ok(at) = row.cells else { return Vec::new() };
        let cells = names.iter().zip(&self.columns);
        let text = |column: &Column| Some(encoding::shown(column.text(at)?.to_owned().into()).into_owned());
        let cells = cells.filter_map(|(name, column)| Some((name.clone(), text(column)?.into())));
        serde_json::Value::Object(cells.collect()).to_string().into_bytes()
    }
}

/// The pages of a file.
pub(crate) enum Pages {
    Text(Box<TextPages>),
    Columnar(Box<ColumnarPages>),
}

impl Pages {
    pub(crate) fn open(source: &Source, mapping: &Mapping) -> Result<Self, HistoryError> {
        match source.format {
            Format::Csv => Ok(Self::Text(Box::new(TextPages::csv(source, mapping)?))),
            Format::Ndjson => Ok(Self::Text(Box::new(TextPages::ndjson(source, mapping)?))),
            Format::Parquet => Ok(Self::Columnar(Box::new(ColumnarPages::open(source, mapping)?))),
        }
    }

    /// What [`Page::read_to`] ends at.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Text(pages) => pages.size_bytes(),
            Self::Columnar(pages) => pages.size_rows(),
        }
    }

    /// Columns that the file names and nobody reads, where it has a header.
    pub(crate) fn known(&self) -> &[String] {
        match self {
            Self::Text(pages) => pages.known(),
            Self::Columnar(pages) => pages.known(),
        }
    }

    /// Passes over rows before any is read.
    pub(crate) fn skip(&mut self, rows: u64) -> Result<(), HistoryError> {
        match self {
            Self::Text(pages) => pages.skip(rows),
            Self::Columnar(pages) => pages.skip(rows),
        }
    }

    pub(crate) fn next(&mut self) -> Result<Option<Page>, HistoryError> {
        match self {
            Self::Text(pages) => pages.next(),
            Self::Columnar(pages) => pages.next(),
        }
    }
}

#[cfg(test)]
mod tests;
