use std::path::PathBuf;

use contracts::printable::printable;

/// A mapping that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    /// The file cannot be read.
    #[error("cannot read the mapping {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// It is no TOML, or has a key that means nothing here.
    #[error("the mapping is refused")]
    Toml(#[from] toml::de::Error),
    /// A field that an event does not have.
    #[error("`fields.{}`: an event has no such field; it has {known}", printable(field))]
    UnknownField {
        field: String,
        /// Those there are.
        known: String,
    },
    /// Fields that every event has.
    #[error("no source for {}: every event has them; name a column of the file or a constant, as in event_name = {{ value = \"purchase\" }}", .0.join(", "))]
    MissingFields(Vec<&'static str>),
    /// A rule that contradicts itself or does not suit its field.
    #[error("`fields.{field}`: {what}")]
    Rule {
        field: &'static str,
        /// What is wrong.
        what: String,
    },
    /// What it says of whole records does not go together.
    #[error("`{key}`: {what}")]
    Whole {
        key: &'static str,
        /// What is wrong.
        what: String,
    },
    /// A time zone that is not known.
    #[error("{0:?} is not a time zone: use a name such as Europe/Berlin or an offset such as +02:00")]
    TimeZone(String),
    /// A delimiter or quote that is no single byte.
    #[error("`csv.{key}`: {value:?} is no ASCII character")]
    Csv {
        key: &'static str,
        /// What was given.
        value: char,
    },
    /// A source's name that would not do in ids and coordinates.
    #[error("{0:?} is not a name of a source: use 1 to 64 of a-z, 0-9, `_`, `-` and `.`")]
    SourceName(String),
    /// No source's name at all.
    #[error(
        "the mapping names no source and --source is not given: the ids of rows and the quarantine need a source"
    )]
    NoSource,
}
