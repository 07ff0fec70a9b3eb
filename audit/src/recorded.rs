//! The verdicts as they are kept in `ops.verification`, for people to look back at.
//!
//! A verdict that could not be written stands all the same: that is told and changes nothing.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};
use tokio_postgres::Client;
use tokio_postgres::types::{Json, Type};

use crate::ledger::counts::Stage;
use crate::ledger::report::LedgerReport;
use crate::report::Report;

/// How many differences are kept of one verdict.
const DIFFERENCES: usize = 100;
/// How many verdicts are kept.
const VERDICTS: i64 = 1_000;
/// How long writing may take.
const PATIENCE: Duration = Duration::from_secs(10);

const INSERT: &str = "
    insert into ops.verification (kind, family, started_at, snapshot_at, passed, compared, differences, differing, \
        late_outstanding, open_rows, deferred_rows, by_whom)
    values ($1, $2, clock_timestamp() - make_interval(secs => $3), $4, $5, $6, $7, $8, $9, $10, $11, $12)";

const PRUNE: &str = "
    delete from ops.verification where verification_id <= (
        select verification_id from ops.verification order by verification_id desc offset $1 limit 1)";

#[derive(Debug, PartialEq)]
pub(crate) struct Verdict {
    kind: &'static str,
    /// The one family that was looked at.
    family: Option<&'static str>,
    snapshot_at: DateTime<Utc>,
    passed: bool,
    compared: Map<String, Value>,
    differences: Vec<Value>,
    differing: usize,
    late_outstanding: i64,
    open_rows: usize,
    deferred_rows: usize,
}

impl Verdict {
    /// Of the tables.
    pub(crate) fn of_tables(report: &Report, family: Option<&'static str>) -> Self {
        let compared = report.tables.iter().map(|table| {
            let rows = table.rows_verified + table.rows_differing;
            (table.table.to_owned(), rows.into())
        });
        // A biased estimator is no row's fault.
        let biased = report.deviations.iter().filter(|deviation| !deviation.is_acceptable());
        let differences = report
            .differences
            .iter()
            .map(|difference| difference_json(difference.table, &difference.key, &difference.kind))
            .chain(biased.clone().map(|deviation| difference_json("", "", &deviation)));
        Self {
            kind: "verify",
            family,
            snapshot_at: report.snapshot_at,
            passed: report.passed(),
            compared: compared.collect(),
            differences: differences.take(DIFFERENCES).collect(),
            differing: report.differences.len() + biased.count(),
            late_outstanding: report.late_events,
            open_rows: report.open_sessions + report.moving_rows,
            deferred_rows: report.deferred_rows,
        }
    }

    /// Of the ledger.
    pub(crate) fn of_ledger(report: &LedgerReport) -> Self {
        let compared = Stage::ALL.map(|stage| {
            let counts = report.total(stage);
            let minutes = report.minutes.iter().filter(|minute| minute.stages().any(|of| of == stage));
            let counts = json!({
                "minutes": minutes.count(), "in": counts.records_in, "out": counts.records_out,
                "repeated": counts.repeated, "late": counts.late, "quarantined": counts.quarantined,
                "repaired": counts.repaired, "other": counts.other,
            });
            (stage.name().to_owned(), counts)
        });
        let differences = report.minutes.iter().flat_map(|minute| {
            let at = minute.start.to_rfc3339_opts(SecondsFormat::Secs, true);
            minute.imbalances.iter().map(move |imbalance| difference_json("pipeline_ledger", &at, imbalance))
        });
        let spark = report.total(Stage::Spark);
        Self {
            kind: "ledger",
            family: None,
            snapshot_at: report.read_at,
            passed: report.balances(),
            compared: compared.into_iter().collect(),
            differing: differences.clone().count(),
            differences: differences.take(DIFFERENCES).collect(),
            late_outstanding: spark.late - spark.repaired,
            open_rows: report.open,
            deferred_rows: 0,
        }
    }

    /// Keeps it, `took` after the check began.
    pub(crate) async fn record(self, client: &Client, took: Duration) {
        let written = tokio::time::timeout(PATIENCE, self.write(client, took)).await;
        let why = match &written {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string),
            Err(_) => format!("postgresql did not answer within {} s", PATIENCE.as_secs()),
        };
        tracing::warn!(why, "the verdict stands but is not recorded in ops.verification");
    }

    async fn write(&self, client: &Client, took: Duration) -> Result<(), tokio_postgres::Error> {
        let count = |rows: usize| i64::try_from(rows).unwrap_or(i64::MAX);
        client
            .execute_typed(
                INSERT,
                &[
                    (&self.kind, Type::TEXT),
                    (&self.family, Type::TEXT),
                    (&took.as_secs_f64(), Type::FLOAT8),
                    (&self.snapshot_at, Type::TIMESTAMPTZ),
                    (&self.passed, Type::BOOL),
                    (&Json(&self.compared), Type::JSONB),
                    (&Json(&self.differences), Type::JSONB),
                    (&count(self.differing), Type::INT8),
                    (&self.late_outstanding, Type::INT8),
                    (&count(self.open_rows), Type::INT8),
                    (&count(self.deferred_rows), Type::INT8),
                    (&contracts::process_name::this(), Type::TEXT),
                ],
            )
            .await?;
        client.execute_typed(PRUNE, &[(&VERDICTS, Type::INT8)]).await.map(drop)
    }
}

fn difference_json(table: &str, row: &(impl ToString + ?Sized), text: &(impl ToString + ?Sized)) -> Value {
    // The one character that PostgreSQL's text has no room for.
    let clean = |text: String| text.replace('\0', "");
    json!({ "table": table, "row": clean(row.to_string()), "text": clean(text.to_string()) })
}

#[cfg(test)]
mod tests {
    use contracts::family::CUBE_FAMILY;

    use super::*;
    use crate::ledger::{Imbalance, JudgedMinute, Minute};
    use crate::report::{Deviation, Difference, DifferenceKind, TableReport};
    use crate::row::Key;

    fn report(differences: usize) -> Report {
        let at = |minute: usize| DateTime::from_timestamp(i64::try_from(minute).unwrap() * 60, 0).unwrap();
        let table = &CUBE_FAMILY.tables[0];
        let difference = |minute| Difference {
            table: table.table,
            key: Key::of(table, at(minute), Vec::new()),
            kind: DifferenceKind::Missing,
        };
        Report {
            snapshot_at: at(9),
            tables: vec![TableReport { table: table.table, rows_verified: 40, rows_differing: differences }],
            events_verified: 10,
            rows_verified: 40,
            late_events: 3,
            open_sessions: 1,
            moving_rows: 1,
            deferred_rows: 1,
            deviations: Vec::new(),
            differences: (0..differences).map(difference).collect(),
            waited: Duration::ZERO,
        }
    }

    #[test]
    fn a_verdict_over_tables_keeps_the_first_differences_and_counts_all() {
        let verdict = Verdict::of_tables(&report(250), Some("cube"));
        assert_eq!((verdict.passed, verdict.differing, verdict.differences.len()), (false, 250, 100));
        assert_eq!(verdict.compared["activity_by_minute"], 290);
        let row = json!({
            "table": "activity_by_minute", "row": "1970-01-01T00:00:00Z", "text": "the row is missing",
        });
        assert_eq!(verdict.differences[0], row);
        assert_eq!((verdict.late_outstanding, verdict.open_rows, verdict.deferred_rows), (3, 2, 1));
        assert!(Verdict::of_tables(&report(0), None).passed);
    }

    #[test]
    fn a_biased_estimator_is_among_the_differences() {
        let mut deviation = Deviation::of("users");
        (0..crate::report::MIN_FIGURES_FOR_A_MEAN).for_each(|_| deviation.add(1_000, 1_100));
        let verdict = Verdict::of_tables(&Report { deviations: vec![deviation], ..report(0) }, None);
        assert_eq!((verdict.passed, verdict.differing), (false, 1));
        let text = verdict.differences[0]["text"].as_str().unwrap();
        assert!(text.starts_with("users: the mean error of 30 estimates is 0.1"), "{text}");
    }

    #[test]
    fn a_verdict_over_the_ledger_names_minutes_and_stages() {
        let start = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let off = Imbalance::Between { stage: Stage::Relay, taken: 1, before: Stage::Store, given: 2 };
        let mut counts = Minute::default();
        (counts.spark.late, counts.spark.repaired, counts.store.records_in) = (5, 2, 7);
        let minute = JudgedMinute { start, closed: true, streamed: true, counts, imbalances: vec![off] };
        // Of before a generation: not through relay and stream.
        let before = JudgedMinute { streamed: false, imbalances: Vec::new(), ..minute };
        let report = LedgerReport { read_at: start, open: 1, minutes: vec![before, minute] };
        let verdict = Verdict::of_ledger(&report);
        assert_eq!((verdict.passed, verdict.differing, verdict.open_rows), (false, 1, 1));
        assert_eq!(verdict.compared["store"]["in"], 14);
        assert_eq!(
            (&verdict.compared["store"]["minutes"], &verdict.compared["spark"]["minutes"]),
            (&json!(2), &json!(1))
        );
        assert_eq!(verdict.late_outstanding, 6);
        let row = json!({
            "table": "pipeline_ledger", "row": "2027-01-15T08:00:00Z",
            "text": "relay: 1 records were taken, store gave 2",
        });
        assert_eq!(verdict.differences, [row]);
    }
}
