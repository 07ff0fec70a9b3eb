//! CSV and NDJSON: records decoded by arrow, many at once, and one by one where that fails.

use std::collections::BTreeMap;
use std::io::{BufReader, Read};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_csv::reader::Format as CsvFormat;
use arrow_schema::{ArrowError, DataType, Field, Fields, Schema, SchemaRef};
use arrow_select::concat::concat_batches;

use super::cells::{Column, resolve};
use super::records::{MAX_RECORD_BYTES, Quoting, Record, RecordError, Records};
use super::{PAGE_ROWS, Page, Row};
use crate::error::HistoryError;
use crate::file::Source;
use crate::mapping::Mapping;

/// Bytes of one page at most, but for its last record.
const PAGE_BYTES: usize = 4 << 20;
const READ_BYTES: usize = 256 << 10;

type Input = BufReader<Box<dyn Read + Send>>;

pub(crate) struct TextPages {
    records: Records<Input>,
    decoder: Decoder,
    names: Vec<String>,
    path: std::path::PathBuf,
    size_bytes: u64,
}

/// How records become columns of text. Numbers stay as they are written, so that no price goes through a float.
enum Decoder {
    Csv { schema: SchemaRef, projection: Vec<usize>, quoting: Quoting },
    Ndjson { schema: SchemaRef },
}

impl TextPages {
    pub(super) fn csv(source: &Source, mapping: &Mapping) -> Result<Self, HistoryError> {
        let quoting = Quoting { delimiter: source.delimiter, quote: mapping.csv().quote };
        let mut pages = Self::new(source, mapping, Some(quoting))?;
        let mut header = Vec::new();
        // An empty file has no header, and that is what the error says.
        pages.record(&mut header)?;
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
                known: known.join(", "),
            })?;
            projection.push(at);
        }
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
        pages.decoder = Decoder::Ndjson { schema: Arc::new(schema) };
        Ok(pages)
    }

    fn new(source: &Source, mapping: &Mapping, quoting: Option<Quoting>) -> Result<Self, HistoryError> {
        let input: Box<dyn Read + Send> = Box::new(source.bytes()?);
        Ok(Self {
            records: Records::new(BufReader::with_capacity(READ_BYTES, input), quoting),
            decoder: Decoder::Ndjson { schema: Arc::new(Schema::empty()) },
            names: mapping.columns().to_vec(),
            path: source.path.clone(),
            size_bytes: source.size_bytes,
        })
    }

    pub(super) const fn size_bytes(&self) -> u64 {
        self.size_bytes
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
        self.records.next(buffer).map_err(|error| match error {
            RecordError::Io(source) => HistoryError::Read { path: self.path.clone(), source },
            RecordError::TooLong { line } => {
                HistoryError::TooLong { path: self.path.clone(), line, max_bytes: MAX_RECORD_BYTES }
            }
        })
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
        let (batch, cells) = self.decoder.decode_all(&bytes, &records);
        let columns = match batch {
            Some(batch) => self.columns(&batch)?,
            None => vec![Column::absent(0); self.names.len()],
        };
        let rows = records.into_iter().zip(cells);
        let rows =
            rows.map(|(record, cells)| Row { line: record.line, cells, bytes: record.bytes }).collect();
        Ok(Some(Page { rows, columns, bytes, read_to: self.records.read_bytes() }))
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
    /// Decodes records: a batch of those that are rows, and for each its place in there or what is wrong with it.
    fn decode_all(
        &self,
        bytes: &[u8],
        records: &[Record],
    ) -> (Option<RecordBatch>, Vec<Result<usize, String>>) {
        if !records.iter().any(|record| record.unclosed)
            && let Ok(batch) = self.decode(bytes, records)
        {
            return (Some(batch), (0..records.len()).map(Ok).collect());
        }
        let (mut batches, mut cells) = (Vec::new(), Vec::new());
        for record in records {
            let decoded = match record.unclosed {
                true => Err("a quote has no end".to_owned()),
                false => self.decode(bytes, std::slice::from_ref(record)),
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
    fn decode(&self, bytes: &[u8], records: &[Record]) -> Result<RecordBatch, String> {
        match self {
            Self::Csv { schema, projection, quoting } => {
                let mut decoder = arrow_csv::ReaderBuilder::new(Arc::clone(schema))
                    .with_delimiter(quoting.delimiter)
                    .with_quote(quoting.quote)
                    .with_projection(projection.clone())
                    // One more than there are shows a record that is two.
                    .with_batch_size(records.len() + 1)
                    .build_decoder();
                for record in records {
                    let mut rest = &bytes[record.bytes.clone()];
                    while !rest.is_empty() {
                        let count = decoder.decode(rest).map_err(told)?;
                        if count == 0 {
                            return Err("is more than one row".to_owned());
                        }
                        rest = &rest[count..];
                    }
                }
                // As many rows as records, or lines and rows would not belong together.
                same(decoder.flush().map_err(told)?, records.len())
            }
            Self::Ndjson { schema } => {
                let mut decoder = arrow_json::ReaderBuilder::new(Arc::clone(schema))
                    .with_coerce_primitive(true)
                    .with_batch_size(records.len() + 1)
                    .build_decoder()
                    .map_err(told)?;
                for (index, record) in records.iter().enumerate() {
                    let line = &bytes[record.bytes.clone()];
                    let taken = decoder.decode(line).map_err(told)?;
                    if decoder.has_partial_record() {
                        return Err("is no whole JSON object".to_owned());
                    }
                    if taken < line.len() || decoder.len() != index + 1 {
                        return Err("is not one JSON object".to_owned());
                    }
                }
                same(decoder.flush().map_err(told)?, records.len())
            }
        }
    }
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
