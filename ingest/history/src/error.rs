use std::path::PathBuf;

use ingest::store::StoreError;

use crate::mapping::MappingError;

/// Why a file could not be replayed to its end. What was committed before stays, and running it again goes on
/// from there.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The mapping cannot be used.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// Its name does not tell what it is.
    #[error("{} is neither .csv, .tsv, .ndjson, .jsonl nor .parquet: name its `format` in the mapping", path.display())]
    UnknownFormat { path: PathBuf },
    /// A column of the mapping that the file does not have.
    #[error("{} has no column {column:?}, which the mapping names; it has {known}", path.display())]
    NoColumn {
        path: PathBuf,
        column: String,
        /// Those there are.
        known: String,
    },
    /// A column that is to hold a value and others at once.
    #[error("{}: the mapping names {inner:?} within {outer:?} and {outer:?} itself", path.display())]
    WithinValue {
        path: PathBuf,
        outer: String,
        /// A column inside of it.
        inner: String,
    },
    /// A column whose type has no text.
    #[error("{}: column {column:?} cannot be read as a value", path.display())]
    Column {
        path: PathBuf,
        column: String,
        #[source]
        source: arrow_schema::ArrowError,
    },
    /// A column that is there twice, so that nobody can tell which is meant.
    #[error("{} has two columns {column:?}, which the mapping names: rename one of them", path.display())]
    TwoColumns { path: PathBuf, column: String },
    /// The mapping names a value, and there is a list.
    #[error(
        "{} holds a list at {list:?}, of which the mapping names {column:?}: `lines = {list:?}` at the head of the mapping makes a row of \
         each element, and `pairs = {{ {list:?} = \"key\" }}` reads a list of named values", path.display()
    )]
    List {
        path: PathBuf,
        column: String,
        /// Where the list stands.
        list: String,
    },
    /// A list that cannot be unfolded in this format.
    #[error(
        "{}: {list:?} is not a list of values at the outermost level; in Parquet, only such a list can be unfolded",
        path.display()
    )]
    NotUnfolded {
        path: PathBuf,
        /// Where the list would stand.
        list: String,
    },
    /// Times of which the file does not say what they are.
    #[error(
        "{} holds {column:?} as INT96, which is UTC as Spark and Hive write it and local as others do: name the field's own \
         `timezone`, as in {{ column = {column:?}, timezone = \"UTC\" }}", path.display()
    )]
    UndecidedTimes { path: PathBuf, column: String },
    /// It is JSON, and not a record on each line.
    #[error(
        "{} is {what}, and not a record on each line: convert it, for example by `{conversion}`, and replay the copy",
        path.display()
    )]
    WholeJson {
        path: PathBuf,
        /// What it is instead.
        what: &'static str,
        /// The command that makes records of it.
        conversion: String,
    },
    /// It is no text, though its ending says so.
    #[error("{} is not text but {what}", path.display())]
    NoText {
        path: PathBuf,
        /// What it is, and what to do.
        what: &'static str,
    },
    /// It is text in another encoding.
    #[error(
        "{} is encoded in {encoding}, but only UTF-8 can be read: convert the file, for example by `{conversion}`, \
         and replay the copy",
        path.display()
    )]
    Encoding {
        path: PathBuf,
        /// In which, as far as its bytes tell.
        encoding: &'static str,
        /// A command that makes a copy in UTF-8.
        conversion: String,
    },
    /// The line that names the columns is damaged.
    #[error("the header of {}, on line {line}, cannot be read: {fault}; is it of another format?", path.display())]
    BadHeader {
        path: PathBuf,
        line: u64,
        /// What is wrong.
        fault: String,
    },
    /// The header of a CSV file is none.
    #[error("{} has no header", path.display())]
    Header {
        path: PathBuf,
        #[source]
        source: arrow_schema::ArrowError,
    },
    /// It is no Parquet file, or a damaged one.
    #[error("{} cannot be read as Parquet, from row {row} on", path.display())]
    Parquet {
        path: PathBuf,
        /// The first row that could not be read, from 1.
        row: u64,
        #[source]
        source: parquet::errors::ParquetError,
    },
    /// A part of a Parquet file is damaged.
    #[error("{} is damaged from row {row} on", path.display())]
    Damaged {
        path: PathBuf,
        /// The first row that could not be read, from 1.
        row: u64,
        #[source]
        source: arrow_schema::ArrowError,
    },
    /// PostgreSQL stayed away or refused.
    #[error("past events could not be stored")]
    Store(#[from] StoreError),
    /// The thread that reads has failed.
    #[error("{} could not be read, which is a defect", path.display())]
    Reader {
        path: PathBuf,
        #[source]
        source: tokio::task::JoinError,
    },
}

impl HistoryError {
    /// Whether the file or the mapping must change first: the same command again would end the same way.
    #[must_use]
    pub const fn wants_a_change(&self) -> bool {
        !matches!(self, Self::Read { .. } | Self::Reader { .. } | Self::Store(_))
            || matches!(self, Self::Store(StoreError::OtherIds { .. }))
    }
}
