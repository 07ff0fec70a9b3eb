//! What the end-to-end tests and the chaos command share: the line of processes, and the faults that befall
//! it.

#![expect(
    clippy::unwrap_used,
    reason = "a panic with its place is how a test reports; clippy spares only the test functions themselves"
)]

pub mod chaos;
pub mod support;
