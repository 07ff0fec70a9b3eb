//! CSV and NDJSON: records decoded by arrow, many at once, and one by one where that fails.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_csv::reader::Format as CsvFormat;
use arrow_schema::{ArrowError, DataType, Field, Fields, Schema, SchemaRef};
use arrow_select::concat::concat_batches;
use contracts::printable::printable;

use super::cells::{Column, resolve};
use super::lists;
use super::records::{Quoting, Record, Records, terminator};
use super::{PAGE_ROWS, Page, Row, encoding, keys};
use crate::error::HistoryError;
use crate::file::Source;
use crate::mapping::{Mapping, Shape};

/// Bytes of one page at most, but for its last record.
const PAGE_BYTES: usize = 4 << 20;
const READ_BYTES: usize = 256 << 10;

/// What files begin with that are no text.
const NO_TEXT: [(&[u8], &str); 5] = [
    (b"\x1f\x8b", "packed by gzip: unpack it"),
    (b"\x28\xb5\x2f\xfd", "packed by zstd: unpack it"),
    (b"BZh", "packed by bzip2: unpack it"),
    (b"PK\x03\x04", "a ZIP archive or a spreadsheet: unpack it, or save the sheet as CSV in UTF-8"),
    (b"PAR1", "Parquet: name it .parquet, or say `format = \"parquet\"` in the mapping"),
];

type Input = BufReader<Box<dyn Read + Send>>;

pub(crate) struct TextPages {
    records: Records<Input>,
    decoder: Decoder,
    names: Vec<String>,
    /// The columns of a header.
    known: Vec<String>,
    path: std::path::PathBuf,
    size_bytes: u64,
    /// What a record is unfolded by.
    shape: Shape,
    is_first_page: bool,
}

/// What a file of JSON is that is no record on each line, and the filter of `jq` that makes records of it.
fn whole_json(beginning: &[u8]) -> Option<(&'static str, &'static str)> {
    let text = beginning.strip_prefix(b"\xef\xbb\xbf").unwrap_or(beginning).trim_ascii_start();
    let first_line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    match first_line.trim_ascii() {
        [b'[', ..] => Some(("one JSON array", ".[]")),
        b"{" => Some(("JSON over several lines", ".")),
        _ => None,
    }
}

/// How records become columns of text. Numbers stay as they are written, so that no price goes through a
/// float.
enum Decoder {
    Csv { schema: SchemaRef, projection: Vec<usize>, quoting: Quoting },
    Ndjson { schema: SchemaRef, names: Vec<String> },
}

impl TextPages {
    pub(super) fn csv(source: &Source, mapping: &Mapping) -> Result<Self, HistoryError> {
        let quoting = Quoting { delimiter: source.delimiter, quote: mapping.csv().quote };
        let mut pages = Self::new(source, mapping, Some(quoting))?;
        let mut header = Vec::new();
        let fault = match pages.record(&mut header)? {
            None => Some((1, "the file is empty".to_owned())),
            Some(Record { line, fault, .. }) => fault.map(|fault| (line, fault.to_string())),
        };
        if let Some((line, fault)) = fault {
            return Err(HistoryError::BadHeader { path: source.path.clone(), line, fault });
        }
        if std::str::from_utf8(&header).is_err() {
            return Err(HistoryError::Encoding {
                path: source.path.clone(),
                encoding: "another encoding than UTF-8, as its header shows",
                conversion: encoding::conversion(&source.path, "latin1"),
            });
        }
        let format = CsvFormat::default()
            .with_header(true)
            .with_delimiter(quoting.delimiter)
            .with_quote(quoting.quote);
        let no_header = |cause| HistoryError::Header { path: source.path.clone(), source: cause };
        let (header, _) = format.infer_schema(header.as_slice(), Some(0)).map_err(no_header)?;
        let known: Vec<&str> = header.fields().iter().map(|field| field.name().trim()).collect();
        let mut projection = Vec::new();
        for column in mapping.columns() {
            let at = known.iter().position(|name| name == column).ok_or_else(|| HistoryError::NoColumn {
                path: source.path.clone(),
                column: column.clone(),
                known: printable(&known.join(", ")),
            })?;
            if known.iter().skip(at + 1).any(|name| name == column) {
                return Err(HistoryError::TwoColumns { path: source.path.clone(), column: column.clone() });
            }
            projection.push(at);
        }
        pages.known = known.iter().map(|name| (*name).to_owned()).collect();
        let fields: Vec<Field> = known
            .iter()
            .enumerate()
            .map(|(at, _)| Field::new(at.to_string(), DataType::Utf8, true))
            .collect();
        pages.decoder = Decoder::Csv { schema: Arc::new(Schema::new(fields)), projection, quoting };
        Ok(pages)
    }

    pub(super) fn ndjson(source: &Source, mapping: &Mapping) -> Result<Self, HistoryError> {
        let mut pages = Self::new(source, mapping, None)?;
        let schema = nested(mapping.columns()).map_err(|(outer, inner)| HistoryError::WithinValue {
            path: source.path.clone(),
            outer,
            inner,
        })?;
        pages.decoder = Decoder::Ndjson { schema: Arc::new(schema), names: mapping.columns().to_vec() };
        Ok(pages)
    }

    fn new(source: &Source, mapping: &Mapping, quoting: Option<Quoting>) -> Result<Self, HistoryError> {
        let input: Box<dyn Read + Send> = Box::new(source.bytes()?);
        let mut input = BufReader::with_capacity(READ_BYTES, input);
        let beginning = input.fill_buf().map_err(|error| source.unreadable(error))?;
        if let Some((_, what)) = NO_TEXT.iter().find(|(mark, _)| beginning.starts_with(mark)) {
            return Err(HistoryError::NoText { path: source.path.clone(), what });
        }
        if let Some((encoding, iconv)) = encoding::of_file(beginning) {
            let conversion = encoding::conversion(&source.path, iconv);
            return Err(HistoryError::Encoding { path: source.path.clone(), encoding, conversion });
        }
        if quoting.is_none()
            && let Some((what, filter)) = whole_json(beginning)
        {
            let name = source.path.file_name().unwrap_or(source.path.as_os_str()).to_string_lossy();
            let name = printable(&name);
            let conversion = format!("jq -c '{filter}' {name} > lines-{name}");
            return Err(HistoryError::WholeJson { path: source.path.clone(), what, conversion });
        }
        let terminator = terminator(beginning, quoting);
        Ok(Self {
            records: Records::new(input, quoting, terminator),
            decoder: Decoder::Ndjson { schema: Arc::new(Schema::empty()), names: Vec::new() },
            names: mapping.columns().to_vec(),
            known: Vec::new(),
            path: source.path.clone(),
            size_bytes: source.size_bytes,
            shape: mapping.shape().clone(),
            is_first_page: true,
        })
    }

    pub(super) const fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The columns that the file names, where it has a header.
    pub(super) fn known(&self) -> &[String] {
        &self.known
    }

    pub(super) fn skip(&mut self, rows: u64) -> Result<(), HistoryError> {
        let mut buffer = Vec::new();
        for _ in 0..rows {
            buffer.clear();
            if self.record(&mut buffer)?.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn record(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Record>, HistoryError> {
        let path = &self.path;
        self.records.next(buffer).map_err(|source| HistoryError::Read { path: path.clone(), source })
    }

    pub(super) fn next(&mut self) -> Result<Option<Page>, HistoryError> {
        let (mut bytes, mut records) = (Vec::new(), Vec::new());
        while records.len() < PAGE_ROWS && bytes.len() < PAGE_BYTES {
            let Some(record) = self.record(&mut bytes)? else { break };
            records.push(record);
        }
        if records.is_empty() {
            return Ok(None);
        }
        let is_json = matches!(self.decoder, Decoder::Ndjson { .. });
        let bytes = encoding::readable(bytes, &mut records, is_json);
        let (bytes, parts) = match (self.shape.is_plain(), &self.decoder) {
            (false, Decoder::Ndjson { .. }) => self.shape.unfold(&bytes, records),
            _ => (bytes, records.into_iter().map(lists::Part::whole).collect()),
        };
        let (batch, cells) = self.decoder.decode_all(&bytes, &parts);
        if std::mem::take(&mut self.is_first_page) && batch.is_none() {
            self.refuse_lists(&bytes, &parts)?;
        }
        let is_marked = parts.iter().any(|part| part.record.is_marked);
        let columns = match batch {
            Some(batch) if is_marked => {
                self.columns(&batch)?.into_iter().map(Column::without_controls).collect()
            }
            Some(batch) => self.columns(&batch)?,
            None => vec![Column::absent(0); self.names.len()],
        };
        let rows = parts.into_iter().zip(cells).map(|(part, cells)| Row {
            line: part.record.line,
            part: part.part,
            cells,
            is_marked: part.record.is_marked,
            bytes: part.record.bytes,
        });
        Ok(Some(Page { rows: rows.collect(), columns, bytes, is_json, read_to: self.records.read_bytes() }))
    }

    /// Where no record is a row since the mapping names a value and there is a list, the file is refused once
    /// and not each row.
    fn refuse_lists(&self, bytes: &[u8], parts: &[lists::Part]) -> Result<(), HistoryError> {
        if !matches!(self.decoder, Decoder::Ndjson { .. }) {
            return Ok(());
        }
        let found = parts.iter().find_map(|part| {
            let record = &bytes[part.record.bytes.clone()];
            self.names.iter().find_map(|name| Some((name.clone(), lists::list_on_the_way(record, name)?)))
        });
        match found {
            Some((column, list)) => Err(HistoryError::List { path: self.path.clone(), column, list }),
            None => Ok(()),
        }
    }

    fn columns(&self, batch: &RecordBatch) -> Result<Vec<Column>, HistoryError> {
        let column = |(at, name): (usize, &String)| {
            let array: Option<ArrayRef> = match &self.decoder {
                Decoder::Csv { .. } => Some(Arc::clone(batch.column(at))),
                Decoder::Ndjson { .. } => resolve(batch, name),
            };
            array.map_or_else(|| Ok(Column::absent(batch.num_rows())), |array| Column::of(&array)).map_err(
                |source| HistoryError::Column { path: self.path.clone(), column: name.clone(), source },
            )
        };
        self.names.iter().enumerate().map(column).collect()
    }
}

/// Columns of text, those with a dot in their name within others.
fn nested(names: &[String]) -> Result<Schema, (String, String)> {
    #[derive(Default)]
    struct Node(BTreeMap<String, Node>);
    impl Node {
        fn fields(&self) -> Fields {
            let field = |(name, node): (&String, &Self)| {
                let kind = if node.0.is_empty() { DataType::Utf8 } else { DataType::Struct(node.fields()) };
                Field::new(name, kind, true)
            };
            self.0.iter().map(field).collect()
        }
    }
    for outer in names {
        let within =
            |inner: &&String| inner.strip_prefix(outer.as_str()).is_some_and(|rest| rest.starts_with('.'));
        if let Some(inner) = names.iter().find(within) {
            return Err((outer.clone(), inner.clone()));
        }
    }
    let mut root = Node::default();
    for name in names {
        let mut node = &mut root;
        for part in name.split('.') {
            node = node.0.entry(part.to_owned()).or_default();
        }
    }
    Ok(Schema::new(root.fields()))
}

impl Decoder {
    /// Decodes records: a batch of those that are rows, and for each its place in there or what is wrong with
    /// it.
    fn decode_all(
        &self,
        bytes: &[u8],
        parts: &[lists::Part],
    ) -> (Option<RecordBatch>, Vec<Result<usize, String>>) {
        if parts.iter().all(|part| part.fault().is_none())
            && let Ok(batch) = self.decode(bytes, parts)
        {
            return (Some(batch), (0..parts.len()).map(Ok).collect());
        }
        let (mut batches, mut cells) = (Vec::new(), Vec::new());
        for part in parts {
            let decoded = match part.fault() {
                Some(fault) => Err(fault),
                None => self.decode(bytes, std::slice::from_ref(part)),
            };
            cells.push(decoded.map(|batch| {
                batches.push(batch);
                batches.len() - 1
            }));
        }
        let batch = batches.first().and_then(|first| concat_batches(first.schema_ref(), &batches).ok());
        (batch, cells)
    }

    /// Decodes records that are expected to be rows.
    fn decode(&self, bytes: &[u8], parts: &[lists::Part]) -> Result<RecordBatch, String> {
        match self {
            Self::Csv { schema, projection, quoting } => {
                let reader = || {
                    arrow_csv::ReaderBuilder::new(Arc::clone(schema))
                        .with_delimiter(quoting.delimiter)
                        .with_quote(quoting.quote)
                        .with_projection(projection.clone())
                        // One more than there are shows a record that is two.
                        .with_batch_size(parts.len() + 1)
                };
                let rows = decode_csv(reader().build_decoder(), bytes, parts);
                match (rows, parts) {
                    // A carriage return that ends no row is a part of its cell: were it two rows, it would
                    // have too many.
                    (Err(fault), [one]) if holds_carriage_return(one, bytes) && schema.fields().len() > 1 => {
                        let reader = reader().with_terminator(b'\n');
                        decode_csv(reader.build_decoder(), bytes, parts).map_err(|_| fault)
                    }
                    (rows, _) => rows,
                }
            }
            Self::Ndjson { schema, names } => {
                let mut decoder = arrow_json::ReaderBuilder::new(Arc::clone(schema))
                    .with_coerce_primitive(true)
                    .with_batch_size(parts.len() + 1)
                    .build_decoder()
                    .map_err(told)?;
                for (index, lists::Part { record, .. }) in parts.iter().enumerate() {
                    let line = &bytes[record.bytes.clone()];
                    let taken = decoder.decode(line).map_err(told)?;
                    if decoder.has_partial_record() {
                        return Err("is no whole JSON object".to_owned());
                    }
                    if taken < line.len() || decoder.len() != index + 1 {
                        return Err("is not one JSON object".to_owned());
                    }
                    keys::check(line, schema.fields(), names)?;
                }
                same(decoder.flush().map_err(told)?, parts.len())
            }
        }
    }
}

fn decode_csv(
    mut decoder: arrow_csv::reader::Decoder,
    bytes: &[u8],
    parts: &[lists::Part],
) -> Result<RecordBatch, String> {
    for lists::Part { record, .. } in parts {
        let mut rest = &bytes[record.bytes.clone()];
        while !rest.is_empty() {
            let count = decoder.decode(rest).map_err(told)?;
            if count == 0 {
                return Err(more_than_one(&bytes[record.bytes.clone()]));
            }
            rest = &rest[count..];
        }
    }
    // As many rows as records, or lines and rows would not belong together.
    same(decoder.flush().map_err(told)?, parts.len())
}

fn holds_carriage_return(part: &lists::Part, bytes: &[u8]) -> bool {
    bytes[part.record.bytes.clone()].trim_ascii_end().contains(&b'\r')
}

/// What is wrong with a record that the decoder ends before its end.
fn more_than_one(record: &[u8]) -> String {
    let body = record.trim_ascii_end();
    if body.contains(&b'\r') {
        return "holds a carriage return outside quotes, which ends a row".to_owned();
    }
    "is more than one row".to_owned()
}

fn same(batch: Option<RecordBatch>, rows: usize) -> Result<RecordBatch, String> {
    match batch {
        Some(batch) if batch.num_rows() == rows => Ok(batch),
        Some(batch) => Err(format!("holds {} rows", batch.num_rows())),
        None => Err("holds no row".to_owned()),
    }
}

/// What arrow says, without the number of a line that it counted from this record.
#[expect(clippy::needless_pass_by_value, reason = "fits `map_err`")]
fn told(error: ArrowError) -> String {
    error.to_string().replace(" for line 1, expected", ", expected")
}
