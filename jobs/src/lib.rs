//! Spark plans, authored here and sent over Spark Connect, and the supervisor that keeps them running.
//!
//! A plan function takes a `DataFrame` to a `DataFrame` and does not know whether it streams: the streaming
//! job, reconciliation and the tests call the same one. This is the only crate that knows the Spark client.
//! The client blocks, so every call to it goes through [`spark`], never straight from an async task.

pub mod batch;
pub mod checked;
pub mod checkpoint;
mod closing;
pub mod control;
pub mod fingerprint;
mod finished_tasks;
pub mod lease;
pub mod measured;
pub mod metrics;
pub mod plans;
pub mod progress;
pub mod rebuild;
pub mod reconcile;
pub mod registered;
pub mod removal;
mod repair;
pub mod retention;
pub mod sink;
pub mod source;
pub mod spark;
pub mod supervisor;
pub mod unread;
pub mod visits;
