//! What operators have done: the job held and let go on, figures verified, an event traced, records judged
//! again, schemas registered, bytes shown, alerts silenced. Each has a row in the log of actions before it
//! begins and one after.
//!
//! What takes longer than a request is an [operation](operations): [runner] has one at a time go on, told
//! live on every page.

pub(crate) mod bytes;
mod checks;
mod deed;
pub(crate) mod dry_run;
pub(crate) mod forms;
pub(crate) mod job;
mod left;
pub(crate) mod log;
pub(crate) mod operations;
pub(crate) mod quarantine_replay;
pub(crate) mod register;
mod runner;
pub(crate) mod silences;

pub use checks::ThroughTheStore;
pub(crate) use checks::{trace, verify};
pub(crate) use deed::Deed;
pub(crate) use left::note as note_what_was_left;
