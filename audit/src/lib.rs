//! Checks the rest by other means: what the tables should hold is computed again, from the raw rows.
//!
//! Nothing here knows the plans. [`verify`](verify()) reads `raw.events` with SQL of its own and Cassandra as
//! any reader would, and compares row by row; [`Closed`] does the same for closed windows with late records;
//! [`ledger`](ledger()) brings together what each stage counted and compares that; [`figures`] reads back the
//! leading figures for people; [`doctor`] follows one event through the live system.

mod checkpoint;
mod closed;
mod compare;
pub mod doctor;
mod error;
mod estimate;
mod excuse;
mod expected;
pub mod figures;
mod ledger;
mod motion;
mod progress;
mod recorded;
mod report;
mod row;
mod snapshot;
mod stored;
mod verify;

pub use checkpoint::{CheckpointDirectory, Checkpoints, SparkProgress, checkpoints_in_force};
pub use closed::Closed;
pub use error::VerifyError;
pub use ledger::{
    Counts, Imbalance, JudgedMinute, LedgerOptions, LedgerReport, Minute, Span, Stage, judge as judge_minute,
    ledger,
};
pub use report::{Deviation, Difference, DifferenceKind, MIN_FIGURES_FOR_A_MEAN, Report, TableReport};
pub use row::{Figure, Key};
pub use snapshot::{Phase, Progress};
pub use stored::{decimal, dimension_value};
pub use verify::{Options, verify};
