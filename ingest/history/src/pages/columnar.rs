//! Parquet: only the columns that the mapping names are read.

use std::path::PathBuf;

use arrow_schema::{DataType, Fields};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::cells::{Column, resolve};
use super::{PAGE_ROWS, Page, Row};
use crate::error::HistoryError;
use crate::file::Source;
use crate::mapping::Mapping;

pub(crate) struct ColumnarPages {
    builder: Option<ParquetRecordBatchReaderBuilder<std::fs::File>>,
    reader: Option<ParquetRecordBatchReader>,
    names: Vec<String>,
    path: PathBuf,
    size_rows: u64,
    /// Rows before the next page.
    read_to: u64,
}

impl ColumnarPages {
    pub(super) fn open(source: &Source, mapping: &Mapping) -> Result<Self, HistoryError> {
        let file = source.handle()?;
        let failed = |error| HistoryError::Parquet { path: source.path.clone(), row: 1, source: error };
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(failed)?;
        let fields = builder.schema().fields();
        let mut roots = Vec::new();
        for column in mapping.columns() {
            roots.push(root(fields, column).ok_or_else(|| HistoryError::NoColumn {
                path: source.path.clone(),
                column: column.clone(),
                known: fields.iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(", "),
            })?);
        }
        let size_rows = builder.metadata().file_metadata().num_rows().unsigned_abs();
        let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
        let builder = builder.with_projection(mask).with_batch_size(PAGE_ROWS);
        Ok(Self {
            builder: Some(builder),
            reader: None,
            names: mapping.columns().to_vec(),
            path: source.path.clone(),
            size_rows,
            read_to: 0,
        })
    }

    pub(super) const fn size_rows(&self) -> u64 {
        self.size_rows
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
        let Some(batch) = self.reader.as_mut().and_then(Iterator::next) else { return Ok(None) };
        let batch = batch.map_err(|source| HistoryError::Damaged { path: self.path.clone(), row, source })?;
        let columns = self.names.iter().map(|name| {
            let column = resolve(&batch, name)
                .map_or_else(|| Ok(Column::absent(batch.num_rows())), |array| Column::of(&array));
            column.map_err(|source| HistoryError::Column {
                path: self.path.clone(),
                column: name.clone(),
                source,
            })
        });
        let columns = columns.collect::<Result<_, _>>()?;
        let rows = (0..batch.num_rows()).map(|at| Row { line: row + at as u64, cells: Ok(at), bytes: 0..0 });
        self.read_to += batch.num_rows() as u64;
        Ok(Some(Page { rows: rows.collect(), columns, bytes: Vec::new(), read_to: self.read_to }))
    }
}

/// The outermost column that holds the one of a name.
fn root(fields: &Fields, name: &str) -> Option<usize> {
    if let Some((at, _)) = fields.find(name) {
        return Some(at);
    }
    let (outer, inner) = name.split_once('.')?;
    let (at, field) = fields.find(outer)?;
    match field.data_type() {
        DataType::Struct(fields) => root(fields, inner).map(|_| at),
        _ => None,
    }
}
