//! The queries of the job, by the names that they have in PostgreSQL, in Spark and in reports.

use crate::family::{CUBE_FAMILY, FAMILIES_BESIDE};

/// Computes the cube.
pub const CUBE: &str = CUBE_FAMILY.name;
/// Counts for the ledger.
pub const LEDGER: &str = "ledger";
/// Publishes what was refused.
pub const REFUSALS: &str = "refusals";

/// All of them: the cube, those that account for records, and one a family beside it.
pub fn names() -> impl Iterator<Item = &'static str> {
    [CUBE, LEDGER, REFUSALS].into_iter().chain(FAMILIES_BESIDE.iter().map(|family| family.name))
}
