//! The line hop by hop: where events are, how old the newest are, and why a hop stands still.

pub(crate) mod advice;
mod ends;
mod freshness;
pub(crate) mod hops;
pub(crate) mod jobs;
pub(crate) mod ledger;
pub(crate) mod phases;
mod proof;
pub(crate) mod view;

pub(crate) use ends::{behind, behind_by_ends, kafka_ends, kafka_rate, under_replicated};
pub(crate) use freshness::freshness;
pub(crate) use proof::{differing, proof};
