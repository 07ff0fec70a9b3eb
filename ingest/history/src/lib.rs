//! Past events of a shop, from its own files.
//!
//! A file (Parquet, CSV or NDJSON) is read page by page; a [`Mapping`] says which of its columns become which
//! of our fields. What it gives is the form of [`ingest::source::draft`], so that each row is typed and
//! judged by the rules that all events are judged by, and committed by the COPY path that all events take.
//! There is no rule here about what an event may be.
//!
//! - **A row has one id, for ever.** By the file's own id where the mapping names one, re-keyed as
//!   everywhere; else from what stands in the row (`content`). The same bytes again, or rows that an
//!   overlapping export repeats, are found by the key of `raw.events`.
//! - **How far a file was read is committed with its rows**, under the digest of its bytes and that of the
//!   mapping. A replay that died goes on exactly there; a file that is done is passed over, under whatever
//!   name.
//! - **What does not pass is kept**: the row as it stands in the file, with file, line and typed reason, in
//!   `raw.quarantine`. When a better mapping lets it pass later, its row there says so.
//! - **A mapping that gives other ids to rows that came in before is refused**: they would count twice.
//!
//! Past events are late, so the stream leaves them to reconciliation; [`Replayed::windows`] are the windows
//! to reconcile.
//!
//! [`replay()`] stores; [`check()`] only says what would become of a file.

#[cfg(test)]
mod accounted;
mod check;
mod content;
mod error;
#[cfg(test)]
mod examples;
mod file;
mod mapping;
mod notes;
mod orders;
mod pages;
mod replay;
mod time;
mod translate;
mod value;

pub use check::{Checked, Outcome, check};
pub use error::HistoryError;
pub use mapping::{Format, Mapping, MappingError, SourceName};
pub use notes::{Notes, Sales};
pub use replay::{Progress, Replayed, Shop, replay};
pub use translate::Example;
