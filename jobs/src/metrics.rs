//! The metrics: one pure plan function a family.

pub mod orders;
pub mod outcomes;
pub mod sessions;
pub mod windowed;

use contracts::family::{Family, Geometry};
use spark_connect_rs::{DataFrame, SparkError};

use crate::plans::Owned;

/// The rows of a family's tables, from its records: on a stream and in batch alike.
///
/// # Errors
/// When the server refuses the plan.
pub fn rows(
    records: &DataFrame,
    family: &Family,
    revision: i64,
    owned: Owned,
) -> Result<DataFrame, SparkError> {
    match family.geometry {
        Geometry::Windows { .. } => windowed::rows(records, family, revision, owned),
        Geometry::Sessions => sessions::rows(records, revision, owned),
        Geometry::Records => Ok(orders::rows(records, revision, owned)),
    }
}

/// What identifies the plan of a family: its generated SQL, without revision and owned windows.
pub(crate) fn identity(family: &Family) -> String {
    match family.geometry {
        Geometry::Windows { .. } => windowed::windowed_sql(windowed::Sets::Tables(family), 0),
        Geometry::Sessions => sessions::sessions_sql(0),
        Geometry::Records => orders::columns_sql(0).join(", "),
    }
}
