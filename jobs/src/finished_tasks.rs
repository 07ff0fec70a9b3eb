//! How many tasks of each streaming query have finished, as our jar on the server counts them.

use std::collections::BTreeMap;

use spark_connect_rs::row::Value;
use spark_connect_rs::{SparkError, SparkSession};

/// The data source's short name, as registered in the jar.
const FORMAT: &str = "storepulse-finished-tasks";

/// The tasks that finished since each query was started, by the query's id. The driver answers without a job.
///
/// # Errors
/// When the server does not answer, or has a jar that does not count.
pub(crate) fn ask(session: &SparkSession) -> Result<BTreeMap<String, i64>, SparkError> {
    let rows = session.read().format(FORMAT).load(None).collect()?;
    let counts = rows.iter().filter_map(|row| {
        match (row.get_by_name("query_id")?, row.get_by_name("finished_tasks")?) {
            (Value::String(query), Value::Long(finished)) => Some((query.clone(), *finished)),
            _ => None,
        }
    });
    Ok(counts.collect())
}

/// Whether the server has a jar from before it counted: everything else about it may be well.
pub(crate) fn is_unknown(error: &SparkError) -> bool {
    error.to_string().contains(FORMAT)
}
