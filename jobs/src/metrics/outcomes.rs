//! What became of each record in Kafka, counted for the ledger apart from the cube.
//!
//! The query judges all records again by [`checked`] and counts them by minute and outcome. What passes is
//! counted in the minute of its `ingested_at`, by which state is evicted. What is refused has no time that
//! could be trusted: it counts in the minute of its Kafka record, which a foreign producer chooses. Such a
//! time must neither move the watermark nor be dropped by it, so the minute that carries the watermark is
//! null there, and the state of refusals, one row per minute and reason in which there were any, is kept.

use contracts::cube::{CUBE, REVISION_STEP};
use contracts::lateness::WATERMARK_DELAY_MIN;
use contracts::ledger::{JUDGED_COUNTS, LEDGER};
use spark_connect_rs::{DataFrame, SparkError};

use crate::checked::{self, Expected, Judge, REFUSED_MINUTE};

/// The view the generated SQL reads.
const VIEW: &str = "storepulse_ledger_outcomes";

/// Counts Kafka records by minute and outcome, as rows of [`JUDGED_COUNTS`] with `route` and `write_time`.
///
/// # Errors
/// When the server refuses the view or the query.
pub fn counts(
    records: &DataFrame,
    expected: &Expected,
    judge: Judge,
    revision: i64,
) -> Result<DataFrame, SparkError> {
    let outcomes = checked::outcomes(records, expected, judge)
        .with_watermark(LEDGER.ingested_minute.name(), &format!("{WATERMARK_DELAY_MIN} minutes"));
    outcomes.create_or_replace_temp_view(VIEW)?;
    records.spark_session().sql(&counts_sql(revision))
}

/// The generated query; the fingerprint covers it.
pub(crate) fn counts_sql(revision: i64) -> String {
    let (ingested, outcome, records) = (LEDGER.ingested_minute, LEDGER.outcome, LEDGER.records);
    let minute = CUBE.minute;
    format!(
        "select '{route}' as {route_column}, cast({minute} as date) as {day}, {minute}, {outcome}, {records}, \
         unix_micros({minute}) + {revision}L + {records} as {version} from (\
         select coalesce({ingested}, {REFUSED_MINUTE}) as {minute}, {outcome}, {records} from (\
         select {ingested}, {REFUSED_MINUTE}, {outcome}, count(1) as {records} from {VIEW} \
         group by {ingested}, {REFUSED_MINUTE}, {outcome}))",
        route = JUDGED_COUNTS.name,
        route_column = CUBE.route,
        day = CUBE.day,
        revision = revision * REVISION_STEP,
        version = CUBE.write_time,
    )
}
