//! Parquet: only the columns that the mapping names are read.

mod strings;

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::builder::{UInt32Builder, UInt64Builder};
use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType, Field, Fields, Schema};
use arrow_select::take::take;
use contracts::printable::printable;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::basic::Type;

use super::cells::{Column, resolve};
use super::{PAGE_ROWS, Page, Row};
use crate::error::HistoryError;
use crate::file::Source;
use crate::mapping::{Mapping, Origin};
use crate::time::Zone;

pub(crate) struct ColumnarPages {
    builder: Option<ParquetRecordBatchReaderBuilder<std::fs::File>>,
    reader: Option<ParquetRecordBatchReader>,
    names: Vec<String>,
    path: PathBuf,
    known: Vec<String>,
    /// The list of which each element is a row.
    lines: Option<String>,
    size_rows: u64,
    /// Rows before the next page.
    read_to: u64,
    /// To be opened again, where strings hold what is no UTF-8; nothing once it was.
    again: Option<(std::fs::File, Arc<Schema>, Vec<usize>)>,
}

impl ColumnarPages {
    pub(super) fn open(source: &Source, mapping: &Mapping) -> Result<Self, HistoryError> {
        let file = source.handle()?;
        let failed = |error| HistoryError::Parquet { path: source.path.clone(), row: 1, source: error };
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(failed)?;
        let fields = builder.schema().fields();
        let known: Vec<String> = fields.iter().map(|field| field.name().clone()).collect();
        let lines = mapping.shape().lines.clone();
        if let Some(list) =
            lines.iter().chain(mapping.shape().pairs.iter().map(|(list, _)| list)).find(|list| {
                lines.as_ref() != Some(list)
                    || !fields.find(list).is_some_and(|(_, field)| is_list(field.data_type()))
            })
        {
            return Err(HistoryError::NotUnfolded { path: source.path.clone(), list: list.clone() });
        }
        if let Some(column) = undecided_times(&builder, mapping) {
            return Err(HistoryError::UndecidedTimes { path: source.path.clone(), column });
        }
        let mut roots = Vec::new();
        for column in mapping.columns() {
            if known.iter().filter(|name| *name == column).count() > 1 {
                return Err(HistoryError::TwoColumns { path: source.path.clone(), column: column.clone() });
            }
            roots.push(match root(fields, column, lines.as_deref()) {
                Ok(root) => root,
                Err(Some(list)) => {
                    return Err(HistoryError::List {
                        path: source.path.clone(),
                        column: column.clone(),
                        list,
                    });
                }
                Err(None) => {
                    return Err(HistoryError::NoColumn {
                        path: source.path.clone(),
                        column: column.clone(),
                        known: printable(&known.join(", ")),
                    });
                }
            });
        }
        // Elements are counted even where no column is of them.
        roots.extend(lines.as_ref().and_then(|list| Some(fields.find(list)?.0)));
        let size_rows = builder.metadata().file_metadata().num_rows().unsigned_abs();
        let again = Some((source.handle()?, Arc::clone(builder.schema()), roots.clone()));
        let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
        let builder = builder.with_projection(mask).with_batch_size(PAGE_ROWS);
        Ok(Self {
            builder: Some(builder),
            reader: None,
            names: mapping.columns().to_vec(),
            path: source.path.clone(),
            known,
            lines,
            size_rows,
            read_to: 0,
            again,
        })
    }

    pub(super) const fn size_rows(&self) -> u64 {
        self.size_rows
    }

    pub(super) fn known(&self) -> &[String] {
        &self.known
    }

    /// Passes over rows without decoding them; only before the first page.
    pub(super) fn skip(&mut self, rows: u64) -> Result<(), HistoryError> {
        let offset = usize::try_from(rows).unwrap_or(usize::MAX);
        self.builder = self.builder.take().map(|builder| builder.with_offset(offset));
        self.read_to = rows;
        Ok(())
    }

    pub(super) fn next(&mut self) -> Result<Option<Page>, HistoryError> {
        let row = self.read_to + 1;
        if let Some(builder) = self.builder.take() {
            let failed = |source| HistoryError::Parquet { path: self.path.clone(), row, source };
            self.reader = Some(builder.build().map_err(failed)?);
        }
        let Some(mut batch) = self.reader.as_mut().and_then(Iterator::next) else { return Ok(None) };
        if batch.as_ref().is_err_and(|error| error.to_string().to_lowercase().contains("utf"))
            && let Some(again) = self.next_as_bytes()
        {
            batch = Ok(again);
        }
        let batch = batch.map_err(|source| HistoryError::Damaged { path: self.path.clone(), row, source })?;
        let size = batch.num_rows() as u64;
        let (batch, places) = match &self.lines {
            None => (batch, None),
            Some(list) => {
                let unfolded = unfold(&batch, list);
                let (batch, places) = unfolded.map_err(|source| HistoryError::Damaged {
                    path: self.path.clone(),
                    row,
                    source,
                })?;
                (batch, Some(places))
            }
        };
        let columns = self.names.iter().map(|name| {
            let column = resolve(&batch, name)
                .map_or_else(|| Ok(Column::absent(batch.num_rows())), |array| Column::of(&array));
            column.map_err(|source| HistoryError::Column {
                path: self.path.clone(),
                column: name.clone(),
                source,
            })
        });
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let place = |at: usize| places.as_ref().map_or((at as u64, 0), |places| places[at]);
        let mut rows: Vec<Row> = (0..batch.num_rows())
            .map(|at| {
                let (before, part) = place(at);
                Row { line: row + before, part, cells: Ok(at), is_marked: false, bytes: 0..0 }
            })
            .collect();
        for column in &columns {
            for at in column.marked() {
                rows[*at].is_marked = true;
            }
        }
        self.read_to += size;
        Ok(Some(Page { rows, columns, bytes: Vec::new(), is_json: false, read_to: self.read_to }))
    }

    /// The next rows by a reader that takes strings for bytes, once; nothing where that fails too, since the
    /// file is damaged.
    fn next_as_bytes(&mut self) -> Option<RecordBatch> {
        let (file, schema, roots) = self.again.take()?;
        let builder = strings::as_bytes(file, &schema).ok()?;
        let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
        let offset = usize::try_from(self.read_to).ok()?;
        let builder = builder.with_projection(mask).with_batch_size(PAGE_ROWS).with_offset(offset);
        let mut reader = builder.build().ok()?;
        let batch = reader.next()?.ok()?;
        self.reader = Some(reader);
        Some(batch)
    }
}

/// A column of times in Parquet's old form, which are UTC by Spark and Hive and local by others, where the
/// mapping's zone would decide it without being asked.
fn undecided_times(
    builder: &ParquetRecordBatchReaderBuilder<std::fs::File>,
    mapping: &Mapping,
) -> Option<String> {
    let old =
        builder.parquet_schema().columns().iter().filter(|column| column.physical_type() == Type::INT96);
    let old: Vec<String> = old.map(|column| column.path().string()).collect();
    let rules = mapping.rules().iter().filter(|rule| {
        rule.time.as_ref().is_some_and(|time| !time.has_own_zone && time.zone != Zone::Named(chrono_tz::UTC))
    });
    let mut columns = rules.filter_map(|rule| match &rule.from {
        Origin::Columns(columns) => Some(&mapping.columns()[*columns.first()?]),
        Origin::Constant(_) => None,
    });
    columns.find(|column| old.contains(column)).cloned()
}

/// A row for each element of a list, which takes its place; and for each the row that it is of, and which
/// element it is.
fn unfold(batch: &RecordBatch, list: &str) -> Result<(RecordBatch, Vec<(u64, u32)>), ArrowError> {
    let at = batch.schema().index_of(list)?;
    let lists = cast(batch.column(at), &large(batch.column(at).data_type()))?;
    let lists = lists.as_list::<i64>();
    let (mut rows, mut elements, mut places) = (UInt32Builder::new(), UInt64Builder::new(), Vec::new());
    for (row, number) in (0..batch.num_rows()).zip(0u32..) {
        let range = if lists.is_null(row) {
            0..0
        } else {
            lists.value_offsets()[row]..lists.value_offsets()[row + 1]
        };
        if range.is_empty() {
            rows.append_value(number);
            elements.append_null();
            places.push((u64::from(number), 0));
        }
        for (element, part) in range.zip(1u32..) {
            rows.append_value(number);
            elements.append_value(element.unsigned_abs());
            places.push((u64::from(number), part));
        }
    }
    let (rows, elements) = (rows.finish(), elements.finish());
    let mut columns = Vec::new();
    for (index, column) in batch.columns().iter().enumerate() {
        columns.push(if index == at {
            take(lists.values(), &elements, None)?
        } else {
            take(column, &rows, None)?
        });
    }
    let schema = batch.schema();
    let fields = schema.fields().iter().zip(&columns);
    let fields: Fields =
        fields.map(|(field, column)| Field::new(field.name(), column.data_type().clone(), true)).collect();
    Ok((RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?, places))
}

const fn is_list(kind: &DataType) -> bool {
    matches!(kind, DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..))
}

fn large(kind: &DataType) -> DataType {
    match kind {
        DataType::List(field) | DataType::LargeList(field) | DataType::FixedSizeList(field, _) => {
            DataType::LargeList(Arc::clone(field))
        }
        other => other.clone(),
    }
}

/// The outermost column that holds the one of a name; else the list that it would lead through.
fn root(fields: &Fields, name: &str, lines: Option<&str>) -> Result<usize, Option<String>> {
    if let Some((at, field)) = fields.find(name) {
        let is_refused = is_list(field.data_type()) && lines != Some(name);
        return if is_refused { Err(Some(name.to_owned())) } else { Ok(at) };
    }
    let (outer, inner) = name.split_once('.').ok_or(None)?;
    let (at, field) = fields.find(outer).ok_or(None)?;
    match field.data_type() {
        DataType::Struct(fields) => match root(fields, inner, None) {
            Ok(_) => Ok(at),
            Err(list) => Err(list.map(|list| format!("{outer}.{list}"))),
        },
        DataType::List(element) | DataType::LargeList(element) | DataType::FixedSizeList(element, _) => {
            match element.data_type() {
                _ if lines != Some(outer) => Err(Some(outer.to_owned())),
                DataType::Struct(fields) => root(fields, inner, None).map(|_| at),
                _ => Err(None),
            }
        }
        _ => Err(None),
    }
}
