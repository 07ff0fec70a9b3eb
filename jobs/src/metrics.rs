//! The metrics: one pure plan function a family.

pub mod cube;
pub mod ledger;
